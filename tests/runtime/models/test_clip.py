"""The CLIP tower: the released form against timm's, the embedded form against its promises."""

import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import tower as oracle
from tests.oracle.compare import error, numbers, scatter

from sightline_runtime.models.clip import ClipConfig, ClipTower
from sightline_runtime.models.presets import embedded


def test_the_released_tower_has_its_tensors():
    """EVA-CLIP-E/14-plus: 4,350,208,256 parameters in 772 tensors, 64 tokens of 1792."""
    with torch.device("meta"):
        tower = ClipTower(ClipConfig())
    assert sum(p.numel() for p in tower.parameters()) == 4_350_208_256
    assert len(list(tower.parameters())) == 772
    assert (tower.config.grid**2, tower.config.output_width) == (64, 1792)


@st.composite
def configs(draw):
    """Towers of the released form, of any size."""
    patch, pool, heads = draw(st.integers(2, 8)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    return ClipConfig(
        image_size=patch * pool * draw(st.integers(1, 3)),
        patch=patch,
        stride=patch,
        # the norm of a narrower token divides by almost nothing and magnifies rounding
        width=heads * draw(st.integers(16, 24)),
        layers=draw(st.integers(1, 3)),
        heads=heads,
        ffn_width=draw(st.integers(8, 80)),
        pool=pool,
    )


@settings(max_examples=40, deadline=None)
@given(configs(), st.integers(1, 3), st.integers(0, 99))
def test_it_computes_what_timm_computes(config, rows, seed):
    """Released names, key biases other than zero: the same pooled tokens in float32."""
    model = scatter(ClipTower(config), seed)
    library = oracle.tower(config).eval()
    library.load_state_dict(oracle.library_names(model.state_dict()))
    pixels = numbers(rows, 3, config.image_size, config.image_size, seed=seed).sigmoid()
    with torch.no_grad():
        found, expected = model(pixels), oracle.features(library, config, pixels)
    assert found.shape == (rows, config.grid**2, config.width)
    assert error(found, expected) < 1e-5


def test_timms_own_model_is_the_released_one_but_for_table_norm_and_key_bias():
    """EVA-CLIP-E/14-plus of the library has the released tensors under the mapped names, if told so.

    As it comes it has a table for 224 pixels and a final norm.
    """
    with torch.device("meta"):
        as_it_comes = timm.create_model("eva02_enormous_patch14_clip_224", num_classes=0)
        released = oracle.library_names(ClipTower(ClipConfig()).state_dict())
        shaped = oracle.tower(ClipConfig())
    shapes = {name: tensor.shape for name, tensor in released.items()}
    assert {name: tensor.shape for name, tensor in shaped.state_dict().items()} == shapes
    other = {name: tensor.shape for name, tensor in as_it_comes.state_dict().items()}
    assert other["pos_embed"] != shapes["pos_embed"]
    assert other.keys() - shapes.keys() == {"norm.weight", "norm.bias"}
    assert shapes.keys() <= other.keys()


def test_a_windowed_token_sees_its_own_cell_only():
    """Changing one corner of the picture changes one token."""
    tower = ClipTower(embedded(100).clip).eval()
    picture = torch.rand(1, 3, 64, 64)
    other = picture.clone()
    other[:, :, :10, :10] = 0
    with torch.no_grad():
        moved = (tower(picture) - tower(other)).abs().amax((0, 2)) > 0
    assert moved.tolist() == [True] + [False] * 8


def test_normalised_tokens_have_unit_root_mean_square():
    """The embedded tower's tokens all have the same length."""
    tower = ClipTower(embedded(100).clip).eval()
    with torch.no_grad():
        tokens = tower(torch.rand(2, 3, 64, 64))
    assert tokens.shape == (2, 9, 48)
    assert torch.allclose(tokens.pow(2).mean(-1), torch.ones(2, 9), atol=1e-3)
