"""The state of a dialogue: which pictures there are, and what 'it', 'again' and 'and now ?' would mean.

References are settled by what was said, not by what is seen: a reader of the
lines, the calls and the short results can resolve every one of them.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from sightline_runtime.world.acts import Act, Ask, Change, Draw
from sightline_runtime.world.language import NUMBERS
from sightline_runtime.world.naming import ANYTHING, Name
from sightline_runtime.world.scenes import SHAPES, Scene

Tool = Literal["generate", "edit", "understand", "undo", "show"]

LAST_NUMBER = len(NUMBERS) - 1
"""Pictures have numbers up to this one."""


@dataclass(frozen=True)
class Turn:
    """One exchange: a line, the call it asks for, and the short result of the call.

    `kind` says what the line leaves open; `picture` is the number of the picture that the
    call's result shows, None for an answer; `given` names a picture that came with the line.
    """

    kind: str
    line: str
    call: str
    result: str
    picture: int | None = None
    given: str = ""


@dataclass(frozen=True)
class Shot:
    """A picture, and what 'it' (or 'them') and 'the other one' stand for while it is looked at."""

    scene: Scene
    focus: Name | None = None
    rest: Name | None = None


def call_of(act: Act, picture: int | None = None) -> str:
    """The tool call of an act; a picture other than the last one is named by its number."""
    tool = {Ask: "understand", Change: "edit", Draw: "generate"}[type(act)]
    about = "" if picture is None else f"picture {NUMBERS[picture]} , "
    return f"{tool} ( {about}{act.text} )"


@dataclass
class Talk:
    """A dialogue so far.

    `shots` are its pictures in order, `trail` the indices of those looked at, the last one now.
    `asked`, `changed` and `drawn` are the last question, edit and prompt; `missing` is what
    a question did not find, `spot` a cell that is known to be free. `apart` says that the
    picture looked at is an edit of another one than the one before; `given` names a new one.
    """

    shots: list[Shot] = field(default_factory=list)
    trail: list[int] = field(default_factory=list)
    asked: Ask | None = None
    asked_of: int = 0
    changed: Change | None = None
    drawn: Draw | None = None
    missing: Name | None = None
    spot: int | None = None
    turns: list[Turn] = field(default_factory=list)
    previous: Act | str | None = None
    apart: bool = False
    given: str = ""

    @property
    def now(self) -> Shot:
        """The picture that is looked at."""
        return self.shots[self.trail[-1]]

    @property
    def before(self) -> int | None:
        """The index of the picture looked at before, if no step back blurs what that is."""
        plain = len(self.trail) > 1 and not isinstance(self.previous, str) and not self.apart
        return self.trail[-2] if plain and self.trail[-2] != self.trail[-1] else None

    @property
    def clear(self) -> bool:
        """Whether 'it' is a thing of the picture that is looked at: not so after a question about another."""
        return self.previous is not self.asked or self.asked_of == self.trail[-1] or self.asked is None

    @property
    def full(self) -> bool:
        """Whether no number is left for another picture."""
        return len(self.shots) >= LAST_NUMBER

    def look(self, scene: Scene) -> None:
        """A picture comes in from outside."""
        self.given = f"picture {NUMBERS[self._show(Shot(scene))]}"
        self.previous, self.changed = "given", None

    def ask(self, kind: str, line: str, act: Ask, index: int | None = None) -> None:
        """A question, about another picture if `index` is given."""
        shot = self.now if index is None else self.shots[index]
        answer = act.answer(shot.scene)
        if answer is None:
            raise ValueError(f"{act.text!r} has no answer")
        self._add(Turn(kind, line, call_of(act, None if index is None else index + 1), answer))
        self.asked, self.previous = act, act
        self.asked_of = self.trail[-1] if index is None else index
        self.missing, self.spot = None, None
        if index is None:
            self._attend(act, answer)

    def change(self, kind: str, line: str, act: Change, after: Scene, index: int | None = None) -> None:
        """An edit, of another picture if `index` is given, and the scene after it."""
        shot = self.now if index is None else self.shots[index]
        focus, rest = _focus_after(act, shot)
        self._made(kind, line, call_of(act, None if index is None else index + 1), Shot(after, focus, rest))
        self.changed, self.previous, self.apart = act, act, index is not None

    def draw(self, kind: str, line: str, act: Draw, scene: Scene) -> None:
        """A new picture from a prompt."""
        part = act.parts[0]
        focus = replace(part.name.plain(), many=part.count > 1) if len(act.parts) == 1 else None
        self._made(kind, line, call_of(act), Shot(scene, focus))
        self.drawn, self.previous = act, act

    def undo(self, line: str) -> None:
        """One picture back."""
        self.trail.pop()
        self._went("undo", line, "undo ( )")

    def show(self, line: str, index: int) -> None:
        """Back to a picture by its number."""
        self.trail.append(index)
        self._went("show", line, f"show ( picture {NUMBERS[index + 1]} )")

    def _went(self, kind: str, line: str, call: str) -> None:
        number = self.trail[-1] + 1
        self._add(Turn(kind, line, call, f"picture {NUMBERS[number]}", number))
        self.previous, self.changed, self.missing, self.spot = kind, None, None, None
        self.apart = False

    def _show(self, shot: Shot) -> int:
        self.shots.append(shot)
        self.apart = False
        self.trail.append(len(self.shots) - 1)
        self.missing, self.spot = None, None
        return len(self.shots)

    def _made(self, kind: str, line: str, call: str, shot: Shot) -> None:
        number = self._show(shot)
        self._add(Turn(kind, line, call, f"picture {NUMBERS[number]}", number))

    def _add(self, turn: Turn) -> None:
        self.turns.append(replace(turn, given=self.given))
        self.given = ""

    def _attend(self, act: Ask, answer: str) -> None:
        """What a question and its answer bring to mind."""
        focus, at = self.now.focus, self.trail[-1]
        if act.kind == "background":
            return
        if act.kind == "relation":
            focus = None
        elif act.kind == "at":
            focus = None if answer == "nothing" else Name(answer.split()[-1], answer.split()[-2])
            self.spot = int(act.value) if answer == "nothing" else None
        elif act.name is not None and answer in ("no", "zero") and act.kind in ("exists", "count"):
            focus, self.missing = None, act.name.one()
        elif act.name is not None:
            focus = _known(act, act.name, answer)
        self.shots[at] = replace(self.now, focus=focus, rest=None)


def _known(act: Ask, name: Name, answer: str) -> Name:
    """The name of what was asked about, with what the answer adds to it."""
    if act.kind == "count":
        return replace(name, many=answer != "one")
    if act.kind == "shape" and name.noun == ANYTHING and answer in SHAPES:
        return replace(name, noun=answer)
    return name


def _focus_after(act: Change, shot: Shot) -> tuple[Name | None, Name | None]:
    """What 'it' and 'the other one' stand for after an edit."""
    if act.kind == "background" or act.name is None:
        return shot.focus, shot.rest
    name = act.name
    if act.kind == "add":
        return name.plain(), None
    count = len(name.among(shot.scene))
    rest = replace(name, many=count > 2) if act.each == "one" else None
    if act.kind == "remove":
        return rest, None
    after = name.after(act.kind, act.value)
    if act.each == "one" and act.kind == "color":
        after = replace(name, color=str(act.value))
    return after, rest
