"""Gaps between groups: planted ones are found, and where there is none none is claimed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.label import BASIC4
from emoforge.selection import Pool
from emoforge.selection.fairness import (
    Resampling,
    before_and_after,
    compare,
    group_folds,
    keep_gap,
)

CLASSES = BASIC4.classes


def people(groups: int, speakers: int, clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups and speakers of groups · speakers · clips clips."""
    who = np.repeat(np.arange(groups * speakers), clips)
    return np.array([f"g{i // speakers}" for i in who]), np.array([f"s{i:03}" for i in who])


def hearing(
    labels: np.ndarray, recall: np.ndarray, rng: np.random.Generator, classes: int = 4
) -> np.ndarray:
    """Predictions that are right with the probability `recall` [n], else anything else."""
    wrong = (labels + rng.integers(1, classes, len(labels))) % classes
    return np.where(rng.random(len(labels)) < recall, labels, wrong)


@given(st.integers(0, 2**32))
def test_rates_are_those_of_the_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups, speakers = people(3, 4, 6)
    shuffled = rng.permutation(len(groups))
    groups, speakers = groups[shuffled], speakers[shuffled]
    labels = rng.integers(0, 4, len(groups))
    heard = rng.integers(0, 4, len(groups))
    draws = Resampling(groups, speakers, draws=20)
    found = compare(draws, labels, {"before": heard, "after": heard}, CLASSES)
    for place, emotion in enumerate(CLASSES):
        recall, parity = (found.arms["before"][metric][emotion] for metric in ("recall", "parity"))
        for name in np.unique(groups):
            own = groups == name
            of_class = own & (labels == place)
            assert parity.rates[name] == pytest.approx((heard[own] == place).mean())
            if of_class.any():
                assert recall.rates[name] == pytest.approx((heard[of_class] == place).mean())
            else:
                assert name not in recall.rates
        assert parity.value == pytest.approx(
            max(parity.rates.values()) - min(parity.rates.values())
        )
        assert 0 <= parity.interval[0] <= parity.value <= parity.interval[1] <= 1
        change = found.change["recall"][emotion]
        assert (change.value, change.interval) == (0, (0, 0))


def test_a_planted_gap_is_found_and_only_that() -> None:
    rng = np.random.default_rng(0)
    groups, speakers = people(2, 12, 80)
    labels = rng.integers(0, 4, len(groups))
    happy = CLASSES.index("happy")
    recall = np.where((labels == happy) & (groups == "g1"), 0.5, 0.85)
    fair = hearing(labels, np.full(len(labels), 0.85), rng)
    biased = hearing(labels, recall, rng)
    draws = Resampling(groups, speakers)
    found = compare(draws, labels, {"before": biased, "after": fair}, CLASSES)
    gap = found.arms["before"]["recall"]["happy"]
    assert (gap.highest, gap.lowest) == ("g0", "g1")
    assert gap.interval[0] > 0.2
    assert gap.interval[0] <= 0.35 <= gap.interval[1]
    # Who is not heard as happy is heard as something else: parity has a gap as well.
    assert found.arms["before"]["parity"]["happy"].interval[0] > 0
    for emotion in ("angry", "neutral", "sad"):
        assert found.arms["before"]["recall"][emotion].interval[0] == 0
    assert all(gap.interval[0] == 0 for gap in found.arms["after"]["recall"].values())
    change = found.change["recall"]["happy"]
    assert change.interval[1] < -0.15
    assert change.value == pytest.approx(-0.35, abs=0.12)
    assert found.change["recall"]["sad"].interval[1] > -0.05


@pytest.mark.parametrize(("groups", "speakers"), [(2, 6), (4, 10)])
def test_without_a_gap_the_interval_begins_at_zero(groups: int, speakers: int) -> None:
    """Speakers differ, groups do not: a gap is claimed in about 5 % of such corpora at most."""
    rng = np.random.default_rng(1)
    group, speaker = people(groups, speakers, 24)
    who = np.unique(speaker, return_inverse=True)[1]
    claimed = []
    for seed in range(60):
        labels = rng.integers(0, 4, len(group))
        recall = np.clip(rng.normal(0.7, 0.1, who.max() + 1), 0, 1)[who]
        heard = hearing(labels, recall, rng)
        draws = Resampling(group, speaker, draws=400, seed=seed)
        found = compare(draws, labels, {"before": heard, "after": heard}, CLASSES)
        claimed += [gap.interval[0] > 0 for gap in found.arms["after"]["recall"].values()]
    assert np.mean(claimed) < 0.1


def test_whom_the_selection_leaves_out() -> None:
    rng = np.random.default_rng(2)
    groups, speakers = people(2, 10, 60)
    draws = Resampling(groups, speakers)
    gap = keep_gap(draws, rng.random(len(groups)) < np.where(groups == "g0", 0.7, 0.4))
    assert (gap.highest, gap.lowest) == ("g0", "g1")
    assert gap.interval[0] > 0.15
    assert keep_gap(draws, rng.random(len(groups)) < 0.5).interval[0] == 0


