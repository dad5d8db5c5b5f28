"""Where the score is lost: every stage measured by itself, given what is right before it.

Plans: does the backbone write a plan that satisfies the prompt, or the edit's own
plan? Drawing: does the DiT draw, or edit, what a right plan says? Decoder: does a
picture decoded from true features show its scene?
"""

from sightline_runtime.evaluation.scores import Json, Scores, Step, draw, features
from sightline_runtime.evaluation.world import reconstruction, satisfies
from sightline_runtime.protocol import Runtime
from sightline_runtime.world import judge, language, reader
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, SceneSampler


def _fits(plan: str, kind: str, prompt: str, asked: Scene) -> bool:
    """Whether a plan, painted by rules, is a picture that satisfies the prompt."""
    scene = reader.scene_of(plan, 0)
    if scene is None or len({thing.cell for thing in scene.things}) < len(scene.things):
        return False
    return satisfies(judge.read(paint(scene)), kind, asked, prompt)


def prompt_plans(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Plans written for prompts of the six types."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 11, held_out=False)
    for kind in language.GENERATION_TYPES:
        for index in range(n):
            prompt, scene = language.prompt(world, kind)
            written = features(runtime, prompt, seed * 100_000 + index, steps=1).plans
            scores.add(kind, bool(written) and _fits(written[0], kind, prompt, scene))
            step("plans", scores.asked, n * len(language.GENERATION_TYPES))
    return scores


def edit_plans(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Plans written for edits, word by word."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 12, held_out=False)
    for kind in language.EDIT_KINDS:
        for index in range(n):
            change = language.edit(world, kind)
            source = paint(change.source)
            made = features(runtime, change.instruction, seed * 100_000 + index, source, steps=1)
            scores.add(kind, made.plans == (language.edit_plan(change),))
            step("edit plans", scores.asked, n * len(language.EDIT_KINDS))
    return scores


def drawing(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Pictures from true plans: whole scenes, and each kind of edit."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 13, held_out=False)
    for index in range(2 * n):
        scene = world.scene()
        said = language.plan(scene)
        picture = draw(runtime, said, seed * 100_000 + index, plan=said)
        scores.add("scene", judge.shows(judge.read(picture), scene))
        step("drawing", scores.asked, (2 + len(language.EDIT_KINDS)) * n)
    for kind in language.EDIT_KINDS:
        for index in range(n):
            change = language.edit(world, kind)
            plan = language.edit_plan(change)
            picture = draw(
                runtime, change.instruction, seed * 100_000 + index, paint(change.source), plan=plan
            )
            scores.add(kind, judge.edited(judge.read(picture), change.source, change.target))
            step("drawing", scores.asked, (2 + len(language.EDIT_KINDS)) * n)
    return scores


def ceilings(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """All stages."""
    return {
        "prompt_plans": prompt_plans(runtime, seed, n, step).to_json(),
        "edit_plans": edit_plans(runtime, seed, n, step).to_json(),
        "drawing_from_true_plans": drawing(runtime, seed, n, step).to_json(),
        "decoding_true_features": reconstruction(runtime, seed, n, step).to_json(),
    }
