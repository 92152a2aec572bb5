"""The measures of a judge's report card, on data for which the answer is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.clip import Clip, Lineage
from emoforge.errors import AudioError
from emoforge.label import BASIC4, FULL, Label
from emoforge.selection.judges import EmbeddedJudge, Encoding, Judge
from emoforge.selection.judges.report_card.human import human
from emoforge.selection.judges.report_card.intervals import bootstrapped, clustered_mean
from emoforge.selection.judges.report_card.machine import batch_invariance, throughput
from emoforge.selection.judges.report_card.reliability import calibration, reliability
from emoforge.selection.judges.report_card.sample import Sample
from emoforge.selection.judges.report_card.source_probe import source_probe
from emoforge.selection.judges.report_card.triplets import CONDITIONS, triplets
from emoforge.selection.judges.report_card.votes import (
    agreement,
    cohen_kappa,
    krippendorff_alpha,
)
from emoforge.workspace import Vote

Floats = npt.NDArray[np.float64]


def sample(
    rows: Sequence[tuple[str, str, str]],
    embeddings: Floats | None = None,
    heard: Floats | None = None,
    *,
    generator: str = "",
) -> Sample:
    """A sample of (speaker, text, emotion), as recordings or as made from recordings `r<i>`."""
    clips = [
        Clip(
            id=f"{generator or 'r'}{i:05}",
            path="",
            duration=1.0,
            rate=16000,
            label=Label.of(emotion, FULL),
            speaker=speaker if not generator else "a machine's voice",
            corpus="c",
            text=text,
            lineage=Lineage(
                parents=(f"r{i:05}",),
                parent_digests=("",),
                component=generator,
                component_version=1,
                params={},
            )
            if generator
            else None,
        )
        for i, (speaker, text, emotion) in enumerate(rows)
    ]
    speakers = {f"r{i:05}": speaker for i, (speaker, _, _) in enumerate(rows)}
    found = np.zeros((len(rows), 1)) if embeddings is None else embeddings
    answers = np.full((len(rows), 4), 0.25) if heard is None else heard
    return Sample.of(clips, found, {"basic4": answers}, speakers)


def grid(speakers: int, texts: int, takes: int = 1) -> list[tuple[str, str, str]]:
    return [
        (f"s{s}", f"text {t}", emotion)
        for s in range(speakers)
        for t in range(texts)
        for emotion in BASIC4.classes
        for _ in range(takes)
    ]


# --- source probe ----------------------------------------------------------------------------


def probed(away: Callable[[str, int], Floats], generators: Sequence[str] = ("a", "b")) -> Any:
    """Recordings as noise; each generator's clips are noise and what `away` says of a speaker."""
    rng = np.random.default_rng(0)
    rows = grid(10, 5)
    speaker = [int(who[1:]) for who, _, _ in rows]
    real = sample(rows, rng.normal(size=(len(rows), 8)))
    parts = [
        sample(
            rows,
            rng.normal(size=(len(rows), 8)) + np.array([away(name, s) for s in speaker]),
            generator=name,
        )
        for name in generators
    ]
    made = Sample(
        [clip for part in parts for clip in part.clips],
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("groups", "emotions", "generators", "corpora", "texts", "embeddings")
        ),
        {},
    )
    return source_probe(real, made)


def test_probe_tells_what_can_be_told() -> None:
    found = probed(lambda name, _: 8.0 * np.eye(8)[0])
    for row in found.values():
        assert (row["clips"], row["speakers"]) == (200, 10)
        assert row["within"]["value"] > 0.98
        # The other generator is off in the same direction.
        assert row["left_out"]["value"] > 0.98


def test_probe_cannot_tell_what_is_alike() -> None:
    for row in probed(lambda *_: np.zeros(8)).values():
        for value in (row["within"], row["left_out"]):
            assert 0.4 < value["value"] < 0.6
            assert value["interval"][0] <= value["value"] <= value["interval"][1]


def test_a_generator_of_its_own_kind_is_found_only_by_who_knows_it() -> None:
    found = probed(lambda name, _: 8.0 * np.eye(8)[0 if name == "a" else 1])
    assert found["a"]["within"]["value"] > 0.98
    assert found["a"]["left_out"]["value"] < 0.7


