"""All evaluations of the world by name, and one call that runs them."""

from collections.abc import Callable, Iterable

from sightline_runtime.errors import InputError
from sightline_runtime.evaluation import world
from sightline_runtime.evaluation.ceilings import ceilings
from sightline_runtime.evaluation.dialogue import dialogues
from sightline_runtime.evaluation.scores import Json, Step
from sightline_runtime.evaluation.wide import wide
from sightline_runtime.protocol import Runtime

Part = Callable[[Runtime, int, int, Step], Json]

PARTS: dict[str, Part] = {
    "generation": lambda runtime, seed, n, step: world.generation(runtime, seed, n, step).to_json(),
    "questions": lambda runtime, seed, n, step: world.questions(runtime, seed, n, step).to_json(),
    "edits": lambda runtime, seed, n, step: world.edits(runtime, seed, n, step).to_json(),
    "tool_calls": lambda runtime, seed, n, step: world.tool_calls(runtime, seed, n, step).to_json(),
    "reconstruction": lambda runtime, seed, n, step: world.reconstruction(runtime, seed, n, step).to_json(),
    "composition": world.composition,
    "ceilings": ceilings,
    "wide": wide,
    "dialogue": dialogues,
}
STANDARD = ("generation", "questions", "edits", "tool_calls", "reconstruction", "composition")


def evaluate(runtime: Runtime, seed: int, n: int, step: Step, parts: Iterable[str] = ()) -> Json:
    """Scores as JSON data, of the standard parts or of those named; `n` of each type.

    Raises InputError for a part that does not exist.
    """
    wanted = list(parts) or list(STANDARD)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise InputError(f"there is no part {', '.join(unknown)}", hint=f"parts are {', '.join(PARTS)}")
    info = runtime.info
    result: Json = {"model": info.model, "fingerprint": info.fingerprint[:16], "seed": seed, "n": n}
    return result | {name: PARTS[name](runtime, seed, n, step) for name in wanted}
