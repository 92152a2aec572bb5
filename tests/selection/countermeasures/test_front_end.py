"""LFCC against a direct computation, and against torchaudio's where it can be imported."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emoforge
from emoforge.audio import read
from emoforge.selection.countermeasures import lfcc
from emoforge.selection.countermeasures.front_end import FILTERS, WIDTH, filters

STARTER = Path(emoforge.__file__).parent / "starter"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read(STARTER / "mei_angry_1.flac").resampled(16000).samples


def direct(samples: np.ndarray, frame: int) -> list[float]:
    """One frame's static coefficients, by the formulas."""
    part = samples[160 * frame : 160 * frame + 320].astype(float)
    window = [0.54 - 0.46 * math.cos(2 * math.pi * n / 319) for n in range(320)]
    turned = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(320)) / 512)
    power = np.abs(turned @ (part * window)) ** 2
    logs = []
    for m in range(1, 21):
        total = 0.0
        for k in range(257):
            away = abs(k * 16000 / 512 - m * 8000 / 21) / (8000 / 21)
            total += power[k] * max(0.0, 1 - away)
        logs.append(math.log(total + 1e-10))
    return [
        math.sqrt((1 if c == 0 else 2) / 20)
        * sum(logs[m] * math.cos(math.pi * c * (m + 0.5) / 20) for m in range(20))
        for c in range(20)
    ]


def test_static_coefficients_are_those_of_the_formulas(speech: np.ndarray) -> None:
    found = lfcc(speech)
    assert found.shape == (1 + (len(speech) - 320) // 160, WIDTH)
    for frame in (0, 40, len(found) - 1):
        np.testing.assert_allclose(found[frame, :FILTERS], direct(speech, frame), atol=1e-4)


def test_slopes_are_least_squares(speech: np.ndarray) -> None:
    found = lfcc(speech).astype(float)
    for at in (3, 50):
        for c in (0, 7):
            fitted = np.polyfit(np.arange(-3, 4), found[at - 3 : at + 4, c], 1)[0]
            assert found[at, 20 + c] == pytest.approx(fitted, abs=1e-4)
            again = np.polyfit(np.arange(-3, 4), found[at + 3 : at + 10, 20 + c], 1)[0]
            assert found[at + 6, 40 + c] == pytest.approx(again, abs=1e-4)


def test_torchaudio_agrees(speech: np.ndarray) -> None:
    functional = pytest.importorskip("torchaudio.functional")
    import torch

    bank = functional.linear_fbanks(257, 0.0, 8000.0, 20, 16000)
    np.testing.assert_allclose(filters(0.0, 8000.0), bank.numpy(), atol=1e-5)
    found = torch.from_numpy(lfcc(speech))
    slopes = functional.compute_deltas(found[:, :20].T, win_length=7).T
    np.testing.assert_allclose(found[:, 20:40], slopes, atol=1e-4)


@given(st.integers(1, 2000))
def test_any_length_has_frames(length: int) -> None:
    samples = np.random.default_rng(length).normal(0, 0.1, length).astype(np.float32)
    found = lfcc(samples)
    assert found.shape == (max(1, 1 + (length - 320) // 160), WIDTH)
    assert np.isfinite(found).all()


def test_nothing_outside_the_band_is_heard(speech: np.ndarray) -> None:
    time = np.arange(len(speech)) / 16000
    tone = 0.1 * np.sin(2 * np.pi * 7800 * time)
    before, after = (lfcc(s.astype(np.float32), 50, 7000)[:, :20] for s in (speech, speech + tone))
    whole = lfcc((speech + tone).astype(np.float32))[:, :20] - lfcc(speech)[:, :20]
    assert np.abs(after - before).mean() < 0.1 * np.abs(whole).mean()
