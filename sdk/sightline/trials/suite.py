"""All trials by name, and one call that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sightline.errors import InputError
from sightline.trials.calls import calls
from sightline.trials.dialogues import dialogues
from sightline.trials.generation import generation
from sightline.trials.puzzles import puzzles
from sightline.trials.screening import screening
from sightline.trials.trial import Step
from sightline.trials.verification import verification
from sightline_runtime.evaluation.scores import Json
from sightline_runtime.protocol import Runtime

Trial = Callable[[Runtime, int, int, Step], Json]

TRIALS: Mapping[str, Trial] = {
    "generation": generation,
    "verification": verification,
    "puzzles": puzzles,
    "screening": screening,
    "calls": calls,
    "dialogues": dialogues,
}


def reasoning(runtime: Runtime, seed: int, n: int, step: Step, parts: Iterable[str] = ()) -> Json:
    """The named trials, all by default, as JSON data. InputError for one that does not exist."""
    wanted = list(parts) or list(TRIALS)
    unknown = [name for name in wanted if name not in TRIALS]
    if unknown:
        raise InputError(f"there is no part {', '.join(unknown)}", hint=f"parts are {', '.join(TRIALS)}")
    info = runtime.info
    told: Json = {"model": info.model, "fingerprint": info.fingerprint[:16], "seed": seed, "n": n}
    return told | {name: TRIALS[name](runtime, seed, n, step) for name in wanted}
