"""The judge in the package: the same answer in any company, extremes, damage, and that it hears."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.audio import read
from emoforge.component import create, rng_for
from emoforge.errors import AudioError, ConfigError, RequirementError
from emoforge.label import BASIC4, WIDE8, canonical
from emoforge.selection.judges import EmbeddedJudge, Judge, Scores
from emoforge.selection.judges.card import page
from emoforge.selection.judges.embedded import WEIGHTS
from emoforge.selection.judges.metrics import confusion, uar

Samples = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def judge() -> EmbeddedJudge:
    judge = EmbeddedJudge()
    judge.setup()
    return judge


@pytest.fixture(scope="module")
def recordings(shared: Path) -> list[tuple[str, str, Samples]]:
    """(corpus, emotion, samples) of every 25th clip."""
    with (shared / "corpora" / "manifest.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))[::25]
    return [
        (r["corpus"], canonical(r["emotion"]), read(shared / "corpora" / r["path"]).samples)
        for r in rows
    ]


def noise(length: int, seed: int) -> Samples:
    """Noise that swells and fades, so that its ends may be cut as silence."""
    rng = rng_for("judge", length, seed)
    envelope = np.sin(np.linspace(0, np.pi, length)) ** 4
    return (0.1 * envelope * rng.standard_normal(length)).astype(np.float32)


def heard(judge: Judge, audios: list[Samples]) -> list[Scores]:
    answers = judge.score(audios)
    assert all(isinstance(answer, Scores) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Scores)]


def assert_same(one: Scores, other: Scores) -> None:
    for scheme, distribution in one.distributions.items():
        np.testing.assert_allclose(distribution, other.distributions[scheme], atol=1e-4)
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-3)


def test_it_is_the_registered_judge_and_its_weights_are_those_of_its_card() -> None:
    judge = create("judge", "embedded")
    card = json.loads(WEIGHTS.with_name("card.json").read_text(encoding="utf-8"))
    assert isinstance(judge, EmbeddedJudge)
    assert judge.weights == card["digest"]
    assert judge.signature()["weights"] == card["digest"]
    assert WEIGHTS.with_name("CARD.md").read_text(encoding="utf-8") == page(card)


def test_classes_stand_in_the_order_of_the_schemes(judge: EmbeddedJudge) -> None:
    card = json.loads(WEIGHTS.with_name("card.json").read_text(encoding="utf-8"))
    assert card["schemes"] == {
        "wide8": list(WIDE8.classes),
        "basic4": list(BASIC4.classes),
    }
    answer = heard(judge, [noise(16000, 0)])[0]
    assert {name: len(values) for name, values in answer.distributions.items()} == {
        "wide8": 8,
        "basic4": 4,
    }


@given(st.lists(st.integers(640, 60000), min_size=2, max_size=6))
@settings(max_examples=15, deadline=None)
def test_company_does_not_matter(lengths: list[int]) -> None:
    judge = EmbeddedJudge()
    audios = [noise(length, seed) for seed, length in enumerate(lengths)]
    for alone, together in zip(audios, heard(judge, audios), strict=True):
        assert_same(heard(judge, [alone])[0], together)


def test_company_does_not_matter_to_real_clips(
    judge: EmbeddedJudge, recordings: list[tuple[str, str, Samples]]
) -> None:
    audios = [samples for _, _, samples in recordings]
    together = heard(judge, audios)
    for alone, other in zip(audios[::4], together[::4], strict=True):
        assert_same(heard(judge, [alone])[0], other)


def test_level_does_not_matter(
    judge: EmbeddedJudge, recordings: list[tuple[str, str, Samples]]
) -> None:
    for _, _, samples in recordings[::20]:
        loud, quiet = heard(judge, [samples, samples * np.float32(0.1)])
        np.testing.assert_allclose(
            loud.distributions["basic4"], quiet.distributions["basic4"], atol=0.01
        )


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16000, np.float32),
        np.zeros(640, np.float32),
        np.ones(16000, np.float32),
        noise(640, 1),
        noise(641, 1),
        noise(31 * 16000, 1),
        noise(16000, 1)[::-1],
        noise(32000, 1)[::2],
    ],
    ids=[
        "silence",
        "short silence",
        "constant",
        "one window",
        "odd",
        "long",
        "reversed",
        "strided",
    ],
)
def test_unusual_audio_gets_a_distribution(judge: EmbeddedJudge, samples: Samples) -> None:
    answer = heard(judge, [samples])[0]
    for distribution in answer.distributions.values():
        assert sum(distribution) == pytest.approx(1, abs=1e-6)
        assert min(distribution) >= 0
    assert answer.embedding.dtype == np.float32
    assert np.isfinite(answer.embedding).all()


def test_what_cannot_be_judged_fails_alone(judge: EmbeddedJudge) -> None:
    broken = noise(16000, 2)
    broken[100] = np.nan
    good = noise(16000, 3)
    answers = judge.score([broken, good, noise(639, 4), np.zeros((2, 16000), np.float32)])
    assert [type(answer) for answer in answers] == [AudioError, Scores, AudioError, AudioError]
    assert str(answers[0]) == "1 of 16000 samples are not finite (NaN or infinite)"
    assert "639 samples" in str(answers[2])
    assert_same(heard(judge, [good])[0], heard(judge, [good, good])[1])


def test_the_number_of_threads_is_left_alone(judge: EmbeddedJudge) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        heard(judge, [noise(16000, 5)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_no_clips_give_no_scores(judge: EmbeddedJudge) -> None:
    assert judge.score([]) == []


def test_it_hears_emotion(judge: EmbeddedJudge, recordings: list[tuple[str, str, Samples]]) -> None:
    """It was trained on these clips: this shows that labels and features match, no more."""
    basic = [(e, samples) for _, e, samples in recordings if e in BASIC4.classes]
    answers = heard(judge, [samples for _, samples in basic])
    predicted = np.array([int(np.argmax(a.distributions["basic4"])) for a in answers])
    labels = np.array([BASIC4.index(e) for e, _ in basic])
    assert uar(confusion(labels, predicted, 4)) > 0.8


def test_damaged_or_missing_weights_are_one_sentence(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    shutil.copy(WEIGHTS, damaged)
    with damaged.open("r+b") as file:
        file.truncate(1000)
    for path in (damaged, tmp_path / "missing.safetensors"):
        with pytest.raises(RequirementError, match=str(path)) as caught:
            EmbeddedJudge(path=str(path)).setup()
        assert "\n" not in str(caught.value)
    with pytest.raises(RequirementError, match="missing"):
        _ = EmbeddedJudge(path=str(tmp_path / "missing.safetensors")).weights


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_one_sentence(device: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{device}' cannot be used here") as caught:
        EmbeddedJudge(device=device).setup()
    assert "\n" not in str(caught.value)
