"""Ω↔: measurements of every modality, translated into states."""

import torch

from hmlm_fm.model.conditions import MODALITIES
from hmlm_fm.model.observation import ACTIVITY, HALF_SATURATION, MRNA, translate


def test_activity_stays_as_it_was_measured():
    value = torch.tensor([-0.02, 0.4, 1.1])
    modality = torch.full((3,), ACTIVITY)
    none = torch.zeros(3)
    found = translate(value, modality, torch.zeros(3, dtype=torch.long), 1, none, none)
    assert torch.equal(found.value_O, value)
    assert torch.equal(found.weight_O, torch.ones(3))
    assert not found.is_drive_O.any()


def test_instruments_are_found_for_each_network_and_modality():
    """y = a + b·h(x) is inverted where the prediction is right, whatever a and b are."""
    generator = torch.Generator().manual_seed(0)
    signal = torch.rand(4, 200, generator=generator)
    read = signal * (1 + HALF_SATURATION) / (signal + HALF_SATURATION)
    offset = torch.tensor([0.0, 0.2, 0.05, 0.1])[:, None]
    gain = torch.tensor([0.6, 1.9, 1.0, 1.4])[:, None]
    protein = MODALITIES.index("protein")
    modality = torch.tensor([protein, MRNA, protein, MRNA]).repeat_interleave(200)
    network = torch.tensor([0, 0, 1, 1]).repeat_interleave(200)
    x, wrong = signal.flatten(), torch.full((800,), 0.5)
    found = translate(
        (offset + gain * read).flatten(),
        modality,
        network,
        2,
        torch.where(modality == MRNA, wrong, x),
        torch.where(modality == MRNA, x, wrong),
    )
    assert (found.value_O - x).abs().max() < 0.03
    assert torch.equal(found.is_drive_O, modality == MRNA)
    assert (found.weight_O > 0.9).all()


def test_measurements_far_from_the_prediction_weigh_less():
    generator = torch.Generator().manual_seed(1)
    expected = torch.rand(300, generator=generator)
    noise = torch.randn(300, generator=generator)
    weights = []
    for deviation in (0.01, 0.1, 0.5):
        found = translate(
            expected + deviation * noise,
            torch.ones(300, dtype=torch.long),
            torch.zeros(300, dtype=torch.long),
            1,
            expected,
            expected,
        )
        assert ((found.value_O >= 0) & (found.value_O <= 1)).all()
        weights.append(float(found.weight_O[0]))
    assert weights[0] > 0.8 > weights[1] > 0.1 > weights[2]
