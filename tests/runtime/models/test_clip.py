"""The CLIP tower."""

import torch

from sightline_runtime.models.clip import ClipConfig, ClipTower
from sightline_runtime.models.presets import embedded


def test_the_released_tower_has_its_tensors():
    """EVA-CLIP-E/14-plus: 4,350,208,256 parameters in 772 tensors, 64 tokens of 1792."""
    with torch.device("meta"):
        tower = ClipTower(ClipConfig())
    assert sum(p.numel() for p in tower.parameters()) == 4_350_208_256
    assert len(list(tower.parameters())) == 772
    assert (tower.config.grid**2, tower.config.output_width) == (64, 1792)


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
