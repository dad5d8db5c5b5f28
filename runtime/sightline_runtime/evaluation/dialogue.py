"""How a runtime does in dialogues: the call that each line asks for, and edits of groups.

Calls are compared word by word, with what was said before as it truly was. A dialogue
is right as a whole if all its calls are: then its own calls are what was said.
"""

from collections.abc import Sequence

from sightline_runtime.evaluation.scores import Json, Scores, Step, Tally, draw
from sightline_runtime.protocol import Message, Runtime, TextRequest
from sightline_runtime.world import dialogue, judge, outright
from sightline_runtime.world.acts import Change
from sightline_runtime.world.conversation import Turn
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, SceneSampler

TURNS = 5
"""Turns of a dialogue."""


def messages(turns: Sequence[Turn]) -> tuple[Message, ...]:
    """A dialogue up to the line of its last turn, as a runtime is asked for the call."""
    said = dialogue.script(turns)[:-2]
    return (Message("system", ("tools",)), *(Message(role, (text,)) for role, text in said))


def calls(runtime: Runtime, seed: int, n: int, step: Step) -> tuple[Scores, Tally]:
    """Calls by what their lines leave open, and whole dialogues."""
    scores, whole, world = Scores(), Tally(), SceneSampler(seed * 1_000_003 + 41, held_out=False)
    for index in range(n):
        turns = dialogue.dialogue(world, TURNS)
        good = []
        for count, turn in enumerate(turns, 1):
            request = TextRequest(messages(turns[:count]), max_tokens=96)
            good.append(runtime.generate_text(request).result().text.strip() == turn.call)
            scores.add(turn.kind, good[-1])
        whole.add(all(good))
        step("dialogues", index + 1, n)
    return scores, whole


def group_edits(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Edits of one thing of several alike, and of all of them: any right choice counts."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 42, held_out=False)
    for index in range(n):
        scene, change = _group_edit(world)
        picture = draw(runtime, change.text, seed * 100_000 + index, paint(scene))
        seen, right = judge.read(picture), change.outcomes(world, scene)
        scores.add(f"{change.each} of several", any(judge.edited(seen, scene, target) for target in right))
        step("group edits", index + 1, n)
    return scores


def _group_edit(world: SceneSampler) -> tuple[Scene, Change]:
    while True:
        scene = outright.twins(world)
        change = outright.some_change(world, scene)
        if change.each != "the" and change.outcomes(world, scene):
            return scene, change


def dialogues(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """All of it."""
    scores, whole = calls(runtime, seed, n, step)
    return {
        "calls": scores.to_json(),
        "whole": whole.to_json(),
        "group_edits": group_edits(runtime, seed, n, step).to_json(),
    }