def test_an_emotion_that_one_group_does_not_have_has_no_gap() -> None:
    groups, speakers = people(2, 4, 10)
    labels = np.where(groups == "g0", 0, 1)
    found = compare(
        Resampling(groups, speakers), labels, {"before": labels, "after": labels}, CLASSES
    )
    gap = found.arms["before"]["recall"]["angry"]
    assert (gap.value, gap.interval, gap.highest) == (0, (0, 1), "")
    assert gap.rates == {"g0": 1.0}
    assert found.arms["before"]["parity"]["angry"].value == 1  # a perfect judge: the mix differs


# --- heads before and after -----------------------------------------------------------------------


def pool(
    rng: np.random.Generator,
    speakers: np.ndarray,
    shift: np.ndarray,
    ids: str,
    parents: np.ndarray | None = None,
) -> Pool:
    """Clips whose emotion shows in the embedding, at another place where `shift` [n] is 1."""
    count = len(speakers)
    emotions = np.arange(count) % 4
    centres = np.eye(4) * 3
    embedding = centres[(emotions + shift) % 4] * np.where(shift, -1, 1)[:, None]
    embedding = np.hstack([embedding, shift[:, None] * 3.0]) + rng.normal(0, 0.6, (count, 5))
    empty = np.array([""] * count)
    return Pool(
        [f"{ids}{i:04}" for i in range(count)],
        emotions,
        np.eye(4, dtype=np.float32)[emotions],
        np.full((count, 4), 0.25, np.float32),
        np.full((1, count, 4), 0.25, np.float32),
        embedding[:, None].astype(np.float32),
        empty if parents is None else np.array(["signal"] * count),
        np.array(["c"] * count),
        speakers,
        np.array(["train"] * count),
        empty if parents is None else parents,
    )


def test_what_is_kept_can_close_a_gap() -> None:
    rng = np.random.default_rng(4)
    groups, speakers = people(2, 6, 40)
    other = (groups == "g1").astype(int)
    # Of group g1 only one speaker is recorded for learning, with few clips of one emotion.
    real = pool(rng, speakers, other, "r")
    tested = np.isin(speakers, ["s003", "s004", "s005", "s009", "s010", "s011"])
    present = tested | (groups == "g0") | ((speakers == "s006") & (real.emotions == 0))
    real, groups, tested = real.take(present), groups[present], tested[present]
    made = pool(
        rng,
        np.array(["s007"] * 200),
        np.ones(200, int),
        "m",
        np.array([real.ids[0]] * 200),
    )
    before, after = before_and_after(real, made, BASIC4, [tested])
    assert (before[~tested] == -1).all()
    rows = np.flatnonzero(tested)
    draws = Resampling(groups[rows], real.speakers[rows])
    heard = {"before": before[rows], "after": after[rows]}
    found = compare(draws, real.emotions[rows], heard, CLASSES)
    assert found.arms["before"]["recall"]["sad"].interval[0] > 0.2
    assert found.arms["after"]["recall"]["sad"].value < 0.15
    assert found.change["recall"]["sad"].interval[1] < 0


@pytest.mark.parametrize("made_from_them", [True, False])
def test_heads_meet_nothing_of_the_people_they_are_tested_on(made_from_them: bool) -> None:
    """Neither candidates made from tested recordings nor those that speak with a tested voice."""
    rng = np.random.default_rng(5)
    _, speakers = people(1, 6, 40)
    real = pool(rng, speakers, np.zeros(240, int), "r")
    tested = np.isin(speakers, ["s004", "s005"])
    parent = real.ids[int(np.flatnonzero(tested)[0])] if made_from_them else real.ids[0]
    voice = "s000" if made_from_them else "s005"
    poison = pool(rng, np.array([voice] * 80), np.zeros(80, int), "m", np.array([parent] * 80))
    poison = Pool(
        poison.ids,
        (poison.emotions + 1) % 4,
        np.roll(poison.targets, 1, 1),
        *(getattr(poison, name) for name in (
            "probabilities", "members", "embeddings", "generators", "corpora", "speakers", "splits",
            "parents",
        )),
    )  # fmt: skip
    before, after = before_and_after(real, poison, BASIC4, [tested])
    np.testing.assert_array_equal(before, after)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(2, 5), st.integers(0, 9))
def test_folds_share_speakers_evenly(first: int, second: int, folds: int, seed: int) -> None:
    speakers = np.repeat([f"s{i}" for i in range(first + second)], 3)
    groups = np.repeat(["a"] * first + ["b"] * second, 3)
    masks = group_folds(speakers, groups, folds, seed)
    np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    for name in ("a", "b"):
        counts = [len(set(speakers[mask & (groups == name)])) for mask in masks]
        assert max(counts) - min(counts) <= 1
    for mask in masks:
        assert not set(speakers[mask]) & set(speakers[~mask])
