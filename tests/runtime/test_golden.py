"""Numbers computed elsewhere from the released code, recomputed by the runtime.

The directory is `SIGHTLINE_GOLDEN`, or the one beside the project; a clone without it
checks the same mathematics against `tests/oracle`.
"""

import os
from pathlib import Path

import pytest
import torch
from tests.golden import blip3o, blip3o_next, case

FOLDER = Path(os.environ.get("SIGHTLINE_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))
COMPONENTS = blip3o.COMPONENTS | blip3o_next.COMPONENTS
MOST = 1e-4
"""Relative error that no case may exceed, whatever it allows itself."""
CASES = sorted(FOLDER.glob("*.json")) if FOLDER.is_dir() else []


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no golden vectors in {FOLDER}: tests/oracle checks alone")
def test_a_directory_of_golden_vectors_holds_some():
    """An empty directory is a mistake, not a success."""
    assert CASES, f"{FOLDER} holds no case"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_runtime_computes_what_the_reference_computes(path):
    """Every output of every case is met within 1e-4, or the case's own tolerance where that is less."""
    told = case.read(path)
    assert told.component in COMPONENTS, f"nothing here computes the component {told.component!r} of {path}"
    with torch.inference_mode():
        found = COMPONENTS[told.component](told)
    assert told.expected.keys() <= found.keys()
    off = {name: case.distance(found[name], expected) for name, expected in told.expected.items()}
    assert {name: value for name, value in off.items() if not value <= min(told.tolerance, MOST)} == {}
