"""How a runtime does outside of the world's own language: looser words, and things that are not there."""

from statistics import fmean

from sightline_runtime.evaluation.scores import Json, Scores, Step, Tally, ask, draw, features
from sightline_runtime.protocol import Runtime
from sightline_runtime.world import judge, language, phrasing
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler


def loose_questions(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Questions of forms that the world's own language does not have."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 21, held_out=False)
    for index in range(6 * n):
        scene = world.scene()
        asked = phrasing.question(world, scene)
        scores.add(asked.kind, ask(runtime, paint(scene), asked.text).text == asked.answer)
        step("loose questions", index + 1, 6 * n)
    return scores


def loose_edits(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Edits said loosely; those that leave something open are not asked."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 22, held_out=False)
    for index in range(2 * n):
        change, said = _said(world)
        while change.kind == "add":
            change, said = _said(world)
        picture = draw(runtime, said, seed * 100_000 + index, paint(change.source))
        scores.add(change.kind, judge.edited(judge.read(picture), change.source, change.target))
        step("loose edits", index + 1, 2 * n)
    return scores


def _said(world: SceneSampler) -> tuple[language.Edit, str]:
    """An edit and how somebody says it."""
    change = phrasing.instruction(world)
    return change, phrasing.politely(world, change.instruction)


def absent(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """Things that are not there: how sure the answers are, and whether edits say that nothing changes."""
    world = SceneSampler(seed * 1_000_003 + 23, held_out=False)
    absent_sure, present_sure, idle, wrongly_idle = [], [], Tally(), Tally()
    for index in range(n):
        scene = world.scene()
        there = language.question(world, scene, world.choice(["color_at_place", "shape_at_place"]))
        present_sure.append(ask(runtime, paint(scene), there.text).confidence if there else 1.0)
        nothing = phrasing.unanswerable(world, scene)
        absent_sure.append(ask(runtime, paint(scene), nothing.text).confidence)
        for change, tally in ((phrasing.impossible(world, scene), idle), (_possible(world), wrongly_idle)):
            made = features(runtime, change.instruction, seed * 100_000 + index, paint(change.source))
            tally.add(made.unchanged == (True,))
        step("absent", index + 1, n)
    return {
        "confidence_absent": round(fmean(absent_sure), 4),
        "confidence_present": round(fmean(present_sure), 4),
        "impossible_edits_left_alone": idle.to_json(),
        "possible_edits_left_alone": wrongly_idle.to_json(),
    }


def _possible(world: SceneSampler) -> language.Edit:
    return language.edit(world, world.choice(language.EDIT_KINDS))


def wide(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """All of it."""
    return {
        "questions": loose_questions(runtime, seed, n, step).to_json(),
        "edits": loose_edits(runtime, seed, n, step).to_json(),
        "absent": absent(runtime, seed, n, step),
    }
