"""Every runtime passes the contract."""

from contextlib import contextmanager

import pytest
from tests.contracts.runtime_suite import CHECKS, PICTURE, ask, say

from sightline.server.house import House
from sightline.server.serving import running
from sightline_runtime.engine import families
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.engine.placement import Wish
from sightline_runtime.protocol import DecodeRequest, EmbedRequest, FeatureRequest, TextRequest
from sightline_runtime.remote.runtime import RemoteRuntime
from sightline_runtime.testing import FakeRuntime, FaultyRuntime


@pytest.fixture(scope="module")
def local(tiny_folder):
    """The torch engine on a tiny model."""
    runtime = LocalRuntime(families.load(tiny_folder, Wish()))
    yield runtime
    runtime.close()


@contextmanager
def lent(runtime):
    """A client of a server on a runtime, over a real socket."""
    house = House(runtime)
    try:
        with running(house) as address:
            remote = RemoteRuntime(address)
            try:
                yield remote
            finally:
                remote.close()
    finally:
        house.close(5)


@pytest.fixture(scope="module")
def remote():
    """The rule-based runtime, elsewhere."""
    with lent(FakeRuntime()) as runtime:
        yield runtime


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["fake", "faultless", "local", "embedded", "remote"])
def test_runtime_contract(name, check, request):
    """The check holds for this runtime."""
    made = {"fake": FakeRuntime, "faultless": lambda: FaultyRuntime(FakeRuntime(), {})}
    check(made[name]() if name in made else request.getfixturevalue(name))


def test_the_embedded_model_elsewhere_gives_the_same_to_the_bit(embedded):
    """Text with its probability, features and pixels: what a server's model gives is what it gives here."""
    drawing = FeatureRequest(say("a red star"), (7,), steps=2)
    asking = TextRequest(ask("what color is the star ?"), (PICTURE,))
    with lent(embedded) as remote:
        here, there = (r.generate_features(drawing).result(60).features for r in (embedded, remote))
        assert here[0].tobytes() == there[0].tobytes()
        painting = DecodeRequest(here, (7,), steps=2)
        one, other = (r.decode_features(painting).result(60).images[0] for r in (embedded, remote))
        assert one.tobytes() == other.tobytes()
        said, told = (r.generate_text(asking).result(60) for r in (embedded, remote))
        assert (said.text, said.confidence, said.pieces) == (told.text, told.confidence, told.pieces)
        looked = [r.embed_images(EmbedRequest((PICTURE,))).result(60).features[0] for r in (embedded, remote)]
        assert looked[0].tobytes() == looked[1].tobytes()
