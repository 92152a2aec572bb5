"""Spectra are those that the networks learned from: librosa's."""

import librosa
import numpy as np
import pytest

from emoforge.component import rng_for
from emoforge.selection.measures.spectrum import decibels, magnitudes, mel_filters

NOISE = rng_for("spectrum").normal(0, 0.1, 20000).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "hop", "window", "mirror"),
    [(400, 160, None, False), (321, 160, None, False), (4096, 240, 480, True), (32, 8, 32, False)],
)
def test_magnitudes_are_those_of_librosa(
    size: int, hop: int, window: int | None, mirror: bool
) -> None:
    mode = "reflect" if mirror else "constant"
    theirs = librosa.stft(NOISE, n_fft=size, hop_length=hop, win_length=window, pad_mode=mode)
    ours = magnitudes(NOISE, size, hop, window, mirror=mirror)
    np.testing.assert_allclose(ours, np.abs(theirs).T, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize(
    ("rate", "size", "bands", "top"),
    [
        (16000, 400, 40, None),
        (16000, 321, 120, None),
        (24000, 4096, 48, 20000),
        (1600, 64, 4, None),
    ],
)
def test_mel_filters_are_those_of_librosa(
    rate: int, size: int, bands: int, top: float | None
) -> None:
    theirs = librosa.filters.mel(sr=rate, n_fft=size, n_mels=bands, fmax=top)
    np.testing.assert_allclose(mel_filters(rate, size, bands, top), theirs.T, atol=1e-7)


@pytest.mark.parametrize("reference", [1.0, 7.0])
def test_decibels_are_those_of_librosa(reference: float) -> None:
    power = np.logspace(-14, 1, 60, dtype=np.float32)
    theirs = librosa.power_to_db(power, ref=reference, amin=1e-10, top_db=80)
    np.testing.assert_allclose(decibels(power, 1e-10, reference), theirs, atol=1e-4)
