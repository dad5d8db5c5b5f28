"""LocalRuntime: the model in this process, behind the runtime protocol.

One worker thread owns the model; calls check their arguments in the caller's
thread, queue a job and return it. Jobs run in order; a cancelled job stops
between two tokens or two denoising steps. What is run for a request is the
business of the model's family (`served`).
"""

import queue
import threading
import time
from collections.abc import Callable

import torch

from sightline_runtime.engine.placement import LESS, brief
from sightline_runtime.engine.served import Served, Work
from sightline_runtime.errors import DeadlineError, EngineError, SightlineError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Job,
    PixelResult,
    R,
    RuntimeInfo,
    TextRequest,
    TextResult,
)


class LocalRuntime:
    """Runs a loaded model on this machine."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._closed = False
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="sightline-engine", daemon=True)
        self._thread.start()

    @property
    def info(self) -> RuntimeInfo:
        """What this runtime is and can do."""
        return self._served.info

    def close(self) -> None:
        """Finish queued work, then stop the worker; harmless when repeated."""
        with self._door:  # nothing is queued behind the end
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices; raises InputError before any compute."""
        return self._submit(self._served.text(request), request.deadline)

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Draw features, one set per seed; raises InputError before any compute."""
        return self._submit(self._served.features(request), request.deadline)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features; raises InputError before any compute."""
        return self._submit(self._served.decode(request), request.deadline)

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures; raises InputError before any compute."""
        return self._submit(self._served.embed(request), request.deadline)

    def _submit(self, work: Work[R], deadline: float | None) -> Job[R]:
        job: Job[R] = Job()
        ends = None if deadline is None else time.monotonic() + deadline

        def check() -> None:
            job.check()
            if ends is not None and time.monotonic() > ends:
                raise DeadlineError(f"not done within {deadline} s", hint="give more time or fewer steps")

        def run() -> None:
            try:
                check()
                with torch.inference_mode():
                    job.finish(work(job, check))
            except SightlineError as error:
                job.fail(error)
            except torch.OutOfMemoryError as error:
                job.fail(EngineError(f"the device's memory is full: {brief(error)}", hint=LESS))
            except Exception as error:  # noqa: BLE001 - the worker must outlive any request
                job.fail(
                    EngineError(
                        f"the engine failed: {type(error).__name__}: {error}",
                        hint="try again; please report it",
                    )
                )

        with self._door:
            if self._closed:
                raise EngineError("the runtime is closed", hint="load it again")
            self._queue.put(run)
        return job

    def _serve(self) -> None:
        while (run := self._queue.get()) is not None:
            run()
