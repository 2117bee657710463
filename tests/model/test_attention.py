"""The softmax of the sparse backend is one and the same, with torch_geometric and without."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.utils import softmax

from hmlm_fm.model.attention import scatter_softmax


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=40),
    st.integers(0, 2**31 - 1),
    st.sampled_from([1.0, 50.0, 1e4]),
)
def test_it_is_that_of_torch_geometric(groups, seed, size):
    generator = torch.Generator().manual_seed(seed)
    scores = size * torch.randn(len(groups), 2, 3, generator=generator)
    group = torch.tensor(groups)
    found = scatter_softmax(scores, group, 7)
    torch.testing.assert_close(found, softmax(scores, group, num_nodes=7), rtol=1e-5, atol=1e-6)
    total = torch.zeros(7, 2, 3).index_add(0, group, found)
    torch.testing.assert_close(total[group.unique()], torch.ones(len(set(groups)), 2, 3))


def test_its_gradient_is_that_of_a_dense_softmax():
    scores = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    group = torch.tensor([0, 1, 0, 1, 1])
    weight = torch.arange(10, dtype=torch.float64).view(5, 2)
    (scatter_softmax(scores, group, 2) * weight).sum().backward()
    found, scores.grad = scores.grad, None
    dense = [scores[group == g].softmax(0) * weight[group == g] for g in (0, 1)]
    (dense[0].sum() + dense[1].sum()).backward()
    torch.testing.assert_close(found, scores.grad)


@pytest.mark.parametrize("shape", [(0,), (0, 4)])
def test_nothing_has_a_softmax(shape):
    assert scatter_softmax(torch.zeros(shape), torch.zeros(0, dtype=torch.long), 3).shape == shape
