"""One golden case on disk: what was computed elsewhere, from which weights and inputs."""

import json
from dataclasses import dataclass

from safetensors import safe_open


@dataclass(frozen=True)
class Case:
    """A component's configuration, weights by released name, inputs and expected outputs."""

    name: str
    component: str
    config: dict
    tolerance: float
    weights: dict
    inputs: dict
    expected: dict


def read(path):
    """Read `<case>.json` and the tensors beside it."""
    told = json.loads(path.read_text())
    groups = {"w": {}, "in": {}, "out": {}}
    with safe_open(path.with_suffix(".safetensors"), framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            group, _, rest = name.partition("/")
            groups[group][rest] = file.get_tensor(name)
    return Case(
        told["case"],
        told["component"],
        told["config"],
        float(told["tolerance_relative"]),
        groups["w"],
        groups["in"],
        groups["out"],
    )


def distance(found, expected):
    """‖found − expected‖∞ over max(1, ‖expected‖∞)."""
    if found.shape != expected.shape:
        raise ValueError(f"the shape is {tuple(found.shape)}, expected {tuple(expected.shape)}")
    if not expected.is_floating_point():
        return float((found != expected).any())
    worst = (found.double() - expected.double()).abs().max().item()
    return worst / max(1.0, expected.abs().max().item())


def load_exactly(module, weights, rename=lambda name: name):
    """Fill a module with weights under their released names; every name must fit."""
    module.load_state_dict({rename(name): tensor for name, tensor in weights.items()})
    return module.eval()
