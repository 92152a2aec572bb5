"""Intervals cover, tests hold their level and find what is there, and numbers are as by hand."""

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.codecs.report.statistics import (
    EXACT,
    Group,
    divisions,
    interval,
    least_p,
    step_down,
)
from emoforge.selection.arms import sign_flip
from emoforge.selection.judges import confusion, macro_f1, uar

Floats = npt.NDArray[np.float64]
K = 4
ENDS = ("low", "high", "value_low", "value_high")


def clips(
    speakers: int, each: int, right: float | Floats = 0.7, conditions: int = 3, seed: int = 0
) -> tuple[npt.NDArray[np.int64], list[str], npt.NDArray[np.int64]]:
    """Emotions, speakers and what was heard [conditions, n]; right: shares by condition."""
    rng = np.random.default_rng(seed)
    n = speakers * each
    emotions = rng.integers(0, K, n)
    names = [f"s{i:03}" for i in np.repeat(np.arange(speakers), each)]
    share = np.broadcast_to(np.asarray(right, float).reshape(-1, 1), (conditions, 1))
    guess = (emotions + rng.integers(1, K, (conditions, n))) % K
    return emotions, names, np.where(rng.random((conditions, n)) < share, emotions, guess)


def columns(effects: Any) -> dict[str, npt.NDArray[Any]]:
    return {name: getattr(effects, name) for name in effects.__slots__}


def test_values_are_those_of_the_metrics() -> None:
    emotions, names, heard = clips(7, 30)
    found = Group(emotions, names, K).hearing(heard)
    for i, condition in enumerate(heard):
        counts = confusion(emotions, condition, K)
        recalls = counts.diagonal() / counts.sum(1)
        assert found.value[i] == pytest.approx(
            [float(uar(counts)), float(macro_f1(counts)), *recalls]
        )
        assert found.original[i] == pytest.approx(found.value[0])
        assert found.difference[i] == pytest.approx(found.value[i] - found.value[0])
        assert found.clips[i].tolist() == [210, 210, *counts.sum(1)]
    assert (found.speakers == 7).all()


def test_classes_that_a_group_does_not_have_are_not_missed() -> None:
    emotions, names, heard = clips(5, 40)
    emotions = emotions % 2
    found = Group(emotions, names, K).hearing(heard)
    counts = confusion(emotions, heard[1], K)
    assert found.value[1, :2] == pytest.approx([float(uar(counts)), float(macro_f1(counts))])
    assert np.isnan(found.value[:, 4:]).all()
    assert np.isnan(found.p_adjusted[:, 4:]).all()
    assert np.isfinite(found.p_adjusted[:, :4]).all()


def test_the_original_beside_itself_does_not_differ() -> None:
    emotions, names, heard = clips(9, 20)
    found = Group(emotions, names, K).hearing(heard[[0, 0, 1]])
    for i in (0, 1):
        for values in (found.difference, found.low, found.high):
            assert (values[i] == 0).all()
        assert (found.p[i] == 1).all()
        assert (found.p_adjusted[i] == 1).all()
    assert (found.value_low[0] < found.value[0]).all()
    assert (found.value[0] < found.value_high[0]).all()


def test_only_clips_with_both_answers_are_compared() -> None:
    emotions, names, heard = clips(6, 40)
    heard[1, ::3] = -1
    heard[0, 1::6] = -1
    both = (heard[:2] >= 0).all(0)
    found = Group(emotions, names, K).hearing(heard)
    alone = Group(emotions[both], np.asarray(names)[both].tolist(), K).hearing(heard[:2, both])
    assert found.clips[1, 0] == both.sum()
    for name in ("value", "original", "difference", "low", "high", "p"):
        assert getattr(found, name)[1] == pytest.approx(getattr(alone, name)[1])


