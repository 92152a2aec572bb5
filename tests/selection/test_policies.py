"""Policies: who is supported, who of them is kept, and that every candidate has its reason."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import CLASSES, distributions, material, materials, pool, shuffled

from emoforge.errors import ConfigError
from emoforge.label import BASIC4
from emoforge.selection import (
    Calibrated,
    Choice,
    Conformal,
    Consensus,
    Material,
    Policy,
    Threshold,
    TopK,
)

EMOTIONS = BASIC4.classes
SAD = EMOTIONS.index("sad")

stages = st.fixed_dictionaries(
    {
        "budget": st.floats(0.1, 3),
        "matching": st.booleans(),
        "duplicates": st.none() | st.floats(-1, 1),
        "diversity": st.just(1.0) | st.floats(1, 4),
    }
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy with any options that twenty dev clips of each class calibrate."""
    own: dict[type[Policy], dict[str, st.SearchStrategy[Any]]] = {
        TopK: {"threshold": st.floats(0, 1)},
        Threshold: {
            "default": st.floats(0, 1),
            "thresholds": st.dictionaries(st.sampled_from(EMOTIONS), st.floats(0, 1)),
        },
        Conformal: {"alpha": st.floats(0.05, 0.9), "by_class": st.booleans()},
        Consensus: {"agree": st.none() | st.integers(1, 3)},
        Calibrated: {
            "share": st.floats(0.05, 0.9),
            "thresholds": st.dictionaries(st.just("signal"), st.floats(0, 1)),
        },
    }
    kind = draw(st.sampled_from(list(own)))
    return kind(**draw(st.fixed_dictionaries(own[kind])), **draw(stages))


def carried(given: Material) -> np.ndarray:
    c = given.candidates
    return c.probabilities[np.arange(len(c)), c.emotions]


# --- what holds for every policy --------------------------------------------------------------


@given(materials(dev=20), policies())
def test_what_is_kept(given: Material, policy: Policy) -> None:
    choice = policy.select(given)
    candidates = given.candidates
    support = policy.support(given, "the judge")
    decisions = list(choice.decisions(candidates.ids))
    assert [d.candidate for d in decisions] == list(candidates.ids)
    assert [d.keep for d in decisions] == choice.keep.tolist()
    assert all(d.detail for d in decisions)
    assert [d.reason == "supported" for d in decisions] == choice.keep.tolist()
    # Reasons are those of the policy first; whoever it supports stands for election.
    assert ((support.words != 0) == np.isin(choice.reasons, [1, 2, 3])).all()
    wanted = np.round(policy.budget * given.train.counts(CLASSES))
    for c in range(CLASSES):
        own = candidates.emotions == c
        kept, supported = own & choice.keep, own & (support.words == 0)
        assert kept.sum() <= min(wanted[c], supported.sum())
        assert not (kept & ~supported).any()
        if not policy.matching and policy.duplicates is None:
            assert kept.sum() == min(wanted[c], supported.sum())
        if policy.diversity == 1 and kept.any():
            # Whoever was left out for want of room is no more certain than who was kept.
            surplus = choice.probability[own & (choice.reasons == choice.words.index("surplus"))]
            assert surplus.max(initial=-1) <= choice.probability[kept].min()
    if policy.matching:
        kept_counts = np.bincount(candidates.emotions[choice.keep], minlength=CLASSES)
        shares = kept_counts[wanted > 0] / wanted[wanted > 0]
        if len(shares):
            # The mix is the prior's to less than one clip a class.
            scarcest = shares.max()
            assert (kept_counts[wanted > 0] > scarcest * wanted[wanted > 0] - 1 - 1e-9).all()


@given(materials(dev=20), policies())
def test_the_same_material_gives_the_same_choice(given: Material, policy: Policy) -> None:
    first, again = policy.select(given), policy.select(given, seed=1)
    assert list(first.decisions(given.candidates.ids)) == list(
        again.decisions(given.candidates.ids)
    )


