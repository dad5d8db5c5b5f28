"""Ask for answers of a type: a number to count with, a choice, and a whole model at once."""

from typing import Annotated, Literal, assert_type

from pydantic import BaseModel, Field

import sightline as sl


class Look(BaseModel):
    """What is in the picture; the descriptions are the questions."""

    stars: Annotated[int, Field(ge=0, le=9)] = Field(description="how many stars are there ?")
    color: Literal["red", "green", "blue"] = Field(description="what color are the stars ?")
    ring: bool = Field(description="is there a ring ?")


def main(prompt: str = "two green stars") -> Look:
    """Draw a picture and give what is seen in it."""
    with sl.Session(seed=5) as s:
        picture = s.generate(prompt)
        stars = s.understand(picture, "how many stars are there ?", output=int)
        assert_type(stars.value, int)
        print(f"{stars.value} stars and one more are {stars.value + 1}")
        seen = s.understand(picture, "what is there ?", output=Look)
        assert_type(seen.value, Look)
        for part, sure in seen.confidences.items():
            print(f"{part}: {getattr(seen.value, part)!r} with p={sure:.2f}")
        return seen.value


if __name__ == "__main__":
    main()
