"""What makes a result what it is, as one digest: the model's files and what computes with them."""

import hashlib
import json

import torch


def fingerprint(*content: object) -> str:
    """Digest JSON-like content together with the version of torch."""
    told = json.dumps([*content, str(torch.__version__)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
