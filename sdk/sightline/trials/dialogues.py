"""Dialogues of five turns through `Session.chat`: is it the right tool, the right picture, the right result ?

What a line leaves open is the model's to choose, so a dialogue goes on from the pictures that
it made: after each turn the pixel judge reads them, and the next line is about what is there.
The truth of a turn is an act of the world's language. A dialogue ends at its first wrong turn:
what comes after is not asked, and counts as wrong in `turns_of_all`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from sightline.chat.reply import Reply
from sightline.results import Picture
from sightline.session import Session
from sightline.trials.trial import Step
from sightline_runtime.evaluation.scores import Json, Scores, Tally
from sightline_runtime.protocol import Runtime
from sightline_runtime.world import dialogue, judge, reader
from sightline_runtime.world.acts import Change, Draw
from sightline_runtime.world.conversation import Turn
from sightline_runtime.world.language import NUMBERS, related
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, SceneSampler, Thing

TURNS = 5
"""Turns of a dialogue."""
_SHOWN = 20
"""Wrong turns that are told in words."""


@dataclass
class _Counts:
    """What is counted: turns by what their lines leave open, parts of being right, whole dialogues."""

    turns: Scores = field(default_factory=Scores)
    parts: Scores = field(default_factory=Scores)
    whole: Tally = field(default_factory=Tally)
    all: Tally = field(default_factory=Tally)
    wrong: list[str] = field(default_factory=list)


def dialogues(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """n dialogues, each in a session of its own."""
    counts, world = _Counts(), SceneSampler(seed * 1_000_003 + 55, held_out=False)
    for number in range(n):
        with Session(runtime=runtime, seed=seed * 1000 + number) as session:
            right = _Dialogue(session, world, counts).run()
        counts.whole.add(right == TURNS)
        for place in range(TURNS):
            counts.all.add(place < right)
        step("dialogues", number + 1, n)
    asked = Tally(
        sum(each.right for each in counts.turns.by_kind.values()),
        sum(each.asked for each in counts.turns.by_kind.values()),
    )
    return {
        "turns": asked.to_json(),
        "turns_of_all": counts.all.to_json(),
        "whole": counts.whole.to_json(),
        "parts": counts.parts.to_json(),
        "kinds": counts.turns.to_json(),
        "wrong": counts.wrong[:_SHOWN],
    }


class _Dialogue:
    """One dialogue: what is said, and the pictures that it made, in the order of the talk's shots."""

    def __init__(self, session: Session, world: SceneSampler, counts: _Counts) -> None:
        self._session, self._world, self._counts = session, world, counts
        self._talk = dialogue.begun(world)
        self._pictures: list[Picture] = []

    def run(self) -> int:
        """How many turns were right before the first wrong one."""
        for place in range(TURNS):
            before = len(self._talk.turns)
            while len(self._talk.turns) == before:
                dialogue.go_on(self._world, self._talk)
            if not self._turn(self._talk.turns[-1]):
                return place
        return TURNS

    def _turn(self, turn: Turn) -> bool:
        given = [paint(self._talk.shots[len(self._pictures)].scene)] if turn.given else []
        reply = self._session.chat(turn.line, given)
        if given:
            self._pictures.append(self._session.show(self._added(reply)).image)
        tool = turn.call.split()[0]
        parts = {"tool": [call.name for call in reply.calls] == [tool] and reply.calls[0].ok}
        if parts["tool"]:
            parts["picture"] = self._right_picture(turn, reply, tool)
            parts["result"] = parts["picture"] and self._right_result(turn, reply, tool)
        for name, good in parts.items():
            self._counts.parts.add(name, good)
        right = all(parts.values())
        self._counts.turns.add(turn.kind, right)
        if not right:
            said = "; ".join(map(str, reply.calls)) or reply.text
            bad = ", ".join(name for name, good in parts.items() if not good)
            self._counts.wrong.append(
                f"{turn.kind}: {turn.line!r} → {turn.call} = {turn.result}; got {said} ({bad})"
            )
        return right

    def _added(self, reply: Reply) -> str:
        """The step that brought the picture of a line in: the one before what was said first."""
        parent = self._session._executor.step(reply.steps[0]).parent
        return parent or reply.steps[0]

    def _right_picture(self, turn: Turn, reply: Reply, tool: str) -> bool:
        """Whether a call is about the picture that the line means; one that is drawn is about none."""
        if tool == "generate":
            return True
        used = reply.calls[0].arguments.get("image")
        return used == self._pictures[self._meant(turn, tool)].alias

    def _meant(self, turn: Turn, tool: str) -> int:
        """The index of the picture that a turn is about."""
        if tool in ("undo", "show"):
            return (turn.picture or 1) - 1
        words = turn.call.split()
        if words[2] == "picture" and words[4:5] == [","]:
            return NUMBERS.index(words[3]) - 1
        made = 1 if tool == "edit" else 0
        trail = self._talk.trail
        return trail[-1 - made]

    def _right_result(self, turn: Turn, reply: Reply, tool: str) -> bool:
        if tool == "understand":
            return reply.text == turn.result
        if tool in ("undo", "show"):
            return reply.image.alias == self._pictures[self._meant(turn, tool)].alias
        picture = reply.image
        seen = _read(picture)
        act = self._talk.drawn if tool == "generate" else self._talk.changed
        source = None if tool == "generate" else _read(self._pictures[self._meant(turn, tool)])
        if isinstance(act, Draw):
            right = _drawn(seen, act)
        else:
            right = (
                act is not None and source is not None and _changed(self._world, picture.numpy(), source, act)
            )
        if right:
            self._pictures.append(picture)
            self._talk.shots[-1] = replace(self._talk.shots[-1], scene=seen)
        return right


def _read(picture: Picture) -> Scene:
    return reader.scene_in(judge.read(picture.numpy()))


def _drawn(seen: Scene, act: Draw) -> bool:
    """Whether a scene is what a prompt asks for, and nothing else."""
    if act.background and seen.background != act.background:
        return False
    found = [part.name.one().among(seen) for part in act.parts]
    if len(seen.things) != sum(part.count for part in act.parts):
        return False
    if any(len(things) < part.count for part, things in zip(act.parts, found, strict=True)):
        return False
    return not act.relation or _stand(found[0], found[1], act.relation)


def _stand(first: list[Thing], second: list[Thing], relation: str) -> bool:
    return any(related(a, b, relation) for a in first for b in second if a is not b)


def _changed(world: SceneSampler, pixels: npt.NDArray[np.uint8], source: Scene, act: Change) -> bool:
    """Whether an edit was done, and all else is as before; any right choice counts."""
    reading = judge.read(pixels)
    if act.kind == "add" and act.name is not None:
        new = [thing for thing in reader.scene_in(reading).things if act.name.fits(thing)]
        targets = [replace(source, things=(*source.things, thing)) for thing in new]
    elif act.kind == "background":
        targets = [replace(source, background=str(act.value))]
    else:
        targets = act.outcomes(world, source)
    return any(judge.edited(reading, source, target) for target in targets)
