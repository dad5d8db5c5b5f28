"""How good a runtime is in the world of shapes, judged on pixels and answers.

Scenes come from generators that training never uses and include pairs of shape
and colour that training never shows. Pictures are scored by the judge alone.
Works on any `Runtime`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    Features,
    ImageSlot,
    Message,
    Pixels,
    Runtime,
    TextRequest,
)
from sightline_runtime.world import judge, language
from sightline_runtime.world.language import Edit, Question
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import HELD_OUT_PAIRS, Scene, SceneSampler, Thing

Json = dict[str, object]
Step = Callable[[str, int, int], None]
"""Called with (part, done, total)."""


@dataclass
class Tally:
    """Right answers of asked ones."""

    right: int = 0
    asked: int = 0

    def add(self, good: bool) -> None:
        """Count one."""
        self.right += good
        self.asked += 1

    def to_json(self) -> Json:
        """Score, count and the 95 % Wilson interval."""
        if not self.asked:
            return {"score": None, "n": 0}
        share, n, z = self.right / self.asked, self.asked, 1.96
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        interval = [round(max(middle - reach, 0.0), 4), round(min(middle + reach, 1.0), 4)]
        return {"score": round(share, 4), "n": n, "interval": interval}


@dataclass
class Scores:
    """Tallies by name, and the questions' confidences for calibration."""

    by_kind: dict[str, Tally] = field(default_factory=dict)
    confidences: list[tuple[float, bool]] = field(default_factory=list)

    def add(self, kind: str, good: bool) -> None:
        """Count one under a kind."""
        self.by_kind.setdefault(kind, Tally()).add(good)

    def mean(self) -> float:
        """The mean of the kinds' scores."""
        shares = [tally.right / tally.asked for tally in self.by_kind.values() if tally.asked]
        return sum(shares) / len(shares) if shares else math.nan

    def to_json(self) -> Json:
        """Mean and every kind."""
        kinds = {kind: tally.to_json() for kind, tally in self.by_kind.items()}
        return {"mean": round(self.mean(), 4), "kinds": kinds}

    def calibration_error(self, bins: int = 10) -> float:
        """Expected calibration error over equally wide bins of confidence."""
        total = 0.0
        for index in range(bins):
            inside = [(c, good) for c, good in self.confidences if min(int(c * bins), bins - 1) == index]
            total += abs(sum(c for c, _ in inside) - sum(good for _, good in inside))
        return total / max(len(self.confidences), 1)


def draw(runtime: Runtime, prompt: str, seed: int, source: Pixels | None = None) -> Pixels:
    """Generate a picture, or edit one."""
    content = (prompt,) if source is None else (ImageSlot(0), prompt)
    images = () if source is None else (source,)
    request = FeatureRequest((Message("user", content),), (seed,), images)
    return decode(runtime, runtime.generate_features(request).result().features[0], seed)


def decode(runtime: Runtime, features: Features, seed: int) -> Pixels:
    """Paint features."""
    return runtime.decode_features(DecodeRequest((features,), (seed,))).result().images[0]


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
            step("generation", sum(t.asked for t in scores.by_kind.values()), total)
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
            message = Message("user", (ImageSlot(0), asked.text))
            answer = runtime.generate_text(TextRequest((message,), (paint(scene),), max_tokens=8)).result()
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
            step("edits", sum(t.asked for t in scores.by_kind.values()), total)
    return scores


def tool_calls(runtime: Runtime, seed: int, n: int, step: Step) -> Scores:
    """Lines of dialogue → the tool call they ask for, word by word."""
    scores, world = Scores(), SceneSampler(seed * 1_000_003 + 4, held_out=False)
    for index in range(n):
        line, call = language.tool_call(world)
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
            ask = Message("user", (ImageSlot(0), f"is there {prompt} ?"))
            reply = runtime.generate_text(TextRequest((ask,), (paint(scene),), max_tokens=8)).result()
            answered.add(reply.text.strip() == "yes")
            step("composition", index + 1, n)
        result[name] = {"generation": drawn.to_json(), "questions": answered.to_json()}
    return result


def evaluate(runtime: Runtime, seed: int, n: int, step: Step, parts: Iterable[str] = ()) -> Json:
    """All scores as JSON data; `n` pictures or questions of each type."""
    wanted = set(parts) or {"generation", "questions", "edits", "tool_calls", "reconstruction", "composition"}
    result: Json = {
        "model": runtime.info.model,
        "fingerprint": runtime.info.fingerprint[:16],
        "seed": seed,
        "n": n,
    }
    if "generation" in wanted:
        result["generation"] = generation(runtime, seed, n, step).to_json()
    if "questions" in wanted:
        asked = questions(runtime, seed, n, step)
        result["questions"] = asked.to_json() | {"calibration_error": round(asked.calibration_error(), 4)}
    if "edits" in wanted:
        result["edits"] = edits(runtime, seed, n, step).to_json()
    if "tool_calls" in wanted:
        result["tool_calls"] = tool_calls(runtime, seed, n, step).to_json()
    if "reconstruction" in wanted:
        result["reconstruction"] = reconstruction(runtime, seed, n, step).to_json()
    if "composition" in wanted:
        result["composition"] = composition(runtime, seed, n, step)
    return result
