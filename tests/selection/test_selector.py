"""Selecting: what is kept, in which order, how many, and that every candidate has its reason."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.errors import ConfigError
from emoforge.label import BASIC4
from emoforge.selection import ScoredCandidate, TopK

EMOTIONS = BASIC4.classes


@st.composite
def candidates(draw: st.DrawFn) -> list[ScoredCandidate]:
    found = []
    for i in range(draw(st.integers(0, 40))):
        weights = [draw(st.integers(1, 100)) for _ in EMOTIONS]
        distribution = tuple(w / sum(weights) for w in weights)
        found.append(ScoredCandidate(f"c{i:02}", draw(st.sampled_from(EMOTIONS)), distribution))
    return found


PRIOR = st.fixed_dictionaries({emotion: st.integers(0, 8) for emotion in EMOTIONS})


@given(candidates(), PRIOR, st.floats(0, 1), st.floats(0.1, 3))
def test_what_is_kept(
    given: list[ScoredCandidate], real: dict[str, int], threshold: float, budget: float
) -> None:
    decisions = TopK(threshold, budget).select(given, BASIC4, real)
    assert [d.candidate for d in decisions] == sorted(c.id for c in given)
    by_id = {c.id: c for c in given}
    kept = Counter(by_id[d.candidate].emotion for d in decisions if d.keep)
    for emotion in EMOTIONS:
        assert kept[emotion] <= round(budget * real[emotion])
    for decision in decisions:
        candidate = by_id[decision.candidate]
        probability = candidate.distribution[EMOTIONS.index(candidate.emotion)]
        assert decision.probability == probability
        assert decision.reason
        assert decision.detail
        if decision.keep:
            assert probability == max(candidate.distribution)
            assert probability >= threshold
    # Whatever was left out for want of room is no more certain than what was kept.
    for emotion in EMOTIONS:
        own = [d for d in decisions if by_id[d.candidate].emotion == emotion]
        surplus = [d.probability for d in own if d.reason == "surplus"]
        chosen = [d.probability for d in own if d.keep]
        if surplus:
            assert len(chosen) == round(budget * real[emotion])
            assert max(surplus) <= min(chosen, default=1)


@given(candidates(), PRIOR, st.randoms(use_true_random=False))
def test_order_does_not_matter(
    given: list[ScoredCandidate], real: dict[str, int], shuffler: object
) -> None:
    shuffled = list(given)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    assert TopK().select(shuffled, BASIC4, real) == TopK().select(given, BASIC4, real)


def test_reasons() -> None:
    given = [
        ScoredCandidate("a", "sad", (0.6, 0.1, 0.1, 0.2)),
        ScoredCandidate("b", "sad", (0.3, 0.2, 0.1, 0.4)),
        ScoredCandidate("c", "sad", (0.1, 0.1, 0.1, 0.7)),
        ScoredCandidate("d", "sad", (0.0, 0.1, 0.1, 0.8)),
    ]
    decisions = TopK(threshold=0.5).select(given, BASIC4, {"sad": 1})
    assert [(d.keep, d.reason) for d in decisions] == [
        (False, "unsupported"),
        (False, "uncertain"),
        (False, "surplus"),
        (True, "supported"),
    ]
    assert decisions[0].detail == "the judge hears angry (0.60), not sad (0.20)"
    assert decisions[1].detail == "sad has 0.40, threshold 0.50"


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"threshold": -0.1}, {"budget": 0}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        TopK(**options)