@given(materials(dev=20), policies(), st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_matters_for_ties_only(
    given: Material, policy: Policy, random: Any
) -> None:
    probability = policy.support(given, "the judge").probability
    if len(np.unique(probability)) < len(probability) or policy.diversity > 1:
        return
    order = list(range(len(given.candidates)))
    random.shuffle(order)
    other = shuffled(given, np.array(order, np.int64))
    kept = policy.select(given).keep
    kept_there = policy.select(other).keep
    assert {given.candidates.ids[i] for i in np.flatnonzero(kept)} == {
        other.candidates.ids[i] for i in np.flatnonzero(kept_there)
    }


# --- stages -----------------------------------------------------------------------------------


def certain(emotions: list[int], confidence: list[float]) -> np.ndarray:
    """Distributions with a probability for the carried label and the rest spread evenly."""
    heard = np.array([[(1 - p) / (CLASSES - 1)] * CLASSES for p in confidence])
    heard[np.arange(len(emotions)), emotions] = confidence
    return heard


def reasons(choice: Choice) -> list[str]:
    return [choice.words[place] for place in choice.reasons]


def test_reasons_of_topk() -> None:
    heard = [(0.6, 0.1, 0.1, 0.2), (0.3, 0.2, 0.1, 0.4), (0.1, 0.1, 0.1, 0.7), (0, 0.1, 0.1, 0.8)]
    given = material(pool("c", [SAD] * 4, heard), (0, 0, 0, 1))
    choice = TopK(threshold=0.5).select(given)
    assert reasons(choice) == ["unsupported", "uncertain", "surplus", "supported"]
    assert [choice.sentence(row) for row in range(4)] == [
        "the judge hears angry (0.60), not sad (0.20)",
        "sad has 0.40, threshold 0.50",
        "rank 2 of sad, 1 wanted",
        "rank 1 of sad, 1 wanted",
    ]


def test_a_class_mix_that_must_match_is_limited_by_the_scarcest_class() -> None:
    emotions = [0] * 10 + [1] * 3 + [2] * 10
    candidates = pool("c", emotions, certain(emotions, [0.9] * 23))
    choice = TopK(matching=True).select(material(candidates, (4, 6, 8, 0)))
    assert np.bincount(candidates.emotions[choice.keep], minlength=4).tolist() == [2, 3, 4, 0]
    assert choice.sentence(5) == (
        "rank 6 of angry, 2 wanted (4 but for the class with the fewest supported)"
    )
    nobody = TopK(matching=True).select(material(candidates, (4, 6, 8, 1)))
    assert not nobody.keep.any()


def test_of_near_duplicates_the_more_certain_stays_and_the_next_takes_its_place() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [-1, 0.2], [-1, 1]])[:, None]
    heard = certain([0] * 4, [0.7, 0.9, 0.8, 0.6])
    given = material(pool("c", [0] * 4, heard, vectors), (3, 0, 0, 0))
    assert reasons(TopK().select(given)) == ["supported"] * 3 + ["surplus"]
    choice = TopK(duplicates=0.99).select(given)
    assert reasons(choice) == ["duplicate", "supported", "supported", "supported"]
    assert "c00001, which is more certain" in choice.sentence(0)


def test_diversity_prefers_the_distant_among_the_certain() -> None:
    rng = np.random.default_rng(0)
    places = np.repeat(np.eye(4), 5, axis=0)
    vectors = (places + 0.01 * rng.normal(size=(20, 4)))[:, None]
    confidence = np.linspace(0.95, 0.6, 20)
    given = material(
        pool("c", [0] * 20, certain([0] * 20, list(confidence)), vectors), (4, 0, 0, 0)
    )
    plain, spread = TopK().select(given), TopK(diversity=5).select(given)
    assert np.flatnonzero(plain.keep).tolist() == [0, 1, 2, 3]
    assert spread.keep[0]
    assert sorted(np.flatnonzero(spread.keep) // 5) == [0, 1, 2, 3]
    narrower = TopK(diversity=3).select(given)  # looks at 12 only: three places
    assert set(np.flatnonzero(narrower.keep) // 5) == {0, 1, 2}
    assert Counter(reasons(narrower)) == {"supported": 4, "alike": 8, "surplus": 8}
    assert "differ more from one another" in spread.sentence(1)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (TopK, {"threshold": 1.5}),
        (TopK, {"threshold": -0.1}),
        (TopK, {"budget": 0}),
        (TopK, {"budget": float("nan")}),
        (TopK, {"diversity": 0.5}),
        (TopK, {"duplicates": 1.1}),
        (Threshold, {"default": 2}),
        (Threshold, {"thresholds": {"sad": -1}}),
        (Conformal, {"alpha": 0}),
        (Consensus, {"agree": 0}),
        (Calibrated, {"share": 1}),
        (Calibrated, {"thresholds": {"espeak": 3}}),
    ],
)
def test_options_out_of_range_are_refused(kind: type[Policy], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"selector {kind.name}: "):
        kind(**options)


# --- threshold --------------------------------------------------------------------------------


def test_thresholds_by_class_ask_for_no_majority() -> None:
    heard = [(0.4, 0.35, 0.15, 0.1)] * 2
    given = material(pool("c", [0, 1], heard))
    assert Threshold(0.3).select(given).keep.tolist() == [True, True]
    choice = Threshold(0.3, {"happy": 0.36}).select(given)
    assert choice.keep.tolist() == [True, False]
    assert choice.sentence(1) == "happy has 0.35, threshold 0.36"