def test_means_of_measures() -> None:
    emotions, names, _ = clips(6, 20)
    rng = np.random.default_rng(1)
    values = rng.normal(3, 1, (3, len(emotions))).astype(np.float32)
    values[2] = values[0] - 1
    values[1, :5] = np.nan
    found = Group(emotions, names, K).measuring(values, alone=True)
    there = np.isfinite(values[1])
    assert found.value[1, 0] == pytest.approx(values[1, there].mean())
    assert found.original[1, 0] == pytest.approx(values[0, there].mean())
    for k in range(K):
        own = there & (emotions == k)
        assert found.difference[1, 1 + k] == pytest.approx((values[1] - values[0])[own].mean())
        assert found.clips[1, 1 + k] == own.sum()
    assert found.low[2] == pytest.approx(-1, abs=1e-5)
    assert found.p[2] == pytest.approx(2.0**-5)
    # Without a number of the original's own there is nothing to subtract.
    errors = Group(emotions, names, K).measuring(values, alone=False)
    assert errors.value[1] == pytest.approx(found.value[1])
    assert (errors.value_low < errors.value).all()
    for values_ in (errors.original, errors.difference, errors.low, errors.p, errors.p_adjusted):
        assert np.isnan(values_).all()


def test_one_speaker_has_numbers_but_no_interval_and_no_test() -> None:
    emotions, names, heard = clips(1, 80)
    found = Group(emotions, names, K).hearing(heard)
    assert np.isfinite(found.difference).all()
    for values in (found.value_low, found.low, found.high, found.p, found.p_adjusted):
        assert np.isnan(values).all()


def test_one_emotion_has_recall_but_no_means_over_emotions() -> None:
    _, names, heard = clips(6, 20)
    found = Group(np.full(len(names), 2), names, K).hearing(heard)
    assert np.isnan(found.value[:, :2]).all()
    assert np.isfinite(found.low[:, 4]).all()
    assert found.value[:, 4] == pytest.approx((heard == 2).mean(1))


def test_the_smallest_p_is_reached_and_stated() -> None:
    for speakers in (2, 5, EXACT):
        everyone = np.full((speakers, 1), -0.1) * np.arange(1, speakers + 1)[:, None]
        p, adjusted = step_down(everyone, divisions(speakers))
        assert p == adjusted == least_p(speakers) == 2 / 2**speakers
    many = np.full((40, 1), -0.1)
    assert step_down(many, divisions(40))[0] == least_p(40)


def test_divisions_are_all_that_there_are() -> None:
    signs = divisions(5)
    both = {tuple(row) for row in signs.tolist()} | {tuple(row) for row in (-signs).tolist()}
    assert both == set(product((-1, 1), repeat=5))
    assert (signs[0] == 1).all()


@given(
    st.integers(2, 9).flatmap(
        lambda n: st.lists(st.lists(st.integers(-3, 3), min_size=n, max_size=n), min_size=1,
                           max_size=5)
    )
)  # fmt: skip
def test_step_down_as_its_definition_says(rows: list[list[int]]) -> None:
    differences = np.array(rows, float).T / 8
    p, adjusted = step_down(differences, divisions(len(differences)))
    for column, value in zip(differences.T, p, strict=True):
        assert value == pytest.approx(sign_flip(column))
    norms = np.sqrt((differences**2).sum(0))
    norms[norms == 0] = 1
    flips = np.array(list(product((-1, 1), repeat=len(differences))))
    drawn = np.abs(flips @ differences) / norms
    observed = np.abs(differences.sum(0)) / norms
    falling = sorted(range(len(observed)), key=lambda j: -observed[j])
    last = 0.0
    for place, j in enumerate(falling):
        largest = drawn[:, falling[place:]].max(1)
        last = max(last, float((largest >= observed[j] - 1e-9).mean()))
        assert adjusted[j] == pytest.approx(last)
    assert (adjusted >= p - 1e-12).all()


