"""Predictions of quality are those of the published pipelines with the same weights."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from torchmetrics.functional.audio import dnsmos, nisqa

from emoforge.audio import Audio, read
from emoforge.component import rng_for
from emoforge.errors import AudioError
from emoforge.selection.measures.quality import Dnsmos, DnsmosPro, Nisqa


@pytest.fixture(scope="module")
def coded(shared: Path) -> Audio:
    return read(shared / "reference" / "codec_mushra" / "audio" / "stim_01" / "audiodec_8.flac")


@pytest.mark.parametrize("seconds", [0.4, 2.5, 11.2])
def test_dnsmos_is_that_of_torchmetrics(
    shared: Path, coded: Audio, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Clips that are repeated many times, once, and heard in two parts."""
    folder = shared / "weights" / "dnsmos"
    monkeypatch.setattr(dnsmos, "DNSMOS_DIR", str(folder))
    sound = Audio(np.resize(coded.resampled(16000).samples, round(seconds * 16000)), 16000)
    theirs = dnsmos.deep_noise_suppression_mean_opinion_score(
        torch.from_numpy(sound.samples), 16000, False, num_threads=1, cache_session=False
    )
    found = Dnsmos(str(folder)).compare(None, sound)
    np.testing.assert_allclose(list(found.values()), theirs, atol=1e-3)


@pytest.mark.parametrize("rate", [16000, 24000])
def test_nisqa_is_that_of_torchmetrics(
    shared: Path, coded: Audio, monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    folder = shared / "weights" / "nisqa"
    monkeypatch.setattr(nisqa, "NISQA_DIR", str(folder))
    nisqa._load_nisqa_model.cache_clear()
    sound = coded.resampled(rate)
    theirs = nisqa.non_intrusive_speech_quality_assessment(torch.from_numpy(sound.samples), rate)
    nisqa._load_nisqa_model.cache_clear()
    found = Nisqa(str(folder)).compare(None, sound)
    np.testing.assert_allclose(list(found.values()), theirs, atol=1e-3)


def test_nisqa_refuses_what_it_cannot_hear(shared: Path) -> None:
    measure = Nisqa(str(shared / "weights" / "nisqa"))
    sound = rng_for("nisqa").normal(0, 0.1, 55 * 16000).astype(np.float32)
    with pytest.raises(AudioError, match="55 s is too long"):
        measure.compare(None, Audio(sound, 16000))
    with pytest.raises(AudioError, match=r"0\.050 s is too short"):
        measure.compare(None, Audio(sound[:800], 16000))


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("corpus", ["BVCC", "NISQA", "VCC2018"])
def test_dnsmos_pro_hears_what_its_authors_feed_it(shared: Path, coded: Audio, corpus: str) -> None:
    """10 s of the clip repeated, as log10 magnitudes of librosa's."""
    folder = shared / "weights" / "dnsmospro"
    samples = np.tile(coded.resampled(16000).samples, 10)[:160000]
    spectrum = np.abs(librosa.stft(samples, n_fft=320, hop_length=160)).T
    network = torch.jit.load(str(folder / corpus / "model_best.pt"), map_location="cpu")
    with torch.inference_mode():
        theirs = network(torch.from_numpy(np.log10(np.clip(spectrum, 1e-7, 1e7)))[None, None])
    found = DnsmosPro(str(folder), corpus).compare(None, coded)  # type: ignore[arg-type]
    assert found["dnsmospro"] == pytest.approx(float(theirs[0, 0]), abs=1e-3)
