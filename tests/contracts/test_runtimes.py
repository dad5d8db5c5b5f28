"""Every runtime passes the contract."""

import pytest
from tests.contracts.runtime_suite import CHECKS

from sightline_runtime.engine import families
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.engine.placement import Wish
from sightline_runtime.testing import FakeRuntime, FaultyRuntime


@pytest.fixture(scope="module")
def local(tiny_folder):
    """The torch engine on a tiny model."""
    runtime = LocalRuntime(families.load(tiny_folder, Wish()))
    yield runtime
    runtime.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["fake", "faultless", "local", "embedded"])
def test_runtime_contract(name, check, request):
    """The check holds for this runtime."""
    made = {"fake": FakeRuntime, "faultless": lambda: FaultyRuntime(FakeRuntime(), {})}
    check(made[name]() if name in made else request.getfixturevalue(name))
