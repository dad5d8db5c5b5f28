"""The regressor: features from the queries' states at once."""

import pytest
import torch

from sightline_runtime.models.regress import Regressor, RegressorConfig

ASKED = torch.randn(2, 9, 12, generator=torch.Generator().manual_seed(1))
SOURCE = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def head():
    """A regressor that edits."""
    torch.manual_seed(0)
    return Regressor(RegressorConfig(features=8, source_channels=8, condition_width=12, width=16))


@torch.no_grad()
def test_an_open_gate_copies_the_source(head):
    """What an edit leaves alone is the source's own, exactly."""
    head.linear_2.bias[-1] = 100.0
    assert torch.equal(head(ASKED, SOURCE), SOURCE)
    head.linear_2.bias[-1] = -1000.0
    assert not torch.isclose(head(ASKED, SOURCE), SOURCE).any()


@torch.no_grad()
def test_without_a_source_nothing_is_mixed_in(head):
    """The gate says nothing then."""
    before = head(ASKED)
    head.linear_2.bias[-1] = 100.0
    assert torch.equal(head(ASKED), before)
    assert before.shape == (2, 9, 8)


@torch.no_grad()
def test_every_query_answers_for_its_own_token(head):
    """Another state at one query changes one token."""
    other = ASKED.clone()
    other[:, 4] += 1
    changed = (head(ASKED) != head(other)).any(-1).any(0)
    assert changed.tolist() == [index == 4 for index in range(9)]


@torch.no_grad()
def test_a_head_for_drawing_alone_has_no_gate():
    """Without source channels the output is the features and nothing else."""
    head = Regressor(RegressorConfig(features=8, condition_width=12, width=16))
    assert head.linear_2.out_features == head(ASKED).shape[-1] == 8
