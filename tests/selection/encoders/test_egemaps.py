"""The judge `egemaps`: openSMILE's values, in any company, and a head on them that hears."""

import csv
import importlib.metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("opensmile")

import opensmile

from emoforge.audio import Audio, read, write_flac
from emoforge.component import rng_for
from emoforge.errors import AudioError, RequirementError
from emoforge.label import BASIC4, canonical
from emoforge.selection.judges import Encoding, HeadRecipe, Heads, Scores, fit_head
from emoforge.selection.judges.encoders.egemaps import EgemapsJudge
from emoforge.selection.judges.metrics import confusion, uar

Samples = npt.NDArray[np.float32]
STRANGERS = ("emodb_03", "emodb_08", "emodb_09", "emodb_14")


def noise(length: int, seed: int = 0) -> Samples:
    return (0.1 * rng_for("egemaps", seed).standard_normal(length)).astype(np.float32)


def buzz(length: int, pitch: float) -> Samples:
    """Pulses at a pitch, softened: what openSMILE takes for a voice."""
    time = np.arange(length) / 16000
    waves = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
    return (0.1 * waves).astype(np.float32)


def measured(judge: EgemapsJudge, audios: list[Samples]) -> npt.NDArray[np.float32]:
    answers = judge.score(audios)
    assert all(isinstance(answer, Scores) for answer in answers), answers
    return np.concatenate([a.embedding for a in answers if isinstance(a, Scores)])


@pytest.fixture(scope="module")
def direct() -> opensmile.Smile:
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)


def test_values_are_those_of_opensmile(few: Path, direct: opensmile.Smile) -> None:
    paths = sorted(few.parent.glob("*.flac")) + sorted(few.parent.glob("*.wav"))
    audios = [read(path) for path in paths]
    assert len(audios) == 16
    own = measured(EgemapsJudge(), [a.resampled(16000).samples for a in audios])
    assert own.shape == (16, 88)
    assert own.dtype == np.float32
    for row, path, audio in zip(own, paths, audios, strict=True):
        assert audio.rate == 16000
        expected = direct.process_file(path).to_numpy()[0]
        np.testing.assert_array_equal(row, expected)


def test_what_another_rate_gives_is_measured_as_16_bit_audio(
    direct: opensmile.Smile, tmp_path: Path
) -> None:
    samples = Audio(noise(44100), 44100).resampled(16000).samples
    write_flac(tmp_path / "clip.flac", Audio(samples, 16000))
    expected = direct.process_file(tmp_path / "clip.flac").to_numpy()
    np.testing.assert_array_equal(measured(EgemapsJudge(), [samples]), expected)


def test_it_finds_the_pitch(direct: opensmile.Smile) -> None:
    place = direct.feature_names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    found = measured(EgemapsJudge(), [buzz(16000, 110.0), buzz(16000, 220.0)])[:, place]
    # 110 Hz is two octaves above 27.5 Hz.
    np.testing.assert_allclose(found, [24, 36], atol=0.5)


def test_full_scale_does_not_wrap_around() -> None:
    loud, louder = 10 * buzz(16000, 110.0), 20 * buzz(16000, 110.0)
    assert np.abs(loud).max() > 1
    limited = np.clip(loud, -1, 32767 / 32768)
    np.testing.assert_array_equal(*measured(EgemapsJudge(), [loud, limited]))
    assert np.isfinite(measured(EgemapsJudge(), [louder])).all()


def test_company_does_not_matter() -> None:
    judge = EgemapsJudge()
    audios = [noise(length, length) for length in (960, 1000, 5000, 16001, 40000)] * 3
    together = measured(judge, audios)
    for audio, row in zip(audios, together, strict=True):
        np.testing.assert_array_equal(measured(judge, [audio])[0], row)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16000, np.float32),
        np.zeros(960, np.float32),
        np.ones(16000, np.float32),
        noise(960),
        noise(30000)[::-2],
    ],
    ids=["silence", "short silence", "constant", "one window", "strided"],
)
def test_unusual_audio_is_measured(samples: Samples) -> None:
    assert np.isfinite(measured(EgemapsJudge(), [samples])).all()


def test_what_cannot_be_measured_fails_alone() -> None:
    broken = noise(16000)
    broken[7] = np.inf
    answers = EgemapsJudge().score(
        [noise(959), broken, np.zeros((2, 16000), np.float32), noise(16000), noise(0)]
    )
    assert [type(a) for a in answers] == [AudioError] * 3 + [Scores, AudioError]
    assert "the judge needs 960 (60 ms) or more" in str(answers[0])
    assert EgemapsJudge().score([]) == []


def test_it_has_no_classes_of_its_own() -> None:
    judge = EgemapsJudge()
    assert judge.schemes == ()
    assert judge.place is None
    answer = judge.score([noise(16000)])[0]
    assert isinstance(answer, Scores)
    assert answer.distributions == {}


def test_without_opensmile_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    with pytest.raises(RequirementError, match=r"pip install 'emoforge\[egemaps\]'"):
        _ = EgemapsJudge().weights


def test_a_head_hears_emotions_of_speakers_that_it_does_not_know(
    shared: Path, tmp_path: Path
) -> None:
    with (shared / "corpora" / "emodb" / "metadata.csv").open(encoding="utf-8") as table:
        rows = [
            (row["speaker"], canonical(row["emotion"]), shared / "corpora" / row["path"])
            for row in csv.DictReader(table)
        ]
    rows = [row for row in rows if row[1] in BASIC4.classes][::3]
    judge = EgemapsJudge()
    found = judge.encode([read(path).resampled(16000).samples for _, _, path in rows])
    encodings = [encoding for encoding in found if isinstance(encoding, Encoding)]
    embeddings = np.stack([encoding.embedding for encoding in encodings])
    labels = np.array([BASIC4.index(emotion) for _, emotion, _ in rows])
    unknown = np.array([speaker in STRANGERS for speaker, _, _ in rows])
    targets = np.eye(4, dtype=np.float32)[labels]
    head = fit_head(embeddings[~unknown], targets[~unknown], BASIC4, HeadRecipe(steps=60))
    path = tmp_path / "head.safetensors"
    Heads(judge.encoder, {"basic4": head}, HeadRecipe(steps=60), {}).save(path)

    hearing = EgemapsJudge(head=str(path))
    assert tuple(hearing.schemes) == ("basic4",)
    assert hearing.encoder == judge.encoder
    assert hearing.key != judge.key
    heard = hearing.distributions([encodings[i] for i in np.flatnonzero(unknown)])
    predicted = np.array([int(np.argmax(answer["basic4"])) for answer in heard])
    # Chance is 0.25; 0.75 with all clips and one speaker left out at a time.
    assert uar(confusion(labels[unknown], predicted, 4)) > 0.5
