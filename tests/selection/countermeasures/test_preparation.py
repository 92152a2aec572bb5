"""Preparation takes off what is not speech; the shortcut check finds what is left."""

from pathlib import Path

import numpy as np
import pytest

import emoforge
from emoforge.audio import Audio, read, speech_level
from emoforge.errors import AudioError
from emoforge.selection.countermeasures import FEATURES, Preparation, eer, measure, shortcut_scores

STARTER = Path(emoforge.__file__).parent / "starter"


@pytest.fixture(scope="module")
def speech() -> Audio:
    return read(STARTER / "mei_angry_1.flac").resampled(16000)


def changed(speech: Audio, gain: float = 1.0, offset: float = 0.0, silence: float = 0.0) -> Audio:
    around = np.zeros(round(silence * 16000))
    samples = np.concatenate([around, speech.samples * gain, around]) + offset
    return Audio(samples.astype(np.float32), 16000)


def test_level_and_trim_are_what_is_asked(speech: Audio) -> None:
    quiet = Preparation(floor_db=None)
    for given in (changed(speech, gain=0.05), changed(speech, silence=0.7)):
        prepared = quiet.apply(given, "a")
        assert speech_level(prepared)[0] == pytest.approx(-26, abs=0.2)
        found = dict(zip(FEATURES, measure(prepared), strict=True))
        assert found["leading"] == found["trailing"] == 0
    assert Preparation(trim=False).apply(changed(speech, silence=0.7), "a").duration == (
        pytest.approx(speech.duration + 1.4)
    )


@pytest.mark.parametrize(
    "how", [{"gain": 0.03}, {"offset": 0.01}, {"silence": 0.5}, {"gain": 0.2, "silence": 1.0}]
)
def test_how_a_file_was_made_leaves_no_trace(speech: Audio, how: dict[str, float]) -> None:
    preparation = Preparation(floor_db=None)
    plain, other = (preparation.apply(one, "a").samples for one in (speech, changed(speech, **how)))
    # The trim is to whole frames of 10 ms: the two may begin that much apart.
    away = [
        np.abs(a - b).max() for lag in range(-160, 161) for a, b in [_lagged(plain, other, lag)]
    ]
    assert abs(len(plain) - len(other)) <= 320
    assert min(away) < 0.02 * np.abs(plain).max()


def _lagged(a: np.ndarray, b: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = a[max(0, lag) :], b[max(0, -lag) :]
    count = min(len(a), len(b))
    return a[:count], b[:count]


def test_digital_silence_sounds_like_a_room(speech: Audio) -> None:
    gap = Audio(np.concatenate([speech.samples, np.zeros(8000, np.float32), speech.samples]), 16000)
    bare, filled = (
        dict(zip(FEATURES, measure(Preparation(floor_db=db).apply(gap, "a")), strict=True))
        for db in (None, -66.0)
    )
    assert bare["floor"] < -90
    assert filled["floor"] == pytest.approx(-66, abs=1.5)


def test_noise_depends_on_the_key_alone(speech: Audio) -> None:
    first, again, other = (Preparation().apply(speech, key).samples for key in "aab")
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    whole = Preparation(band=None, trim=False, level_db=None, floor_db=None)
    assert np.array_equal(whole.apply(speech, "a").samples, speech.samples)


def test_what_cannot_be_prepared_is_said() -> None:
    with pytest.raises(AudioError, match="there is no sound in it"):
        Preparation().apply(Audio(np.zeros(16000, np.float32), 16000), "a")
    with pytest.raises(ValueError, match=r"band=\[7000\.0, 50\.0\]: must be two frequencies"):
        Preparation(band=(7000.0, 50.0))


def test_features_are_what_they_say() -> None:
    time = np.arange(16000) / 16000
    tone = 0.1 * np.sin(2 * np.pi * 1000 * time)
    samples = np.concatenate([np.zeros(4000), tone, np.zeros(8000)])
    found = dict(zip(FEATURES, measure(Audio(samples.astype(np.float32), 16000)), strict=True))
    assert found["level"] == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=1.2)
    assert found["crest"] == pytest.approx(20 * np.log10(0.1) - found["level"], abs=0.01)
    assert found["leading"] == pytest.approx(0.25, abs=0.02)
    assert found["trailing"] == pytest.approx(0.5, abs=0.02)
    assert found["duration"] == 1.75
    assert found["rolloff"] == pytest.approx(1, abs=0.02)
    assert found["floor"] == -120
    assert found["high"] < -60
    hiss = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    noise = dict(zip(FEATURES, measure(Audio(hiss, 16000)), strict=True))
    assert noise["rolloff"] == pytest.approx(7.6, abs=0.1)
    assert noise["high"] == pytest.approx(10 * np.log10(1 / 8), abs=0.3)


def test_a_shortcut_is_found_and_none_is_made_up() -> None:
    rng = np.random.default_rng(0)
    spoof, train = rng.random(600) < 0.6, rng.random(600) < 0.5
    features = rng.normal(0, 1, (600, 8))

    def rate(scores: np.ndarray) -> float:
        return eer(scores[~train & ~spoof], scores[~train & spoof])

    assert rate(shortcut_scores(features, spoof, train).all) == pytest.approx(0.5, abs=0.1)
    features[:, 2] += 3 * spoof
    found = shortcut_scores(features, spoof, train)
    assert rate(found.all) < 0.1
    assert rate(found.alone["leading"]) < 0.1
    assert rate(found.alone["level"]) > 0.4
    assert rate(found.without["leading"]) > 0.4
    assert rate(found.without["level"]) < 0.1
