"""Emotion profiles: measured relative to the same speaker, and what is left out is named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import write_flac
from emoforge.clip import Clip
from emoforge.component import rng_for
from emoforge.errors import ConfigError, CorpusError
from emoforge.label import Label
from emoforge.progress import Progress
from emoforge.synthesis.prosody import (
    FACTORS,
    FEATURES,
    Controls,
    Profile,
    load_profile,
    measure_profile,
    transfer,
)

QUIET = Progress(quiet=True)

Pick = Callable[[str, str, int], list[Clip]]


@pytest.fixture(scope="module")
def pick(clips: list[Clip]) -> Pick:
    """The shortest clips of a speaker and an emotion."""

    def chosen(speaker: str, emotion: str, count: int) -> list[Clip]:
        own = [c for c in clips if c.speaker == speaker and c.emotion == emotion]
        return sorted(own, key=lambda c: (c.duration, c.id))[:count]

    return chosen


@pytest.fixture(scope="module")
def speakers(clips: list[Clip]) -> list[str]:
    return sorted({c.speaker for c in clips if c.corpus == "nemo"})[:4]


@pytest.fixture(scope="module")
def measured(pick: Pick, speakers: list[str], tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Three speakers with neutral, one without, and a file that is no audio."""
    used = [
        clip
        for speaker in speakers[:3]
        for emotion in ("neutral", "sad", "angry")
        for clip in pick(speaker, emotion, 2)
    ]
    used += pick(speakers[0], "happy", 1) + pick(speakers[3], "sad", 1)
    broken = tmp_path_factory.mktemp("broken") / "text.wav"
    broken.write_text("no audio")
    return measure_profile(
        [*used, replace(used[0], id="broken", path=str(broken))], QUIET, workers=1
    )


def test_numbers_of_clips_and_speakers(measured: Profile) -> None:
    assert set(measured.emotions) == {"angry", "neutral", "sad"}
    for emotion in measured.emotions.values():
        assert (emotion.clips, emotion.speakers, emotion.corpora) == (6, 3, 1)
        assert set(emotion.statistics) == set(FEATURES)
    (source,) = measured.sources
    assert source.licence == "CC-BY-NC-SA-4.0"
    assert (source.clips, source.speakers, source.languages) == (19, 3, ("pl",))


def test_what_is_left_out_is_named(measured: Profile, speakers: list[str]) -> None:
    left_out = measured.left_out
    assert left_out[f"nemo: speaker {speakers[3]}"] == "has no neutral clips"
    assert left_out["emotion happy"] == "has 1 speakers, 3 are needed"
    assert "text.wav" in left_out["broken"]
    assert "normalised" in left_out["nemo: energy"]
    assert len(left_out) == 4
    energy = measured.emotions["angry"].statistics["energy"]
    assert (energy.mean, energy.speakers) == (0, 0)


def test_neutral_is_the_zero(measured: Profile) -> None:
    for name, statistic in measured.emotions["neutral"].statistics.items():
        assert statistic.speakers == (0 if name == "energy" else 3)
        assert statistic.mean == pytest.approx(1.0 if name in FACTORS else 0.0, abs=1e-6)
        assert statistic.spread >= (1.0 if name in FACTORS else 0.0)


def test_a_known_shift_is_measured(pick: Pick, speakers: list[str], tmp_path: Path) -> None:
    """Each speaker's `angry` is the same speaker's neutral, changed by known amounts."""
    known = Controls(f0_level=4.0, energy=15.0, tilt=2.0)
    used = []
    for speaker in speakers[:3]:
        for clip in pick(speaker, "neutral", 2):
            neutral = transfer(clip.read(), Controls(energy=-20))
            changed = transfer(neutral, known)
            for emotion, audio in (("neutral", neutral), ("angry", changed)):
                path = tmp_path / f"{Path(clip.path).stem}-{emotion}.flac"
                write_flac(path, audio)
                label = Label.of(emotion)
                used.append(replace(clip, id=path.stem, path=str(path), label=label))
    profile = measure_profile(used, QUIET, workers=1)
    found = profile.emotions["angry"].statistics
    for name in ("f0_level", "energy", "tilt"):
        assert found[name].mean == pytest.approx(getattr(known, name), abs=1.0)
        assert found[name].low <= found[name].mean <= found[name].high
        assert found[name].speakers == 3
    shift = profile.shift("angry", "neutral")
    assert shift["f0_level"] == -found["f0_level"].mean
    drawn = profile.draw("neutral", "angry", 0.5, 0.0, rng_for(1))
    assert drawn.f0_level == pytest.approx(0.5 * found["f0_level"].mean, abs=1e-3)
    assert drawn.rate == pytest.approx(found["rate"].mean ** 0.5, abs=1e-3)


def test_workers_do_not_change_the_result(pick: Pick, speakers: list[str]) -> None:
    used = [c for s in speakers[:3] for e in ("neutral", "sad") for c in pick(s, e, 1)]
    assert measure_profile(used, QUIET, workers=1) == measure_profile(used, QUIET, workers=2)


def test_saved_and_loaded(measured: Profile, tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    measured.save(path)
    assert Profile.load(path) == measured
    assert load_profile(str(path)) is load_profile(str(path))


@pytest.mark.parametrize(
    "text", ["", "a: [", "format: 2", "format: 1", "format: 1\nsources: 3\nemotions: {}", "- 1"]
)
def test_files_that_are_no_profile(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        Profile.load(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        Profile.load(tmp_path / "none.yaml")


def test_nothing_to_measure() -> None:
    with pytest.raises(CorpusError, match="neutral"):
        measure_profile([], QUIET, workers=1)


def test_the_shipped_profile() -> None:
    profile = load_profile()
    assert {s.corpus: s.licence for s in profile.sources} == {
        "emodb": "CC0-1.0",
        "nemo": "CC-BY-NC-SA-4.0",
        "ravdess": "CC-BY-NC-SA-4.0",
    }
    angry, sad = (profile.emotions[name].statistics for name in ("angry", "sad"))
    assert profile.emotions["angry"].speakers == 43
    # What the literature agrees on (Scherer 2003, Juslin and Laukka 2003), outside the intervals.
    assert angry["f0_level"].low > 1
    assert angry["energy"].low > 3
    assert angry["energy"].speakers == 24
    assert angry["tilt"].low > 0.5
    assert sad["rate"].high < 1
    assert sad["rate"].speakers == 43
    assert sad["breathiness"].low > 0
    with pytest.raises(ConfigError, match="did you mean 'angry'"):
        profile.shift("neutral", "angri")
    spreads = np.array([list(profile.spread(e).values()) for e in profile.emotions])
    assert (spreads > 0).all()