def test_who_does_not_have_an_emotion_drops_out_of_it_alone() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(-1, 1, (8, 3))
    differences[5:, 1] = np.nan
    differences[1:, 2] = np.nan
    p, adjusted = step_down(differences, divisions(8))
    assert p[1] == pytest.approx(sign_flip(differences[:5, 1]))
    assert p[0] == pytest.approx(sign_flip(differences[:, 0]))
    assert np.isnan(p[2])
    assert np.isnan(adjusted[2])


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(0, 100))
def test_the_order_of_clips_and_the_names_of_speakers_do_not_matter(rng: Any, seed: int) -> None:
    emotions, names, heard = clips(6, 12, conditions=4, seed=seed)
    scores = np.random.default_rng(seed).normal(size=heard.shape).astype(np.float32)
    order = list(range(len(names)))
    rng.shuffle(order)
    shuffled = Group(emotions[order], [names[i] for i in order], K)
    renamed = {name: f"{rng.random()}-{name}" for name in set(names)}
    others = Group(emotions, [renamed[name] for name in names], K)
    group = Group(emotions, names, K)
    for method, data, more in (("hearing", heard, {}), ("measuring", scores, {"alone": True})):
        found = columns(getattr(group, method)(data, **more))
        for name, values in columns(getattr(shuffled, method)(data[:, order], **more)).items():
            np.testing.assert_allclose(values, found[name], atol=1e-6, err_msg=name)
        for name, values in columns(getattr(others, method)(data, **more)).items():
            if name not in ENDS:
                np.testing.assert_allclose(values, found[name], atol=1e-6, err_msg=name)


def test_other_names_of_speakers_move_intervals_by_chance_alone() -> None:
    emotions, names, heard = clips(12, 60)
    found = columns(Group(emotions, names, K).hearing(heard))
    renamed = [f"{7 * int(name[1:]) % 12:02}-{name}" for name in names]
    others = columns(Group(emotions, renamed, K).hearing(heard))
    for name in ENDS:
        np.testing.assert_allclose(others[name], found[name], atol=0.03, err_msg=name)


@pytest.mark.parametrize("speakers", [8, 12, 20])
def test_wrong_rejections_are_as_rare_as_promised(speakers: int) -> None:
    """The chance of any wrong rejection, in a family of dependent, coarse, uneven differences."""
    rng = np.random.default_rng(speakers)
    signs = divisions(speakers)
    trials, hypotheses = 600, 24
    wrong = 0
    for _ in range(trials):
        shared = rng.standard_t(3, (speakers, 1))
        differences = shared + rng.standard_t(3, (speakers, hypotheses))
        differences[:, :8] = np.round(differences[:, :8])
        differences[3:, 0] = np.nan
        differences *= rng.uniform(0.2, 5, (speakers, 1))
        wrong += np.nanmin(step_down(differences, signs)[1]) <= 0.05
    # Three standard errors of 5 % in so many trials.
    assert wrong / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert wrong / trials >= 0.015  # and it is not content with never rejecting


def test_a_planted_loss_is_found_among_many_and_nothing_else_is() -> None:
    found, wrong = 0, 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        emotions, names, heard = clips(12, 40, 0.8, conditions=12, seed=seed)
        # The same judge hears the same clips: answers agree but for a few.
        heard[1:] = np.where(rng.random(heard[1:].shape) < 0.9, heard[0], heard[1:])
        lost = (emotions == 2) & (rng.random(len(emotions)) < 0.4)
        heard[5, lost] = 0
        adjusted = Group(emotions, names, K).hearing(heard).p_adjusted[:, 2:] <= 0.05
        found += adjusted[5, 2]
        adjusted[5, 2] = False
        wrong += adjusted.any()
    assert found >= 27
    assert wrong <= 5


