"""What makes a result what it is, as one digest: the model's files and what computes with them."""

import hashlib
import json
from importlib.metadata import version

_COMPUTES = ("torch", "transformers", "diffusers")


def fingerprint(*content: object) -> str:
    """Digest JSON-like content together with the versions of the libraries that compute."""
    told = json.dumps([*content, *map(version, _COMPUTES)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
