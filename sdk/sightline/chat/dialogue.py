"""A branch as a dialogue: its steps told as turns; whatever was done beside the dialogue is told too.

Nothing but the steps of the branch is read, so the dialogue of another branch, or after
an undo, is that branch's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sightline.chat.turns import ToolCall, Turn
from sightline.tree.past import Past
from sightline.tree.recipe import plain
from sightline.tree.steps import Step
from sightline_runtime.protocol import ImageSlot
from sightline_tools.image import Image

CHAT, SHOW, UNDO, ADD = "chat", "show", "undo", "add"
"""Tools of a dialogue's steps: what was said, a picture shown again, a step back, a picture brought in."""
FAILED = "Error"
"""How the answer of a call begins that did nothing."""

_ASKED = {"generate": ("prompt", "draw {}"), "edit": ("instruction", "{}"), "understand": ("question", "{}")}
"""What a call beside the dialogue asked, and how somebody would have said so."""
_SHORT = 200


@dataclass(frozen=True)
class Shown:
    """A picture of a dialogue, and its short name."""

    image: Image
    alias: str


@dataclass
class Dialogue:
    """Turns, and the pictures that their slots show, in order."""

    turns: list[Turn] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    _waiting: dict[str, ToolCall] = field(default_factory=dict)
    _answers: dict[str, str] = field(default_factory=dict)
    _made: list[Shown] = field(default_factory=list)
    _given: list[Shown] = field(default_factory=list)

    @classmethod
    def of(cls, past: Past) -> Dialogue:
        """The dialogue of the steps up to a call."""
        told = cls()
        for step in past.steps:
            if step.status != "done":
                continue
            if step.tool == CHAT:
                told._chat(past, step)
            elif step.tool == ADD:
                told._given += [_shown(past, pixels) for pixels in step.images()]
            else:
                told._tool(past, step)
        return told

    def hear(self, answers: Mapping[str, str]) -> None:
        """Take the answers of the calls that wait for one: those that made no step, by the id of the call."""
        self._answers |= answers
        self._close()

    def say(self, message: str, pictures: Sequence[Shown], system: str = "") -> None:
        """A line of the user's, with the pictures that come with it."""
        self._close()
        if system and not any(turn.role == "system" for turn in self.turns):
            self.turns.insert(0, Turn("system", (system,)))
        given = {each.image.pixels: each for each in (*self._given, *pictures)}
        self._given = []
        self._show(tuple(given.values()), message)

    def _show(self, pictures: Sequence[Shown], message: str = "") -> None:
        slots = [ImageSlot(len(self.shown) + place) for place in range(len(pictures))]
        self.shown += pictures
        names = tuple(each.alias for each in pictures)
        self.turns.append(Turn("user", (*slots, *([message] if message else [])), names=names))

    # --- reading steps -----------------------------------------------------------------------

    def _chat(self, past: Past, step: Step) -> None:
        args, outputs = plain(step.args), step.values()
        if not isinstance(args, dict):
            return
        heard = args.get("heard")
        notes = [each for each in heard if isinstance(each, dict)] if isinstance(heard, list) else []
        self.hear({str(note.get("call")): str(note.get("text")) for note in notes})
        message = str(args.get("meant") or args.get("message") or "")
        if message:
            shown = [_shown(past, pixels) for pixels in _digests(args.get("images"))]
            self.say(message, shown, str(args.get("system") or ""))
        calls = calls_of(step)
        text = str(outputs.get("text") or "")
        if calls:
            self.turns.append(Turn("assistant", calls=calls))
            self._waiting = {call.id: call for call in calls}
        elif text:
            self.turns.append(Turn("assistant", (text,)))

    def _tool(self, past: Past, step: Step) -> None:
        made = [_shown(past, pixels) for pixels in step.images()]
        open_calls = [call for call in self._waiting.values() if call.id not in self._answers]
        call = next((call for call in open_calls if _does(call.name, step.tool)), None)
        if call is None:
            call = self._beside(past, step)
        self._answers[call.id] = answer(step, made)
        self._made += made

    def _beside(self, past: Past, step: Step) -> ToolCall:
        """A step that nobody asked for in the dialogue, as if somebody had."""
        self._close()
        name, line = _ASKED.get(step.tool, ("", "{}"))
        said = str(step.args.get(name) or step.tool)
        args: dict[str, object] = {name: said} if name else {}
        read = [_shown(past, pixels).alias for pixels in _digests(plain(step.args.get("image")))]
        args |= {"image": read[0]} if read else {}
        self.say(line.format(said), ())
        call = ToolCall(step.tool, args, step.short)
        self.turns.append(Turn("assistant", calls=(call,)))
        self._waiting = {call.id: call}
        return call

    def _close(self) -> None:
        """Answer every call that waits, in order, and show what the tools made."""
        for call_id in self._waiting:
            text = self._answers.get(call_id, f"{FAILED}: it was not done")
            self.turns.append(Turn("tool", (text,), answers=call_id))
        made = {each.image.pixels: each for each in self._made}
        self._waiting, self._answers, self._made = {}, {}, []
        if made:
            self._show(tuple(made.values()))


def answer(step: Step, made: Sequence[Shown]) -> str:
    """What a step tells in a dialogue, shortly."""
    values = step.values()
    names = ", ".join(each.alias for each in made)
    if step.tool == "understand":
        return f"text: {values.get('text', '')}"
    if step.tool == "edit" and values.get("changed") is False:
        return f"{names}: there was nothing to change"
    if names:
        return names
    rest = {name: value for name, value in values.items() if name not in ("usage", "warnings")}
    return json.dumps(rest, ensure_ascii=False, default=str)[:_SHORT]


def _shown(past: Past, pixels: str) -> Shown:
    return Shown(past.pictures.reference(pixels), past.alias(pixels))


def _does(name: str, tool: str) -> bool:
    """Whether a step of a tool is what came of a call: a step back shows a picture again."""
    return name == tool or (tool == SHOW and name == UNDO)


def calls_of(step: Step) -> tuple[ToolCall, ...]:
    """The calls that a step of the dialogue made, under the ids by which their answers name them."""
    value, found = step.values().get("calls"), []
    for place, each in enumerate(value if isinstance(value, list) else []):
        try:
            arguments = json.loads(str(each["arguments"]))
        except (ValueError, TypeError, KeyError):
            continue
        if isinstance(arguments, dict):
            found.append(ToolCall(str(each.get("name")), arguments, f"{step.short}-{place}"))
    return tuple(found)


def _digests(value: object) -> list[str]:
    items = value if isinstance(value, list | tuple) else [value]
    return [str(item["$image"]) for item in items if isinstance(item, dict) and "$image" in item]
