"""Time and peak memory of a full-size released model, stage by stage, with random weights.

Speed does not depend on what the weights are, so a machine with an accelerator can be
measured without the download. Stages are those of one picture at the trained size and
of one answer: prefill of 40 prompt tokens and the queries, 30 guided DiT steps, 50
guided UNet steps, the VAE, and text token by token.
"""

import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline_runtime.engine.blip3o import DECODE_GUIDANCE, DECODE_STEPS, GUIDANCE, STEPS
from sightline_runtime.models import blip3o_sizes, flow, sampling
from sightline_runtime.models.blip3o import Blip3o
from sightline_runtime.models.sdxl import SdxlDecoder

PROMPT, WRITTEN = 40, 32
"""Tokens of the prompt, and of the answer that is timed."""


@dataclass(frozen=True)
class Stage:
    """What is run and how often it repeats inside one run, for the time of one."""

    run: Callable[[], object]
    units: int = 1


def random_weights(module: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Fill a module built without memory by small random weights on a device, one tensor at a time."""
    for name, parameter in list(module.named_parameters(remove_duplicate=False)):
        filled = torch.empty(parameter.shape, device=device, dtype=dtype).normal_(std=0.02)
        module.load_state_dict({name: filled}, strict=False, assign=True)
    module.to(device).eval().requires_grad_(False)


def stages(model: Blip3o, decoder: SdxlDecoder, steps: tuple[int, int]) -> Iterator[tuple[str, Stage]]:
    """Every stage of a picture and of an answer, on inputs of its own."""
    weight = model.queries.latent_queries
    ids = torch.arange(100, 100 + PROMPT, device=weight.device)[None]  # any words
    condition = model.condition(model.embed(ids))
    grid = model.config.dit.grid**2
    features = torch.randn(1, grid, model.config.dit.channels, device=weight.device, dtype=weight.dtype)
    side = decoder.side // decoder.scale
    latents = torch.randn(1, decoder.vae.config.latent_channels, side, side, device=weight.device)
    schedule = flow.schedule(steps[0], integer=True)

    def sampled() -> Tensor:
        run = sampling.sample(model.dit, condition, features, schedule=schedule, guidance=GUIDANCE)
        return flow.last(run, lambda *_: None)

    def painted() -> Tensor:
        run = decoder.latents(features, features, latents, steps=steps[1], guidance=DECODE_GUIDANCE)
        return flow.last(run, lambda *_: None)

    yield "prefill with queries", Stage(lambda: model.condition(model.embed(ids)))
    yield "features", Stage(sampled)
    yield "unet", Stage(painted)
    yield "vae", Stage(lambda: decoder.pixels(latents))
    yield "text token", Stage(lambda: _write(model, ids), WRITTEN)


def _write(model: Blip3o, ids: Tensor) -> None:
    from transformers.cache_utils import DynamicCache

    cache = DynamicCache()
    scores = model.read(model.embed(ids), model.places(ids, None), cache)
    for place in range(WRITTEN):
        token = scores.argmax()[None, None]
        scores = model.read(
            model.embed(token), torch.full((3, 1, 1), PROMPT + place, device=ids.device), cache
        )


def measure(
    model: Blip3o,
    decoder: SdxlDecoder,
    *,
    rounds: int = 7,
    warmups: int = 2,
    steps: tuple[int, int] = (STEPS, DECODE_STEPS),
) -> Mapping[str, object]:
    """Seconds of each stage (median, least, most) and its peak of device memory in GB."""
    device = model.queries.latent_queries.device
    results = {}
    with torch.inference_mode():
        for name, stage in stages(model, decoder, steps):
            results[name] = _timed(stage, device, rounds, warmups)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "dtype": str(model.queries.latent_queries.dtype).removeprefix("torch."),
        "torch": str(torch.__version__),
        "image_size": decoder.side,
        "rounds": rounds,
        "steps": {"features": steps[0], "unet": steps[1]},
        "peak_host_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "stages": results,
    }


def _timed(stage: Stage, device: torch.device, rounds: int, warmups: int) -> Mapping[str, float]:
    times = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for turn in range(warmups + rounds):
        _wait(device)
        started = time.perf_counter()
        stage.run()
        _wait(device)
        if turn >= warmups:
            times.append((time.perf_counter() - started) / stage.units)
    told = {"median": statistics.median(times), "min": min(times), "max": max(times)}
    if device.type == "cuda":
        told["peak_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
    return {name: round(value, 5) for name, value in told.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def full_size(size: blip3o_sizes.Size, device: str) -> Mapping[str, object]:
    """Build a released model with random bfloat16 weights on a device and measure it.

    On a CPU one run of few steps is measured: fifty steps at 1024 pixels take most of an hour there.
    """
    from accelerate import init_empty_weights
    from diffusers import EulerDiscreteScheduler

    with init_empty_weights(include_buffers=False):
        model = Blip3o(blip3o_sizes.config(size, tower=False))
        parts = blip3o_sizes.decoder()
    decoder = SdxlDecoder(*parts, EulerDiscreteScheduler.from_config(dict(blip3o_sizes.SCHEDULER)))
    for module in (model, decoder):
        random_weights(module, device, torch.bfloat16)
    if torch.device(device).type == "cpu":
        measured = measure(model, decoder, rounds=1, warmups=0, steps=(3, 1))
    else:
        measured = measure(model, decoder)
    return {"model": f"blip3o-{size}, random weights", **measured}
