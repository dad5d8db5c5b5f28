"""What is installed here, and does it work."""

import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from sightline import local
from sightline.errors import SightlineError
from sightline.session import Session

_PACKAGES = (
    "sightline",
    "torch",
    "torchvision",
    "transformers",
    "diffusers",
    "open_clip_torch",
    "accelerate",
)


def examine() -> dict[str, object]:
    """Versions, device, and whether the embedded model answers a question."""
    findings: dict[str, object] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            findings[package] = version(package)
        except PackageNotFoundError:
            findings[package] = "not installed"
    try:
        runtime = local.load()
        findings["device"] = runtime.info.device
        with Session(runtime=runtime, seed=0) as s:
            said = s.understand(np.full((64, 64, 3), 245, np.uint8), "what color is the background ?").text
        findings["embedded model"] = "answers" if said else "gives no answer"
    except SightlineError as error:
        findings["embedded model"] = str(error)
    return findings