def test_knowing_a_speaker_does_not_help_the_probe() -> None:
    rng = np.random.default_rng(1)
    away = rng.normal(size=(10, 8)) * 6
    # Each speaker's clips are off in a direction of their own, which tells nothing of others.
    value = probed(lambda _, s: away[s], ["a"])["a"]["within"]["value"]
    assert value < 0.75


def test_emotion_does_not_give_a_machine_away() -> None:
    calm = [(f"s{s}", "t", "neutral") for s in range(10) for _ in range(5)]
    angry = [(who, text, "angry") for who, text, _ in calm]
    far = np.full((50, 4), 9.0)
    found = source_probe(sample(calm, -far), sample(angry, far, generator="a"))
    assert "why" in found["a"]
    assert "within" not in found["a"]


@pytest.mark.parametrize(("shift", "low", "high"), [(8.0, 0.98, 1.0), (0.0, 0.35, 0.65)])
def test_voices_that_nobody_has_are_paired_with_speakers(
    shift: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(2)
    real = sample(grid(10, 5), rng.normal(size=(200, 8)))
    made = sample(grid(4, 10), rng.normal(size=(160, 8)) + shift * np.eye(8)[0], generator="tts")
    voices = np.array([f"tts:{group}" for group in made.groups])
    row = source_probe(real, replace(made, groups=voices))["tts"]
    assert row["speakers"] == 4
    assert low <= row["within"]["value"] <= high


def test_knowing_a_voice_that_nobody_has_does_not_help_the_probe() -> None:
    rng = np.random.default_rng(3)
    away = rng.normal(size=(4, 8)) * 6
    rows = grid(4, 10)
    own = rng.normal(size=(160, 8)) + np.array([away[int(who[1:])] for who, _, _ in rows])
    made = sample(rows, own, generator="tts")
    voices = np.array([f"tts:{group}" for group in made.groups])
    real = sample(grid(10, 5), rng.normal(size=(200, 8)) * 6)
    row = source_probe(real, replace(made, groups=voices))["tts"]
    assert row["within"]["value"] < 0.8


def test_a_candidate_belongs_to_the_speaker_of_its_source() -> None:
    assert set(sample(grid(3, 1), generator="tts").groups) == {"s0", "s1", "s2"}


# --- triplets --------------------------------------------------------------------------------


def one_hot(values: Sequence[str]) -> Floats:
    names = sorted(set(values))
    return np.eye(len(names))[[names.index(value) for value in values]]


def test_an_embedding_of_emotion_alone_is_always_nearer() -> None:
    rows = grid(4, 3, takes=2)
    found = triplets(sample(rows, one_hot([emotion for *_, emotion in rows])))["c"]
    assert set(found) == set(CONDITIONS)
    assert all(row["value"] == 1 for row in found.values())
    # Any of 24 clips of a speaker: the other take, and 2 takes of 3 other emotions.
    assert found["take"]["triplets"] == len(rows) * 1 * 6
    assert found["both"]["triplets"] == len(rows) * (3 * 2 * 2) * 6


def test_an_embedding_of_voice_or_words_is_drawn_away() -> None:
    rows = grid(4, 3, takes=2)
    voice = triplets(sample(rows, one_hot([who for who, *_ in rows])))["c"]
    assert voice["speaker"]["value"] == voice["both"]["value"] == 0
    assert voice["text"]["value"] == voice["take"]["value"] == 0.5
    words = triplets(sample(rows, one_hot([text for _, text, _ in rows])))["c"]
    assert words["text"]["value"] == words["both"]["value"] == 0
    assert words["speaker"]["value"] == words["take"]["value"] == 0.5


def test_the_mean_is_taken_off_first() -> None:
    rows = grid(4, 3, takes=2)
    rng = np.random.default_rng(0)
    found = rng.normal(size=(len(rows), 5))
    assert triplets(sample(rows, found)) == triplets(sample(rows, found + 100))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_triplets_are_counted_as_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{rng.integers(3)}", f"t{rng.integers(2)}", BASIC4.classes[rng.integers(3)])
        for _ in range(25)
    ]
    embeddings = rng.integers(-2, 3, size=(25, 3)).astype(float)
    found = triplets(sample(rows, embeddings)).get("c", {})
    away = embeddings - embeddings.mean(0)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    near = away @ away.T
    for name, same_speaker, same_text in (
        ("take", True, True),
        ("text", True, False),
        ("speaker", False, True),
        ("both", False, False),
    ):
        shares = []
        count = 0
        for a, (who, text, emotion) in enumerate(rows):
            scores = [
                1.0 if near[a, p] > near[a, n] + 1e-9 else 0.5 * (near[a, p] > near[a, n] - 1e-9)
                for p, (who_p, text_p, emotion_p) in enumerate(rows)
                for n, (who_n, text_n, emotion_n) in enumerate(rows)
                if p != a
                and emotion_p == emotion
                and ((who_p == who), (text_p == text)) == (same_speaker, same_text)
                and (who_n, text_n) == (who, text)
                and emotion_n != emotion
            ]
            count += len(scores)
            shares += [np.mean(scores)] if scores else []
        if shares:
            assert found[name]["triplets"] == count
            assert found[name]["anchors"] == len(shares)
            # Equal cosines may come out a rounding apart.
            assert found[name]["value"] == pytest.approx(np.mean(shares), abs=0.05)
        else:
            assert name not in found


