"""The demo: one real session on the embedded model, told line by line."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from sightline.session import Session

Tell = Callable[[str], None]


def photograph() -> Image.Image:
    """A picture from outside: a yellow disc and a purple square, drawn with Pillow alone."""
    large = Image.new("RGB", (512, 512), (245, 245, 245))
    pen = ImageDraw.Draw(large)
    pen.ellipse((20, 20, 156, 156), fill=(240, 210, 40))
    pen.rectangle((364, 196, 484, 316), fill=(150, 60, 190))
    return large.resize((64, 64), Image.Resampling.BOX)


def run(out: Path, tell: Tell) -> Mapping[str, object]:
    """Run the session and leave pictures, store and report in a folder; gives what was found, as data."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    folder = out / "demo.sightline"
    if (folder / "session.db").exists():
        shutil.rmtree(folder)
    with Session(folder, seed=7) as s:
        look(s, tell)
        draw_and_edit(s, out, tell)
        branch_and_check(s, tell)
        tell("")
        tell("== replay ==")
        replayed = s.replay()
        tell("  every step computed again gave the same" if replayed.ok else repr(replayed))
        problems = s.verify_store().problems
        tell(f"  problems in the store: {len(problems)} {' '.join(problems)}")
        report = s.report(out / "report.html")
    tell("")
    seconds = round(time.monotonic() - started, 1)
    tell(f"report: {report}   pictures: {out}/*.png   {seconds} s")
    pictures = [str(path) for path in sorted(out.glob("*.png"))]
    found = {"replay_ok": replayed.ok, "problems": list(problems)}
    return found | {"report": str(report), "pictures": pictures, "seconds": seconds}


def look(s: Session, tell: Tell) -> None:
    """Bring a picture in and ask about it."""
    tell("== look: a picture from outside ==")
    photo = s.add(photograph())
    for question in (
        "how many objects are there ?",
        "what shape is the yellow object ?",
        "where is the purple square ?",
        "what color is the background ?",
    ):
        answer = s.understand(photo, question)
        tell(f"  {question:<36} {answer.text}  (p={answer.confidence:.2f})")


def draw_and_edit(s: Session, out: Path, tell: Tell) -> None:
    """Draw a picture and edit it three times."""
    tell("")
    tell("== draw and edit ==")
    prompt = "a large red circle at the top left and a large blue square in the center on a gray background"
    picture = s.generate(prompt)
    picture.save(out / "1-generated.png")
    s.tag("drawn", at=picture)
    tell(f"  generate  {prompt}   seed {picture.seeds[0]}")
    tell(f"            planned: {picture.plans[0]}")
    at = picture.image
    steps = ("make the circle green", "make the blue square small", "change the background to black")
    for number, instruction in enumerate(steps, 2):
        edited = s.edit(at, instruction)
        at = edited.image
        edited.save(out / f"{number}-edited.png")
        tell(f"  edit      {instruction}   step {edited.step.short}")


def branch_and_check(s: Session, tell: Tell) -> None:
    """Try something else on a branch, take it back, and check what the pictures show."""
    tell("")
    tell("== branch, undo, check ==")
    main = s.show("HEAD")
    s.branch("alternative", at="drawn")
    s.checkout("alternative")
    other = s.edit(s.show("HEAD"), "replace the red circle with a star")
    tell(f"  branch 'alternative': replace the red circle with a star   step {other.step.short}")
    again = s.edit(s.show("drawn"), "make the circle green")
    tell(f"  the first edit again, on this branch: cache {again.cache.status}, nothing was computed")
    s.undo()
    tell(f"  undo: 'alternative' stands at {s.head[1] or ''!s:.8} again")
    for name, result, question in (
        ("main", main, "is there a green circle ?"),
        ("main", main, "is there a red circle ?"),
        ("alternative", other, "is there a red star ?"),
        ("alternative", other, "is there a blue square ?"),
    ):
        checked = s.understand(result, question, choices=["yes", "no"])
        tell(f"  {name:<12} {question:<28} {checked.text}  (p={checked.confidence:.2f})")
    s.checkout("main")
