"""A question that one look cannot answer, what would be seen after a change: a chain of pictures does."""

import sightline as sl

QUESTION = "would there be more blue than red objects if the stars were removed ?"


def main() -> tuple[sl.Outcome, sl.Outcome]:
    """Give what one look says, and what the chain says."""
    with sl.Session(seed=11) as s:
        scene = s.generate("a red star at the top left and a blue ring at the bottom right")
        looked = s.solve(QUESTION, [scene], strategy=sl.Direct(), choices=["yes", "no"])
        chain = s.solve(QUESTION, [scene], budget=sl.Budget(steps=20))
        return looked, chain


if __name__ == "__main__":
    one_look, thought = main()
    print(one_look)
    print(thought)
