"""Encoding pictures, one after the other, whatever the family encodes them with."""

import time
from collections.abc import Callable, Sequence

from sightline_runtime.engine.served import Check, Work
from sightline_runtime.protocol import EmbedResult, Features, Job, Pixels, Progress, Usage


def work(images: Sequence[Pixels], encode: Callable[[Pixels], Features], *, tokens: int) -> Work[EmbedResult]:
    """The work of encoding checked pictures; each is counted as so many tokens."""

    def run(job: Job[EmbedResult], check: Check) -> EmbedResult:
        started = time.monotonic()
        features = []
        for done, picture in enumerate(images, 1):
            check()
            features.append(encode(picture))
            job.emit(Progress("embed", done, len(images)))
        usage = Usage(image_tokens=tokens * len(features), seconds=time.monotonic() - started)
        return EmbedResult(tuple(features), usage)

    return run