def test_a_corpus_without_parallel_texts_is_left_out() -> None:
    rows = [(f"s{i}", f"text {i}", BASIC4.classes[i % 4]) for i in range(12)]
    assert triplets(sample(rows)) == {}


# --- calibration and human speech ------------------------------------------------------------


def drawn(sharpness: float, count: int = 3000) -> Sample:
    """Labels drawn from distributions; the judge states them sharpened by an exponent."""
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.full(4, 0.6), size=count)
    labels = [BASIC4.classes[rng.choice(4, p=p)] for p in true]
    stated = np.maximum(true, 1e-9) ** sharpness
    rows = [(f"s{i % 20}", "", label) for i, label in enumerate(labels)]
    return sample(rows, heard=stated / stated.sum(1, keepdims=True))


def test_true_probabilities_are_calibrated() -> None:
    found = calibration(drawn(1.0), BASIC4)
    whole = found["all"]
    assert found["temperature"] == pytest.approx(1, abs=0.1)
    assert whole["as_is"]["ece"] < 2 * whole["floor"] < 0.05
    assert whole["clips"] == found["corpora"]["c"]["clips"] == 3000


def test_scaling_repairs_a_judge_that_is_too_sure() -> None:
    found = calibration(drawn(3.0), BASIC4)
    assert found["temperature"] == pytest.approx(3, rel=0.1)
    assert found["all"]["as_is"]["ece"] > 0.1
    assert found["all"]["scaled"]["ece"] < 2 * found["all"]["floor"]


def test_one_speaker_has_nobody_to_fit_on() -> None:
    one = sample([("s0", "", "sad"), ("s0", "", "happy"), ("s0", "", "sad")])
    assert calibration(one, BASIC4)["all"]["scaled"] is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_bins_give_the_ece(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    heard = rng.dirichlet(np.ones(4), size=count)
    found = reliability(rng.integers(4, size=count), heard)
    assert sum(clips for *_, clips in found["bins"]) == count
    gaps = sum(clips * abs(said - right) for said, right, clips in found["bins"]) / count
    assert found["ece"] == pytest.approx(gaps, abs=2e-4)


def test_recalls_with_and_without_help() -> None:
    # The corpus has two of the four classes; "happy" is heard where it does not occur.
    rows = [(f"s{i % 4}", "", ("angry", "sad")[i % 2]) for i in range(40)]
    heard = np.tile([0.3, 0.5, 0.0, 0.2], (40, 1))
    heard[1::2] = [0.1, 0.2, 0.1, 0.6]
    row = human(sample(rows, heard=heard), BASIC4)["c"]
    assert row["classes"] == ["angry", "sad"]
    assert row["uar"]["value"] == 1
    assert row["uar_of_all_classes"] == 0.5
    assert row["confusion_of"] == ["angry", "sad"]
    assert row["confusion"] == [[0, 20, 0, 0], [0, 0, 0, 20]]


def test_intervals_are_of_whole_groups() -> None:
    values = np.repeat([0.0, 1.0], 50)
    lone = clustered_mean(values, np.array([f"g{i}" for i in range(100)]))
    grouped = clustered_mean(values, np.repeat(["a", "b"], 50))
    assert lone["value"] == grouped["value"] == 0.5
    assert grouped["interval"] == [0, 1]
    assert lone["interval"][1] - lone["interval"][0] < 0.25
    assert clustered_mean(values, np.full(100, "a"))["interval"] is None
    assert bootstrapped(lambda at: float("nan"), 5) == {"value": None, "interval": None}


# --- votes -----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    counts = np.zeros((4, 4))
    for a, b in pairs:
        counts[a, b] += 1
    found = cohen_kappa(counts)
    if len(set(pairs)) == 1 and pairs[0][0] == pairs[0][1]:
        assert np.isnan(found)  # scikit-learn warns, and says the same
    else:
        expected = cohen_kappa_score(*zip(*pairs, strict=True), labels=range(4))
        assert found == pytest.approx(expected, abs=1e-9)


def test_alpha_of_the_published_example() -> None:
    # K. Krippendorff, "Computing Krippendorff's alpha-reliability": four observers, nominal.
    observers = ["123321412000", "123322412503", "033323422510", "123324412510"]
    units = np.zeros((12, 5), np.int64)
    for said in observers:
        for unit, value in enumerate(said):
            if value != "0":
                units[unit, int(value) - 1] += 1
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=0.001)


