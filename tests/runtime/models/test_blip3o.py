"""The released architectures: names, counts, and the adapter between old names and new ones."""

from math import prod

import pytest
import torch
from accelerate import init_empty_weights
from tests.tiny import release as tiny

from sightline_runtime.errors import ModelError
from sightline_runtime.models import blip3o_sizes
from sightline_runtime.models.blip3o import (
    TOWER,
    Blip3o,
    dit_config,
    ours,
    read_config,
    released,
    tower_config,
)

COUNTS = {
    # parameters and tensors of each part, counted on the public code
    "4b": {
        "text": (3_085_938_688, 434),
        "head": (0, 0),
        "visual": (668_684_288, 390),
        "dit": (1_362_257_824, 642),
        "queries": (64 * 2048, 1),
        "tower": (4_350_208_256, 772),
    },
    "8b": {
        "text": (7_070_619_136, 338),
        "head": (544_997_376, 1),
        "visual": (676_550_144, 390),
        "dit": (1_365_010_336, 642),
        "queries": (64 * 3584, 1),
        "tower": (4_350_208_256, 772),
    },
}
PREFIXES = (
    ("model.dit.model.", "dit"),
    ("model.latent_queries", "queries"),
    (TOWER, "tower"),
    ("visual.", "visual"),
    ("lm_head.", "head"),
    ("model.", "text"),
)


def full_size(size):
    """A released model without memory."""
    with init_empty_weights(include_buffers=False):
        return Blip3o(blip3o_sizes.config(size))


def stored(model):
    """Released name → shape of every tensor that a checkpoint holds."""
    kept = {n: t for n, t in model.state_dict().items() if n not in model.tied}
    return {released(name): tuple(tensor.shape) for name, tensor in kept.items()}


@pytest.mark.parametrize("size", ["4b", "8b"])
def test_full_size_models_have_the_released_parts_to_the_last_tensor(size):
    """Every part has the parameters and the number of tensors of the release."""
    found = dict.fromkeys(COUNTS[size], (0, 0))
    for name, shape in stored(full_size(size)).items():
        part = next(part for prefix, part in PREFIXES if name.startswith(prefix))
        found[part] = (found[part][0] + prod(shape), found[part][1] + 1)
    assert found == COUNTS[size]


@pytest.mark.parametrize("size", ["4b", "8b"])
def test_full_size_names_go_there_and_back(size):
    """The adapter is one to one on every tensor of a release."""
    names = list(full_size(size).state_dict())
    assert [ours(released(name)) for name in names] == names
    assert len({released(name) for name in names}) == len(names)


@pytest.mark.parametrize("size", ["4b", "8b"])
def test_sizes_are_read_off_the_tensors(size):
    """The released config.json does not say them; the checkpoint does."""
    config = blip3o_sizes.config(size)
    shapes = stored(full_size(size))
    assert dit_config(shapes, grid=8) == config.dit
    assert tower_config(shapes, pool=4) == config.tower


def test_the_full_size_decoder_has_the_released_parts():
    """SDXL's layout with the feature width as cross-attention width."""
    with init_empty_weights(include_buffers=False):
        unet, _ = blip3o_sizes.decoder()
    state = unet.state_dict()
    assert (sum(t.numel() for t in state.values()), len(state)) == (2_525_520_644, 1680)


def test_names_of_another_model_are_kept_to_be_told():
    """What is unknown is reported, not dropped in silence."""
    assert ours("model.mm_projector.0.weight") == "model.mm_projector.0.weight"
    assert ours("optimizer.state") == "optimizer.state"


def test_a_backbone_alone_is_no_blip3o():
    """Without the diffusion transformer the error says which tensor was looked for."""
    with pytest.raises(ModelError, match=r"model\.dit\.model\.layers\.0\.gate"):
        read_config(tiny.config(), {"model.norm.weight": (8,)})


def test_a_config_of_something_else_is_refused():
    """A missing field is named."""
    shapes = stored(tiny.module(tiny.config(), tower=False))
    with pytest.raises(ModelError, match="n_query"):
        read_config({k: v for k, v in tiny.config().items() if k != "n_query"}, shapes)


def test_pads_inside_a_row_are_masked_and_places_count_on():
    """A padded row equals its unpadded self but for the places of what follows the pads."""
    model = tiny.module(tiny.config(), tower=False).eval()
    ids = torch.tensor([[40, 41, 42, 43]])
    with torch.inference_mode():
        alone = model.condition(model.embed(ids))
        masked = model.condition(model.embed(ids), torch.ones_like(ids))
        other = model.condition(
            model.embed(torch.tensor([[40, 41, 42, 99, 99, 43]])), torch.tensor([[1, 1, 1, 0, 0, 1]])
        )
        again = model.condition(
            model.embed(torch.tensor([[40, 41, 42, 7, 8, 43]])), torch.tensor([[1, 1, 1, 0, 0, 1]])
        )
    assert torch.allclose(alone, masked, atol=1e-5)
    assert torch.allclose(other, again, atol=1e-5)
    assert not torch.allclose(alone, other, atol=1e-3)
