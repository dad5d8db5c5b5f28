"""From a model folder to a served model: which family it is, by its config.json."""

from importlib import resources
from pathlib import Path

from sightline_runtime.engine.embedded import Embedded
from sightline_runtime.engine.served import Served
from sightline_runtime.errors import ModelError


def load(folder: Path, *, device: str = "cpu") -> Served:
    """Load a model folder of any family on a device; raises ModelError if it is no model."""
    return Embedded(folder, device=device)


def embedded_folder() -> Path:
    """Where the shipped model lies."""
    folder = Path(str(resources.files("sightline_runtime") / "embedded"))
    if not (folder / "config.json").exists():
        raise ModelError(
            "the embedded model is not in this installation", hint="install sightline again from a wheel"
        )
    return folder