def test_a_threshold_for_no_class_of_the_scheme_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'happy'"):
        Threshold(thresholds={"hapy": 0.4}).select(material(pool("c", [0])))


# --- conformal --------------------------------------------------------------------------------


@pytest.mark.parametrize("by_class", [False, True])
def test_prediction_sets_cover_exchangeable_clips(by_class: bool) -> None:
    """Whoever comes from where the dev clips came from is in his set with 1 − alpha or more."""
    alpha, covered, total = 0.2, 0, 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        emotions = rng.integers(0, CLASSES, 120)
        emotions[:CLASSES] = range(CLASSES)
        heard = np.eye(CLASSES)[emotions] * rng.random((120, 1)) + rng.dirichlet(np.ones(4), 120)
        heard /= heard.sum(1, keepdims=True)
        dev = pool("real", emotions[:80], heard[:80])
        given = material(pool("c", emotions[80:], heard[80:]), dev=dev)
        words = Conformal(alpha, by_class).support(given, "the judge").words
        # Covered: the carried label is in the set, alone or not.
        covered += np.count_nonzero(words != 1)
        total += len(words)
    assert 1 - alpha - 0.015 < covered / total < 1 - alpha + (0.06 if by_class else 0.03)


def test_reasons_of_conformal() -> None:
    # Nine in ten dev clips have 0.6 or more for what they are: q = 0.4.
    real = [0, 1, 2, 3] * 5
    dev = pool("real", real, certain(real, [0.6] * 19 + [0.5]))
    heard = [(0.7, 0.1, 0.1, 0.1), (0.55, 0.15, 0.15, 0.15), (0.1, 0.7, 0.1, 0.1)]
    given = material(pool("c", [0] * 3, heard), dev=dev)
    choice = Conformal(0.1).select(given)
    assert reasons(choice) == ["supported", "unsupported", "unsupported"]
    assert choice.sentence(1) == ("with confidence 0.90 the judge hears no emotion; angry has 0.55")
    assert "hears happy; angry has 0.10" in choice.sentence(2)
    unsure = pool("real", real, certain(real, [0.2] * 20))
    both = Conformal(0.1).select(material(pool("c", [0], [(0.45, 0.45, 0.05, 0.05)]), dev=unsure))
    assert reasons(both) == ["ambiguous"]
    assert "hears angry or happy" in both.sentence(0)


def test_too_few_dev_clips_for_an_alpha_are_said() -> None:
    candidates = pool("c", [0])
    dev = pool("real", [0, 1, 2, 3] * 2)
    with pytest.raises(ConfigError, match=r"alpha=0\.1 needs 9 real dev clips .* there are 8"):
        Conformal(0.1).select(material(candidates, dev=dev))
    with pytest.raises(ConfigError, match=r"needs 4 real dev clips of angry .* there are 2"):
        Conformal(0.2, by_class=True).select(material(candidates, dev=dev))
    assert len(Conformal(0.2).select(material(candidates, dev=dev)).keep) == 1
    nine = pool("real", [0, 1, 2] * 3)
    # A class that no real clip has cannot have a level of its own.
    few = material(candidates, (3, 3, 3, 0), dev=nine)
    assert len(Conformal(0.25, by_class=True).select(few).keep) == 1


# --- consensus --------------------------------------------------------------------------------


@given(materials(), st.integers(1, 3))
def test_consensus_is_what_enough_members_hear(given: Material, agree: int) -> None:
    c = given.candidates
    supports = [member.argmax(1) == c.emotions for member in c.members]
    found = Consensus(agree).support(given, "the judge").words == 0
    assert (found == (np.sum(supports, 0) >= agree)).all()
    if agree == 3:
        everybody = np.logical_and.reduce(supports)
        assert (found == everybody).all()
        assert ((Consensus().support(given, "the judge").words == 0) == everybody).all()


def test_consensus_needs_an_ensemble_with_so_many_members() -> None:
    alone = material(pool("c", [0]))
    with pytest.raises(ConfigError, match="the judge is no ensemble"):
        Consensus().select(alone)
    two = material(pool("c", [0], members=np.full((2, 1, 4), 0.25)))
    with pytest.raises(ConfigError, match="agree=3, the ensemble has 2"):
        Consensus(3).select(two)
    assert Consensus(1).select(two).sentence(0) == "rank 1 of angry, 5 wanted"


# --- calibrated -------------------------------------------------------------------------------


