"""Work on one picture, then do the same to a whole folder; a second run computes nothing."""

from pathlib import Path

import sightline as sl


def pictures(folder: Path) -> Path:
    """Draw something to work on."""
    with sl.Session(seed=3) as s:
        for name, prompt in {
            "a": "a red star",
            "b": "a blue ring and a green cross",
            "c": "two hearts",
        }.items():
            s.generate(prompt).save(folder / f"{name}.png")
    return folder


def main(place: Path = Path("over-a-folder")) -> tuple[dict[str, str], int]:
    """Give the answers for every picture, and how many steps a second run had to compute."""
    folder = pictures(place / "in")
    with sl.Session(seed=5) as s:
        dark = s.edit(s.add(folder / "a.png"), "change the background to black")
        s.understand(dark, "what color is the background ?")
        workflow = s.recipe()
    (place / "recipe.json").write_text(workflow.to_json())

    again = sl.Workflow.from_json((place / "recipe.json").read_text())
    first = again.run(folder, out=place / "out", workers=2)
    second = again.run(folder, out=place / "out")
    answers = {item.name: item.answers["understand"] for item in first.items}
    return answers, sum(item.computed for item in second.items)


if __name__ == "__main__":
    print(main())
