"""Try three edits of one picture on three branches and lay the results side by side."""

from pathlib import Path

import sightline as sl


def main(out: Path = Path("branches.png")) -> Path:
    """Draw, branch, edit, and save a sheet of all versions."""
    with sl.Session(seed=11) as s:
        start = s.generate("a red star and a blue ring")
        versions = [start]
        for name, instruction in {
            "green": "make the star green",
            "dark": "change the background to black",
            "alone": "remove the blue ring",
        }.items():
            s.branch(name, at=start)
            s.checkout(name)
            versions.append(s.edit(start, instruction))
        return s.grid(versions, columns=4, padding=6).save(out)


if __name__ == "__main__":
    print(main())