def test_alpha_where_nothing_can_be_said() -> None:
    assert krippendorff_alpha(np.eye(4, dtype=np.int64)) is None  # one rater a clip
    assert krippendorff_alpha(np.array([[3, 0], [3, 0]])) is None  # one class only
    assert krippendorff_alpha(np.array([[3, 0], [0, 3]])) == 1


def test_agreement_by_generator() -> None:
    rows = [("s0", "", "angry"), ("s1", "", "sad"), ("s2", "", "happy"), ("s3", "", "sad")]
    heard = np.array([[0.9, 0.1, 0, 0], [0, 0, 0.2, 0.8], [0, 0.6, 0.4, 0], [0, 0, 0.7, 0.3]])
    votes = [
        Vote(f"tts{clip:05}", rater, emotion, "")
        for clip, said in enumerate(
            [("angry", "angry"), ("sad", "neutral"), ("excited", "happy"), ("other", "other")]
        )
        for rater, emotion in zip("ab", said, strict=True)
    ]
    votes.append(Vote("nobody's", "a", "sad", ""))
    found = agreement(sample(rows, heard=heard, generator="tts"), votes, BASIC4)
    row = found["tts"]
    assert (row["clips"], row["votes"], row["raters"], row["tied"]) == (4, 8, 2, 1)
    # Right about anger and happiness (excited counts as happy), wrong about what is neither.
    assert row["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert row["heard_as_carried"] == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert 0 < row["spearman"]["value"] <= 1
    assert agreement(sample(rows, heard=heard), votes, BASIC4) == {}


# --- batches and speed -----------------------------------------------------------------------


class Sociable(Judge):
    """Its embedding depends on how many clips there are."""

    name = "sociable"
    version = 1
    rate = 16000
    encoder_weights = ""
    native_schemes = ("basic4",)

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        found = Encoding(
            np.full((1, 2), 1 + len(audios) / 1000, np.float32), {"basic4": (0.25,) * 4}
        )
        return [found if len(audio) else AudioError("nothing to hear") for audio in audios]


def test_a_judge_that_heeds_the_batch_is_found_out() -> None:
    found = batch_invariance(Sociable(), [np.ones(9, np.float32)] * 5 + [np.ones(0, np.float32)])
    assert found is not None
    assert (found["clips"], found["probability"], found["ok"]) == (5, 0, False)
    assert found["embedding"] == pytest.approx(4 / 1001, rel=0.1)
    assert batch_invariance(Sociable(), [np.ones(0, np.float32)]) is None


def test_the_embedded_judge_does_not_heed_the_batch() -> None:
    rng = np.random.default_rng(0)
    audios = [
        (0.1 * rng.normal(size=n)).astype(np.float32) for n in (8000, 9000, 21000, 40000, 16000)
    ]
    found = batch_invariance(EmbeddedJudge(), audios)
    assert found is not None
    assert found["ok"]
    speed = throughput(EmbeddedJudge(), audios)
    assert speed["clips"] == 5
    assert speed["speech_s"] == pytest.approx(5.9, abs=0.05)
    assert speed["clips_per_s"] > 0
