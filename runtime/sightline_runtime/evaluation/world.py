"""How good a runtime is in the world of shapes, judged on pixels and answers.

Scenes come from generators that training never uses and include pairs of shape
and colour that training never shows. Pictures are scored by the judge alone.
Works on any `Runtime`.
"""

from sightline_runtime.evaluation.scores import Json, Scores, Step, Tally, ask, decode, draw
from sightline_runtime.protocol import EmbedRequest, Message, Runtime, TextRequest
from sightline_runtime.world import dialogue, judge, language
from sightline_runtime.world.language import Edit, Question
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import HELD_OUT_PAIRS, Scene, SceneSampler, Thing


def satisfies(reading: judge.Reading, kind: str, scene: Scene, prompt: str) -> bool:
    """Whether a picture shows what a prompt of a generation type asks, and nothing else."""
    seen = reading.things
    if len(seen) != len(scene.things) or any(thing.shape is None for thing in seen):
        return False
    wanted = [
        (t.shape, t.color) if kind in ("colors", "attribution") else (t.shape, None) for t in scene.things
    ]
    found = [(s.shape, s.color if kind in ("colors", "attribution") else None) for s in seen]
    if sorted(map(str, wanted)) != sorted(map(str, found)):
        return False
    return kind != "position" or _related(seen, prompt)


def _related(seen: tuple[judge.Seen, ...], prompt: str) -> bool:
    relation = next(name for name in language.RELATIONS if f" {name} " in prompt)
    first, second = (words.split()[-1] for words in prompt.split(f" {relation} "))
    a = next(thing for thing in seen if thing.shape == first)
    b = next(thing for thing in seen if thing.shape == second)
    return {
        "left of": b.x - a.x > 6,
        "right of": a.x - b.x > 6,
        "above": b.y - a.y > 6,
        "below": a.y - b.y > 6,
    }[relation]


def generation(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Prompts of GenEval's six types; each picture is drawn with its own seed."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 1, held_out=False)
    total = n * len(language.GENERATION_TYPES)
    for kind in language.GENERATION_TYPES:
        for index in range(n):
            prompt, scene = language.prompt(world, kind)
            picture = draw(runtime, prompt, seed * 100_000 + index)
            scores.add(kind, satisfies(judge.read(picture), kind, scene, prompt))
            step("generation", scores.asked, total)
    return scores


def _question(world: SceneSampler, kind: str) -> tuple[Scene, Question]:
    while True:
        scene = world.scene()
        asked = language.question(world, scene, kind)
        if asked:
            return scene, asked


def questions(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Every type of question; the whole answer must be right."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 2, held_out=False)
    total = n * len(language.QUESTION_TYPES)
    for kind in language.QUESTION_TYPES:
        for _ in range(n):
            scene, asked = _question(world, kind)
            answer = ask(runtime, paint(scene), asked.text)
            good = answer.text.strip() == asked.answer
            scores.add(kind, good)
            scores.confidences.append((answer.confidence, good))
            step("questions", len(scores.confidences), total)
    return scores


def edits(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Every kind of edit: the change is there and everything else stayed."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 3, held_out=False)
    total = n * len(language.EDIT_KINDS)
    for kind in language.EDIT_KINDS:
        for index in range(n):
            change: Edit = language.edit(world, kind)
            picture = draw(runtime, change.instruction, seed * 100_000 + index, paint(change.source))
            scores.add(kind, judge.edited(judge.read(picture), change.source, change.target))
            step("edits", scores.asked, total)
    return scores


def tool_calls(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Lines of dialogue → the tool call they ask for, word by word."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 4, held_out=False)
    for index in range(n):
        line, call = dialogue.tool_call(world)
        messages = (Message("system", ("tools",)), Message("user", (line,)))
        answer = runtime.generate_text(TextRequest(messages, max_tokens=96)).result()
        scores.add(call.split()[0], answer.text.strip() == call)
        step("tool calls", index + 1, n)
    return scores


def reconstruction(runtime: Runtime, seed: int, n: int, step: Step) -> Tally:
    """The ceiling: pictures decoded from the features of true scenes."""
    tally, world = Tally(), SceneSampler(seed * 1_000_003 + 5, held_out=False)
    for index in range(n):
        scene = world.scene()
        features = runtime.embed_images(EmbedRequest((paint(scene),))).result().features[0]
        tally.add(judge.shows(judge.read(decode(runtime, features, index)), scene, reach=4.0))
        step("reconstruction", index + 1, n)
    return tally


def composition(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """Colours never seen on a shape, against seen ones: generation and questions."""
    result: Json = {}
    world = SceneSampler(seed * 1_000_003 + 6)
    unseen = sorted(HELD_OUT_PAIRS)
    for name in ("unseen", "seen"):
        drawn, answered = Tally(), Tally()
        for index in range(n):
            shape, color = unseen[index % len(unseen)] if name == "unseen" else world.pair()
            thing = Thing(shape, color, world.choice(["small", "large"]), int(world.rng.integers(9)))
            scene = Scene(world.choice(["white", "black", "gray", "brown"]), (thing,))
            prompt = language.phrase(thing, size=False)
            reading = judge.read(draw(runtime, prompt, seed * 100_000 + index))
            drawn.add(satisfies(reading, "colors", scene, prompt))
            reply = ask(runtime, paint(scene), f"is there {prompt} ?")
            answered.add(reply.text.strip() == "yes")
            step("composition", index + 1, n)
        result[name] = {"generation": drawn.to_json(), "questions": answered.to_json()}
    return result
