"""Equal error rates against their definition, and what they must not depend on."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from emoforge.selection.countermeasures import ErrorTest, eer
from emoforge.selection.countermeasures.error_rates import weighted_eers

# Few different values, so that ties are common.
SCORES = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)


def by_definition(bonafide: list[float], spoof: list[float]) -> float:
    """Walk along the ROC, point by point, until both errors are equal."""
    points = [(0.0, 1.0)]
    for threshold in sorted({*bonafide, *spoof}):
        missed = sum(score <= threshold for score in bonafide) / len(bonafide)
        accepted = sum(score > threshold for score in spoof) / len(spoof)
        points.append((missed, accepted))
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x1 >= y1:
            share = (y0 - x0) / ((x1 - x0) + (y0 - y1))
            return x0 + share * (x1 - x0)
    raise AssertionError


@given(SCORES, SCORES)
def test_it_is_where_both_errors_are_equal(bonafide: list[float], spoof: list[float]) -> None:
    assert eer(bonafide, spoof) == pytest.approx(by_definition(bonafide, spoof), abs=1e-9)


@given(SCORES, SCORES)
def test_only_the_order_of_scores_counts(bonafide: list[float], spoof: list[float]) -> None:
    rate = eer(bonafide, spoof)
    assert eer(np.exp(bonafide), np.exp(spoof)) == pytest.approx(rate, abs=1e-12)
    assert eer(np.array(bonafide) ** 3 * 7 - 2, np.array(spoof) ** 3 * 7 - 2) == pytest.approx(rate)


@given(SCORES, SCORES)
def test_classes_change_places_with_the_sign(bonafide: list[float], spoof: list[float]) -> None:
    rate = eer(bonafide, spoof)
    assert eer([-s for s in spoof], [-s for s in bonafide]) == pytest.approx(rate, abs=1e-9)
    assert eer(spoof, bonafide) == pytest.approx(1 - rate, abs=1e-9)


@given(SCORES)
def test_the_ends_and_the_middle(scores: list[float]) -> None:
    assert eer(scores, scores) == pytest.approx(0.5)
    assert eer(scores, [min(scores) - 1]) == 0
    assert eer([min(scores) - 1], scores) == 1


def test_two_normal_distributions() -> None:
    rng = np.random.default_rng(0)
    found = eer(rng.normal(1, 1, 20_000), rng.normal(-1, 1, 30_000))
    assert found == pytest.approx(norm.cdf(-1), abs=0.005)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.integers(0, 3)), min_size=2))
def test_a_weight_of_two_is_being_there_twice(clips: list[tuple[int, bool, int]]) -> None:
    scores = np.array([float(score) for score, _, _ in clips])
    spoof = np.array([fake for _, fake, _ in clips])
    times = np.array([weight for _, _, weight in clips])
    weighted = weighted_eers(scores, spoof, np.arange(len(clips)), times[None].astype(float))[0]
    repeated, fake = np.repeat(scores, times), np.repeat(spoof, times)
    if fake.all() or not fake.any():
        assert np.isnan(weighted)
    else:
        assert weighted == pytest.approx(eer(repeated[~fake], repeated[fake]), abs=1e-9)


def heard(speakers: int, spread: float, seed: int = 0) -> tuple[ErrorTest, np.ndarray]:
    """A test of 20 clips of each class of each speaker; some are easier to tell than others."""
    rng = np.random.default_rng(seed)
    spoof = np.tile(np.repeat([False, True], 20), speakers)
    names = np.repeat([f"s{i}" for i in range(speakers)], 40)
    apart = 1 + np.repeat(rng.normal(0, spread, speakers), 40)
    return ErrorTest(spoof, names), rng.normal(np.where(spoof, -1, 1) * apart)


def test_whole_speakers_are_drawn() -> None:
    spoof = np.tile(np.repeat([False, True], 20), 12)
    test, scores = heard(12, 0.8)
    rows = np.ones(480, bool)
    speakers = test.rates(scores[None], rows).estimate()
    clips = ErrorTest(spoof, np.arange(480).astype(str)).rates(scores[None], rows).estimate()
    assert speakers.value == clips.value
    assert speakers.low < clips.low < clips.value < clips.high < speakers.high
    one = ErrorTest(spoof, np.full(480, "a")).rates(scores[None], rows).estimate()
    assert one.low == pytest.approx(one.high)  # nobody else to draw


def test_differences_are_of_the_same_speakers() -> None:
    test, scores = heard(12, 0.8)
    rows = np.ones(480, bool)
    noisy = scores + np.random.default_rng(1).normal(0, 0.2, 480)
    own, other = test.rates(scores[None], rows), test.rates(noisy[None], rows)
    difference = other.less(own).estimate()
    assert difference.value == pytest.approx(other.estimate().value - own.estimate().value)
    assert difference.high - difference.low < own.estimate().high - own.estimate().low
    nothing = own.less(own).estimate()
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_trainings_that_differ_widen_it_too() -> None:
    test, scores = heard(12, 0.0)
    rows = np.ones(480, bool)
    worse = scores + np.random.default_rng(2).normal(0, 3, 480)
    one = test.rates(scores[None], rows).estimate()
    both = test.rates(np.stack([scores, worse]), rows).estimate()
    assert both.value == pytest.approx(
        np.mean([one.value, test.rates(worse[None], rows).estimate().value])
    )
    assert both.high - both.low > one.high - one.low


def test_a_synthetic_voice_never_takes_the_place_of_a_speaker() -> None:
    """One speaker and many voices: every draw has both classes, and the voices alone vary."""
    spoof = np.repeat([False, True], [20, 200])
    names = np.concatenate([np.full(20, "real"), np.repeat([f"v{i}" for i in range(20)], 10)])
    rng = np.random.default_rng(0)
    scores = rng.normal(np.where(spoof, -1, 1)) + np.repeat(rng.normal(0, 1, 22), 10)
    found = ErrorTest(spoof, names).rates(scores[None], np.ones(220, bool))
    assert np.isfinite(found.drawn).all()
    assert found.estimate().low < found.estimate().high
