"""Every store passes the contract."""

import pytest
from tests.contracts.store_suite import CHECKS, CHECKS_OF_TWO, Place


@pytest.fixture
def place(request, tmp_path):
    """An empty place for stores of a kind."""
    kind = request.param
    objects = None
    if kind == "postgres":
        where, objects = request.getfixturevalue("postgres"), f"file://{tmp_path}/objects"
    else:
        where = None if kind == "memory" else str(tmp_path / "store")
    place = Place(where, objects)
    yield place
    place.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("place", ["memory", "sqlite", "postgres"], indirect=True)
def test_store_contract(place, check):
    """The check holds for this store."""
    check(place)


@pytest.mark.parametrize("check", CHECKS_OF_TWO, ids=lambda check: check.__name__)
@pytest.mark.parametrize("place", ["sqlite", "postgres"], indirect=True)
def test_contract_of_shared_stores(place, check):
    """The check holds for this store, opened more than once."""
    check(place)
