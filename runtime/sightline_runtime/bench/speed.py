"""Latency of a runtime on this machine: medians of interleaved runs, and peak memory."""

import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping

from sightline_runtime.protocol import DecodeRequest, FeatureRequest, ImageSlot, Message, Runtime, TextRequest
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, Thing

_PICTURE = paint(Scene("white", (Thing("star", "red", "large", 4), Thing("ring", "blue", "small", 0))))


def _answer(runtime: Runtime, seed: int) -> None:
    message = Message("user", (ImageSlot(0), "what color is the star ?"))
    runtime.generate_text(TextRequest((message,), (_PICTURE,), seed=seed)).result()


def _draw(runtime: Runtime, seed: int) -> None:
    prompt = (Message("user", ("a red star left of a blue ring",)),)
    features = runtime.generate_features(FeatureRequest(prompt, (seed,))).result().features
    runtime.decode_features(DecodeRequest(features, (seed,))).result()


def _edit(runtime: Runtime, seed: int) -> None:
    message = Message("user", (ImageSlot(0), "make the red star green"))
    features = runtime.generate_features(FeatureRequest((message,), (seed,), (_PICTURE,))).result().features
    runtime.decode_features(DecodeRequest(features, (seed,))).result()


JOBS: dict[str, Callable[[Runtime, int], None]] = {"answer": _answer, "image": _draw, "edit": _edit}


def measure(runtime: Runtime, rounds: int = 9, warmups: int = 3) -> Mapping[str, object]:
    """Seconds of one answer, one image and one edit: median, least, most; peak memory in MB."""
    times: dict[str, list[float]] = {name: [] for name in JOBS}
    for turn in range(warmups + rounds):
        for name, job in JOBS.items():
            started = time.perf_counter()
            job(runtime, turn)
            if turn >= warmups:
                times[name].append(time.perf_counter() - started)
    seconds = {
        name: {"median": round(statistics.median(t), 4), "min": round(min(t), 4), "max": round(max(t), 4)}
        for name, t in times.items()
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    machine = f"{platform.machine()} {platform.system()}, Python {platform.python_version()}"
    return {
        "model": runtime.info.model,
        "device": runtime.info.device,
        "machine": machine,
        "seconds": seconds,
        "peak_mb": round(peak),
    }