@pytest.mark.parametrize("speakers", [10, 16, 24])
def test_intervals_cover_as_often_as_promised(speakers: int) -> None:
    trials, covered = 200, np.zeros(3)
    for seed in range(trials):
        rng = np.random.default_rng([speakers, seed])
        names = [f"s{i:02}" for i in np.repeat(np.arange(speakers), 24)]
        place = np.repeat(np.arange(speakers), 24)
        emotions = np.tile(np.arange(K), speakers * 24 // K)
        # People differ in how well they are heard, and in what a codec takes from them.
        before = 0.75 + 0.1 * rng.uniform(-1, 1, speakers)
        after = before - 0.15 + 0.12 * rng.uniform(-1, 1, speakers)
        luck = rng.random(len(names))
        wrong = (emotions + 1) % K
        heard = np.stack([np.where(luck < share[place], emotions, wrong)
                          for share in (before, after)])  # fmt: skip
        found = Group(emotions, names, K).hearing(heard)
        for i, (low, high, truth) in enumerate(
            (
                (found.low[1, 0], found.high[1, 0], -0.15),
                (found.low[1, 2], found.high[1, 2], -0.15),
                (found.value_low[1, 0], found.value_high[1, 0], 0.60),
            )
        ):
            covered[i] += low <= truth <= high
    # Three standard errors of 95 % in so many trials; of one emotion's few clips a little less.
    error = 3 * np.sqrt(0.95 * 0.05 / trials)
    assert (covered / trials >= 0.95 - error - np.array([0, 0.03, 0])).all(), covered / trials
    assert (covered / trials <= 0.95 + error).all(), covered / trials


def test_intervals_of_few_speakers_are_wider_than_percentiles() -> None:
    rng = np.random.default_rng(0)
    resampled = rng.normal(size=(2000, 3))
    low, high = interval(resampled, np.array([10, 1000, 1]))
    plain = np.percentile(resampled, [2.5, 97.5], axis=0)
    assert low[0] < plain[0, 0] - 0.2
    assert high[0] > plain[1, 0] + 0.2
    assert [low[1], high[1]] == pytest.approx(plain[:, 1], abs=0.02)
    assert np.isnan([low[2], high[2]]).all()


def test_the_emotion_that_loses_most_over_codecs_is_told_apart() -> None:
    emotions, names, heard = clips(12, 40, 0.8, conditions=6)
    rng = np.random.default_rng(5)
    heard[1:] = heard[0]
    heard[1:][(emotions == 3) & (rng.random(heard[1:].shape) < 0.2)] = 0
    heard[1:][(emotions == 1) & (rng.random(heard[1:].shape) < 0.05)] = 0
    found = Group(emotions, names, K).losses(heard)
    by_hand = [
        np.mean([(row == emotions)[emotions == k].mean() for row in heard[1:]])
        - (heard[0] == emotions)[emotions == k].mean()
        for k in range(K)
    ]
    assert found.difference == pytest.approx(by_hand)
    assert found.beside[3] == pytest.approx(by_hand[3] - np.mean(by_hand[:3]))
    assert found.high[3] < -0.05
    assert found.beside_high[3] < 0
    assert found.p_adjusted[3] <= 0.01
    # What loses nothing loses less than the mean of the others.
    assert found.beside_low[0] > 0
    assert (found.low <= found.difference).all()
    assert (found.difference <= found.high).all()


def test_a_condition_that_failed_everywhere_has_nothing_and_spoils_nothing() -> None:
    emotions, names, heard = clips(8, 30, conditions=4)
    without = Group(emotions, names, K).losses(heard[:3])
    heard[3] = -1
    group = Group(emotions, names, K)
    found = group.hearing(heard)
    for name, values in columns(found).items():
        assert np.isfinite(values[:3]).all(), name
        assert name in ("clips", "speakers") or np.isnan(values[3]).all(), name
    assert not found.clips[3].any()
    for name, values in columns(group.losses(heard)).items():
        assert values == pytest.approx(getattr(without, name)), name
    silent = np.full(heard.shape, np.nan, np.float32)
    assert np.isnan(group.measuring(silent, alone=True).value).all()
