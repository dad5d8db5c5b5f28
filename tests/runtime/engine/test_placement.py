"""What is put where: arithmetic, and the tiny release in fewer bits or moved in by groups."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny import release as tiny

from sightline_runtime.engine import blip3o, placement
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.engine.placement import Wish
from sightline_runtime.errors import InputError, ModelError
from sightline_runtime.models import release
from sightline_runtime.protocol import FeatureRequest, Message

EIGHT_B = {
    "layers": 6_525_600_000,
    "backbone": 1_766_000_000,
    "dit": 1_365_000_000,
    "tower": 0,
    "decoder": 2_600_000_000,
}
WORKING = 3 * 10**9


@pytest.mark.parametrize(
    ("memory", "bits", "moved"),
    [
        ("80GB", 16, set()),
        ("24GB", 16, {"decoder"}),
        ("20GB", 8, {"decoder"}),
        ("16GB", 4, {"decoder"}),
        ("8GB", 16, {"decoder", "layers", "backbone"}),
    ],
)
def test_the_8b_fits_cards_by_the_first_way_that_does(memory, bits, moved):
    """Large cards hold all of it; smaller ones let parts wait outside, then hold fewer bits."""
    wish = Wish("cuda", memory=placement.parse_memory(memory))
    picked = placement.pick(wish, EIGHT_B, working=WORKING)
    assert (picked.bits, set(picked.moved)) == (bits, moved)
    assert picked.needs <= wish.memory
    assert memory[:-2] in str(picked)


@given(st.integers(10**8, 10**11), st.sampled_from([None, 8, 4]), st.sampled_from(["auto", "bfloat16"]))
def test_what_is_picked_fits_or_the_error_says_the_least(memory, bits, dtype):
    """Nothing is picked that needs more than there is; wishes are kept."""
    wish = Wish("cuda", dtype, bits, memory)
    least = placement.pick(Wish("cuda", dtype, bits, 10**12), EIGHT_B, working=WORKING).needs
    try:
        picked = placement.pick(wish, EIGHT_B, working=WORKING)
    except ModelError:
        assert memory < least
        return
    assert picked.needs <= memory
    assert bits is None or picked.bits == bits


def test_what_does_not_fit_is_told_what_would():
    """The error says the least that the model can do with, and what it found."""
    with pytest.raises(ModelError, match=r"does not fit 2\.0 GB on cuda: the least it can do with is 6\."):
        placement.pick(Wish("cuda", memory=2 * 10**9), EIGHT_B, working=WORKING)


def test_the_tower_waits_before_the_decoder_does():
    """No picture needs it: a card that holds all the rest draws at full speed."""
    whole = EIGHT_B | {"tower": 4_350_208_256}
    moved = [
        placement.pick(Wish("cuda", memory=memory * 10**9), whole, working=WORKING).moved
        for memory in (40, 30, 24)
    ]
    assert moved == [set(), {"tower"}, {"tower", "decoder"}]


def test_more_memory_never_means_fewer_bits():
    """The ways are tried from the most faithful on; the last resort is slow, but whole."""
    sizes = range(15, 40)
    bits = [placement.pick(Wish("cuda", memory=n * 10**9), EIGHT_B, working=WORKING).bits for n in sizes]
    assert bits == sorted(bits)


@pytest.mark.parametrize("text", ["", "16", "16 TB", "-3GB", "0GB", 0, -1])
def test_memory_that_is_none_is_refused(text):
    """Units are part of it."""
    with pytest.raises(InputError, match="memory is"):
        placement.parse_memory(text)


def test_memory_is_read_with_its_unit():
    """GB are powers of ten, GiB of two."""
    assert placement.parse_memory("16GB") == 16 * 10**9
    assert placement.parse_memory(" 1.5 gib ") == 3 * 2**29
    assert placement.parse_memory(None) is None


def test_a_number_type_that_there_is_not_is_refused():
    """The hint names those that there are."""
    with pytest.raises(InputError, match="bfloat16"):
        placement.pick(Wish(dtype="int3"), EIGHT_B, working=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny release."""
    at = tmp_path_factory.mktemp("release") / "m"
    tiny.write(at)
    return at


def drawn(wish, folder):
    """Features of one prompt, and what the runtime says of its placement."""
    runtime = LocalRuntime(blip3o.Served(folder, wish))
    request = FeatureRequest((Message("user", ("a star",)),), (1,), steps=2)
    features = runtime.generate_features(request).result().features[0]
    runtime.close()
    return features, runtime.info.placement


@pytest.mark.parametrize("bits", [8, 4])
def test_fewer_bits_change_the_features_a_little(folder, bits):
    """The whole chain runs in 8 and 4 bits, near what full precision gives."""
    full, _ = drawn(Wish(dtype="float32"), folder)
    small, told = drawn(Wish(bits=bits, dtype="float32"), folder)
    assert f"backbone layers in {bits} bits" in told
    assert 0 < np.abs(small - full).max() < 0.5 * np.abs(full).max()


def test_fewer_bits_take_less_memory(folder):
    """Bytes of the backbone's layers, by their own count."""

    def stored(bits):
        loaded = release.load(release.find(folder), device="cpu", dtype=torch.float32, bits=bits)
        layers = loaded.model.qwen.model.language_model.layers
        return sum(p.numel() * p.element_size() for p in layers.parameters())

    full, eight, four = (stored(bits) for bits in (16, 8, 4))
    assert four < eight < full / 2


def test_moving_in_by_groups_changes_nothing(folder):
    """The hooks of diffusers run every part; the features are the same to the last bit."""
    moved = frozenset(placement.PARTS) - {"dit"}
    request = {"device": "cpu", "dtype": torch.float32}
    still, hooked = (
        release.load(release.find(folder), **request, moved=parts) for parts in (frozenset(), moved)
    )
    ids = torch.tensor([[1, 40, 41, 42]])
    with torch.inference_mode():
        states = [loaded.model.condition(loaded.model.embed(ids)) for loaded in (still, hooked)]
        pixels = [loaded.decoder.pixels(torch.ones(1, 4, 8, 8)) for loaded in (still, hooked)]
    assert torch.equal(*states)
    assert torch.equal(*pixels)


def test_a_vae_that_overflows_in_float16_stays_float32(tmp_path):
    """Its configuration says so, and says so by default."""
    tiny.write(tmp_path / "m")
    loaded = release.load(release.find(tmp_path / "m"), device="cpu", dtype=torch.float16)
    assert loaded.decoder.vae.dtype == torch.float32
    assert loaded.decoder.unet.dtype == torch.float16
