"""Recall, F1, calibration and intervals, against hand-made cases."""

import numpy as np
import pytest

from emoforge.selection.judges.metrics import (
    clustered_interval,
    confusion,
    ece,
    fit_temperature,
    macro_f1,
    multilabel_macro_f1,
    uar,
)

LABELS = np.array([0, 0, 0, 0, 1, 1])
PREDICTED = np.array([0, 0, 0, 1, 1, 2])
COUNTS = confusion(LABELS, PREDICTED, 4)


def test_confusion_counts_true_by_predicted() -> None:
    assert COUNTS.tolist() == [[3, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_uar_is_the_mean_of_recalls() -> None:
    assert uar(COUNTS) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_macro_f1_is_over_the_classes_that_occur() -> None:
    assert macro_f1(COUNTS) == pytest.approx((6 / 7 + 2 / 4) / 2)


def test_ece_of_calibrated_and_of_overconfident_probabilities() -> None:
    labels = np.array([0, 0, 0, 1])
    calibrated = np.tile(np.float32([0.75, 0.25]), (4, 1))
    certain = np.tile(np.float32([1, 0]), (4, 1))
    assert ece(labels, calibrated) == pytest.approx(0, abs=1e-6)
    assert ece(labels, certain) == pytest.approx(0.25)


def test_an_interval_over_speakers_is_wider_than_over_clips() -> None:
    rng = np.random.default_rng(1)
    speakers = np.repeat(np.arange(10), 40).astype(str)
    labels = np.tile([0, 1], 200)
    # Half of the speakers are always heard right, the others at random.
    predicted = np.where(np.repeat(np.arange(10) < 5, 40), labels, rng.integers(0, 2, 400))
    by_speaker = clustered_interval(uar, labels, predicted, speakers)
    by_clip = clustered_interval(uar, labels, predicted, np.arange(400).astype(str))
    assert (
        by_speaker[0]
        < by_clip[0]
        < uar(confusion(labels, predicted, 2))
        < by_clip[1]
        < by_speaker[1]
    )
    assert by_speaker == clustered_interval(uar, labels, predicted, speakers)


def test_temperature_undoes_a_scale() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (4000, 4))
    odds = np.exp(logits)
    labels = (rng.random((4000, 1)) > np.cumsum(odds / odds.sum(1, keepdims=True), 1)).sum(1)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.1)


def test_a_temperature_takes_no_notice_of_what_could_not_be_said() -> None:
    logits = np.array([[2.0, 0.0, -np.inf], [0.0, 1.0, -np.inf], [0.0, 1.0, -np.inf]])
    possible = fit_temperature(logits[:2], np.array([0, 1]))
    assert fit_temperature(logits, np.array([0, 1, 2])) == pytest.approx(possible)
    assert fit_temperature(logits[:1], np.array([2])) == 1.0


def test_several_emotions_are_present_above_an_even_share() -> None:
    targets = np.float32([[0.5, 0.5, 0], [0.4, 0.3, 0.3], [0, 1, 0]])
    heard = np.float32([[0.9, 0.1, 0], [0.5, 0.4, 0.1], [0.2, 0.4, 0.4]])
    # Angry: 2 hits; happy: 1 hit, 1 miss, 1 false alarm; the third is never present.
    value, _ = multilabel_macro_f1(targets, heard, np.array(["a", "a", "b"]))
    assert value == pytest.approx((1 + 2 / 4) / 2)


@pytest.mark.parametrize("classes", [2, 3, 4, 7, 8, 13])
def test_an_even_distribution_says_nothing(classes: int) -> None:
    even = np.full((4, classes), 1 / classes, np.float32)
    speakers = np.array(list("aabb"))
    assert multilabel_macro_f1(even, even, speakers) == (0.0, (0.0, 0.0))
    sure = np.eye(classes, dtype=np.float32)[[0, 1, 0, 1]]
    assert multilabel_macro_f1(sure, sure, speakers) == (1.0, (1.0, 1.0))
    assert multilabel_macro_f1(sure, even, speakers)[0] == 0.0
