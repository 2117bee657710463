"""Corrections of states by residuals of an observed condition, and the errors that remain."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import toy_network

from hmlm_fm.model.condition_tensors import ConditionTensors
from hmlm_fm.model.conditions import MODALITIES, Condition, Perturbation
from hmlm_fm.model.observation import corrected_states, observe, scale_in_modalities
from hmlm_fm.model.smoothing import smoothing_correction

LENGTH_HOURS = 8.0
"""Of the error's process where the logarithm is 0, as `Gates.smoothing_F2` has it."""


@pytest.fixture
def gates() -> SimpleNamespace:
    """Of them, instruments alone: six molecules, each with offsets, gains and saturations."""
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(6, len(MODALITIES), 4, dtype=torch.float64, generator=generator)
    return SimpleNamespace(observation_FY4=drawn)


def matern(hours: np.ndarray) -> np.ndarray:
    scaled = math.sqrt(5) * np.abs(hours) / LENGTH_HOURS
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)


def correction(residual_SN, observed_hours, hours, scale_U, anchored):
    molecules = residual_SN.shape[1]
    residual = torch.tensor(residual_SN)[None, None]
    observed = torch.tensor(observed_hours).view(1, 1, -1, 1).expand(residual.shape)
    query = torch.tensor(hours).view(1, 1, -1)
    mean, left = smoothing_correction(
        residual,
        torch.ones_like(residual, dtype=torch.bool),
        observed,
        torch.zeros_like(observed),
        torch.full((1, 1, molecules), anchored),
        query,
        torch.zeros(1, 1, len(hours), molecules, dtype=torch.float64),
        torch.zeros(molecules, 2),
        torch.tensor(scale_U).view(1, 1, -1, 1).expand(1, 1, len(hours), molecules),
    )
    assert left is not None
    return mean[0, 0].numpy(), left[0, 0].numpy()


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("together", [600, 3])
def test_remaining_scales_are_those_of_corrected_errors(anchored, together):
    """For errors that are drawn from the process itself: of many molecules together, which
    determine its length, and nearly of few."""
    hours = np.arange(0.0, 49.0, 3.0)
    observed = np.array([2, 5, 9])
    covariance = matern(hours[:, None] - hours)
    if anchored:
        covariance = covariance - np.outer(covariance[0], covariance[0])
    rng = np.random.default_rng(0)
    drawn = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(hours)))
    error_UN = drawn @ rng.standard_normal((len(hours), 600))
    before = np.sqrt(covariance.diagonal())
    parts = [
        correction(error_UN[observed, i : i + together], hours[observed], hours, before, anchored)
        for i in range(0, 600, together)
    ]
    mean, left = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    remaining = np.setdiff1d(np.arange(1, len(hours)), observed)
    standardised = (error_UN - mean)[remaining] / left[remaining]
    covered = (np.abs(standardised) < 1.645).mean()
    if together == 600:
        assert 0.7 < standardised.var() < 1.3
        assert 0.85 < covered < 0.95
    assert 0.8 < covered < 0.97
    # Three residuals may be partly noise; long after them they carry no information.
    assert left[observed].mean() < 0.8 * before[observed].mean()
    assert left[-1].mean() > 0.9 * before[-1]


@pytest.mark.parametrize("windows", [False, True])
def test_conditions_that_are_smoothed_together_do_not_change_one_another(windows, monkeypatch):
    """Those of one pattern share factored matrices; each result is that of the condition alone."""
    conditions, times, molecules, queries = 12, 4, 5, 7
    rng = np.random.default_rng(2)
    shape = (1, conditions, times, molecules)
    residual = torch.tensor(rng.normal(0, 0.1, shape))
    hours = torch.linspace(0, 48, times).view(1, 1, -1, 1).expand(shape)
    query_hours = torch.linspace(0, 50, queries).expand(1, conditions, -1)
    observed = torch.ones(shape, dtype=torch.bool)
    released = torch.zeros(1, conditions, 1, molecules)
    if windows:  # of every second condition and of one molecule, with ends of their own
        released[0, ::2, 0, 1] = torch.tensor(rng.uniform(1, 40, conditions // 2)).float()
    else:
        observed[0, 3, :, 2] = False  # knocked out
    since = torch.where(hours >= released, released, 0.0)
    since_query = torch.where(query_hours.unsqueeze(-1) >= released, released, 0.0)
    anchored = torch.ones(1, conditions, molecules, dtype=torch.bool)
    scale = torch.tensor(rng.uniform(0.01, 0.2, (1, conditions, queries, molecules)))
    own = torch.tensor(rng.normal(0, 1, (molecules, 2)))

    def smoothed(c: slice) -> list[torch.Tensor]:
        return smoothing_correction(
            residual[:, c], observed[:, c], hours[:, c], since[:, c], anchored[:, c],
            query_hours[:, c], since_query[:, c], own, scale[:, c],
        )  # fmt: skip

    alone = [smoothed(slice(c, c + 1)) for c in range(conditions)]
    factored = []
    cholesky = torch.linalg.cholesky
    monkeypatch.setattr(
        torch.linalg, "cholesky", lambda matrix: factored.append(len(matrix)) or cholesky(matrix)
    )
    together = smoothed(slice(None))
    for place, found in enumerate(together):
        expected = torch.cat([single[place] for single in alone], 1)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert set(factored) == {molecules + (conditions // 2 if windows else 1)}


def test_scales_shrink_where_there_are_observations_and_nowhere_else():
    network = toy_network()
    molecules = len(network.molecules)
    gone = Condition({"EGF": 1.0}, (Perturbation("DUSP1", kind="knockout"),))
    tensors = ConditionTensors.from_conditions([gone], network)
    states = torch.full((1, 1, 5, molecules), 0.4)
    scale = torch.full_like(states, 0.2)
    observed = torch.zeros(1, 1, 1, molecules, dtype=torch.bool)
    observed[..., [2, network.molecule_index["DUSP1"]]] = True
    corrected, narrowed = corrected_states(
        states,
        torch.tensor([[[1.0, 4.0, 5.0, 9.0, 90.0]]]),
        torch.full((1, 1, 1, molecules), 0.1),
        observed,
        torch.tensor([[[5.0]]]),
        tensors,
        torch.zeros(1, 1, molecules, dtype=torch.bool),
        torch.zeros(molecules, 2),
        scale,
    )
    assert narrowed is not None
    shrunk = narrowed[0, 0, :, 2]
    assert shrunk[2] < 0.15
    assert shrunk[2] == shrunk.min()
    assert shrunk[4] > 0.19
    others = [i for i in range(molecules) if i != 2]
    assert torch.equal(narrowed[..., others], scale[..., others])
    assert torch.equal(corrected[..., others], states[..., others])


def test_scales_go_through_instruments_by_their_slope(gates):
    """A small change of state or drive changes every modality by the scale."""
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(1, 1, 4, 6, dtype=torch.float64, generator=generator)
    drives, small = 1 - states, 1e-6
    values, _ = observe(states, drives, gates)
    little, nothing = torch.full_like(states, small), torch.zeros_like(states)
    of_state, _ = observe(states + small, drives, gates)
    of_drive, _ = observe(states, drives + small, gates)
    for changed, scales in ((of_state, (little, nothing)), (of_drive, (nothing, little))):
        assert torch.allclose(
            scale_in_modalities(*scales, states, drives, gates), changed - values, rtol=1e-4
        )
