"""Find the edit that lost something, go on from before it, and see both branches as one tree."""

import sightline as sl


def main() -> tuple[str, str]:
    """Edit a picture five times, bisect for the edit that lost the circle, and leave that one out."""
    with sl.Session(seed=7) as s:
        at = s.generate("a large red circle at the top left and a blue square in the center")
        for instruction in (
            "change the background to black",
            "make the blue square green",
            "replace the red circle with a star",
            "make the green square large",
            "change the background to white",
        ):
            at = s.edit(at, instruction)
        found = s.bisect("img1", "HEAD", "is there a red circle ?")
        print(found)
        s.branch("without", at=found.last_good)
        s.checkout("without")
        s.edit(s.at("HEAD").image, "change the background to white")
        print(s.tree())
        print(s.diff("main", "without"))
        return found.first_bad.summary(), str(s.tree())


if __name__ == "__main__":
    main()