def generators_of_two_scales(count: int = 400) -> Material:
    """Two generators, equally good; the judge is sure of one, and of the other hardly ever."""
    rng = np.random.default_rng(2)
    emotions = rng.integers(0, CLASSES, count)
    logits = 1.5 * np.eye(CLASSES)[emotions] + rng.normal(size=(count, CLASSES))
    muffled = np.arange(count) % 2 == 1
    real = rng.integers(0, CLASSES, count)
    real_logits = 1.5 * np.eye(CLASSES)[real] + rng.normal(size=(count, CLASSES))

    def softmax(values: np.ndarray) -> np.ndarray:
        powers = np.exp(values)
        return powers / powers.sum(1, keepdims=True)

    candidates = pool(
        "c",
        emotions,
        softmax(np.where(muffled[:, None], 0.25, 2.0) * logits),
        generators=np.where(muffled, "signal", "espeak"),
    )
    dev = pool("real", real, softmax(real_logits), split="dev")
    return material(candidates, (500,) * CLASSES, dev)


def test_generators_of_other_scales_are_kept_alike_where_one_threshold_takes_one() -> None:
    given = generators_of_two_scales()
    made = given.candidates.generators
    heard = given.candidates.probabilities.argmax(1) == given.candidates.emotions
    fixed, own = TopK(0.5).select(given).keep, Calibrated(0.1).select(given).keep
    share = {
        name: [keep[heard & (made == name)].mean() for keep in (fixed, own)]
        for name in ("espeak", "signal")
    }
    assert share["espeak"][0] - share["signal"][0] > 0.8
    assert abs(share["espeak"][1] - share["signal"][1]) < 0.1
    # As much of what is heard as labelled passes as of the real clips that are heard rightly.
    dev = given.dev
    rightly = dev.probabilities.argmax(1) == dev.emotions
    at = dev.probabilities[np.arange(len(dev)), dev.emotions]
    passed = [
        at[rightly & (dev.emotions == c)] >= np.sort(at[rightly & (dev.emotions == c)])[7]
        for c in range(CLASSES)
    ]
    assert abs(np.mean(own[heard]) - np.mean(np.concatenate(passed))) < 0.05


def test_a_new_real_clip_falls_below_its_class_s_threshold_as_seldom_as_promised() -> None:
    below = total = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p = (0.5 + rng.random(49) / 2).astype(np.float32)
        heard = np.stack([p, 1 - p, 0 * p, 0 * p], 1)
        dev = pool("real", [0] * 39, heard[:39])
        given = material(pool("c", [0] * 10, heard[39:], generators=["espeak"] * 10), dev=dev)
        # Ten candidates are too few for a temperature of their own.
        support = Calibrated(0.1).support(given, "the judge")
        least = np.sort(p[:39])[3]
        assert ((support.words == 2) == (p[39:] < least)).all()
        below += np.count_nonzero(p[39:] < least)
        total += 10
    assert 0.07 < below / total <= 0.115


def test_votes_take_the_place_of_the_calibration() -> None:
    given = generators_of_two_scales()
    raw = carried(given)
    signal = given.candidates.generators == "signal"
    heard = given.candidates.probabilities.argmax(1) == given.candidates.emotions
    policy = Calibrated(thresholds={"signal": 0.3})
    choice = policy.select(given)
    assert (choice.keep[signal] == (heard & (raw >= np.float32(0.3)))[signal]).all()
    assert (choice.keep[~signal] == Calibrated().select(given).keep[~signal]).all()
    row = int(np.flatnonzero(signal & heard & ~choice.keep)[0])
    assert choice.sentence(row).endswith("0.30 is what listeners' votes ask of signal")
    other = int(np.flatnonzero(~signal & heard & ~choice.keep)[0])
    assert "heard rightly 90% have" in choice.sentence(other)
    with pytest.raises(ConfigError, match="did you mean 'signal'"):
        Calibrated(thresholds={"signl": 0.3}).select(given)


def test_a_class_without_enough_dev_clips_is_said() -> None:
    real = [0] * 9 + [1] * 30
    dev = pool("real", real, certain(real, [0.9] * 12 + [0.1] * 27))
    assert len(Calibrated().select(material(pool("c", [0]), dev=dev)).keep) == 1
    with pytest.raises(
        ConfigError,
        match=r"share=0\.1 needs 9 real dev clips of happy that are heard rightly, there are 3",
    ):
        Calibrated().select(material(pool("c", [0, 1]), dev=dev))


@given(distributions(30), st.floats(0.3, 0.95))
def test_a_temperature_changes_certainty_and_never_what_is_heard(
    heard: np.ndarray, target: float
) -> None:
    from emoforge.selection.selectors.policies import _temperature, _tempered

    temperature = _temperature(heard, target)
    tempered = _tempered(heard, temperature)
    assert np.allclose(tempered.sum(1), 1, atol=1e-5)
    top = heard.max(1, keepdims=True)
    unique = np.flatnonzero((heard == top).sum(1) == 1)
    assert (tempered[unique].argmax(1) == heard[unique].argmax(1)).all() or temperature > 15
    if 0.07 < temperature < 15:
        assert abs(tempered.max(1).mean() - target) < 1e-3
