"""Labels: what they hold together, and how they pass from one scheme to another."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.errors import LabelError
from emoforge.label import (
    ALIASES,
    BASIC4,
    FULL,
    MERGES,
    SCHEMES,
    WIDE8,
    Label,
    Scheme,
    canonical,
    scheme,
)

SCHEME = st.sampled_from(list(SCHEMES.values()))
VAD = st.none() | st.tuples(*[st.floats(0, 1)] * 3)
MODALITY = st.sampled_from(["audio", "video", "audiovisual", "text", "intended"])


@st.composite
def votes(draw: st.DrawFn, scheme: Scheme = FULL) -> dict[str, int]:
    return draw(
        st.dictionaries(st.sampled_from(scheme.classes), st.integers(0, 20), min_size=1).filter(
            lambda counts: sum(counts.values()) > 0
        )
    )


@st.composite
def labels(draw: st.DrawFn) -> Label:
    under = draw(SCHEME)
    if draw(st.booleans()):
        made = Label.from_votes(draw(votes(under)), under)
    else:
        size = len(under.classes)
        shares = draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
        total = sum(shares)
        made = (
            Label(under, tuple(share / total for share in shares))
            if total > 0.01
            else Label.of(draw(st.sampled_from(under.classes)), under)
        )
    return replace(made, vad=draw(VAD), modality=draw(MODALITY))


# --- distributions and votes ------------------------------------------------------------------


@given(label=labels())
def test_plain_form_comes_back_through_json(label: Label) -> None:
    assert Label.from_dict(json.loads(json.dumps(label.to_dict()))) == label


@given(counts=votes())
def test_votes_become_their_shares(counts: dict[str, int]) -> None:
    label = Label.from_votes(counts)
    total = sum(counts.values())
    assert label.votes is not None
    assert sum(label.votes) == total
    for emotion in FULL.classes:
        assert label.probability(emotion) == counts.get(emotion, 0) / total
    assert counts[label.hard] == max(counts.values())


@given(emotion=st.sampled_from(FULL.classes))
def test_a_certain_label_is_its_class(emotion: str) -> None:
    label = Label.of(emotion)
    assert (label.hard, label.probability(emotion), label.votes) == (emotion, 1.0, None)


def test_the_first_class_of_the_scheme_wins_a_tie() -> None:
    assert Label.from_votes({"sad": 2, "angry": 2, "happy": 1}).hard == "angry"


@pytest.mark.parametrize("counts", [{}, {"angry": 0}, {"angry": 2, "sad": -1}, {"angry": -1}])
def test_votes_that_say_nothing_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(LabelError, match="at least one vote"):
        Label.from_votes(counts)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"distribution": (0.5, 0.5)}, "has 4 classes, the label gives 2 probabilities"),
        ({"distribution": (0.5, 0.5, 0.5, 0.5)}, "sum to 1"),
        ({"distribution": (1.5, -0.5, 0.0, 0.0)}, "≥ 0"),
        ({"distribution": (math.nan, 0.0, 0.0, 1.0)}, "sum to 1"),
        ({"distribution": (1.0, 0.0, 0.0, math.nan)}, "sum to 1"),
        ({"votes": (1, 2)}, "2 vote counts for 4 classes"),
        ({"vad": (0.5, 1.1, 0.5)}, r"\[0, 1\]"),
        ({"vad": (0.5, math.nan, 0.5)}, r"\[0, 1\]"),
        ({"modality": "smell"}, "unknown modality 'smell'"),
    ],
)
def test_a_label_that_contradicts_itself_is_refused(
    changes: Mapping[str, Any], problem: str
) -> None:
    fine = Label.of("sad", BASIC4)
    with pytest.raises(LabelError, match=problem):
        replace(fine, **changes)


# --- from scheme to scheme --------------------------------------------------------------------


@given(label=labels(), target=SCHEME)
def test_projection_keeps_a_distribution_a_distribution(label: Label, target: Scheme) -> None:
    projected = label.project(target)
    hard = MERGES[target.name].get(label.hard, label.hard)
    if hard not in target.classes:
        assert target == label.scheme or projected is None
        return
    assert projected is not None
    assert projected.scheme == target
    assert sum(projected.distribution) == pytest.approx(1)
    assert (projected.vad, projected.modality) == (label.vad, label.modality)
    assert projected.project(target) == projected
    # The hard class stays, unless a merged pair of classes overtakes it.
    merged = {MERGES[target.name].get(name) for name in label.scheme.classes} - {None}
    assert projected.hard == hard or projected.hard in merged


@given(label=labels(), target=SCHEME)
def test_projection_keeps_the_odds_of_classes_that_are_in_both(
    label: Label, target: Scheme
) -> None:
    projected = label.project(target)
    merged = set(MERGES[target.name].values())
    both = [n for n in target.classes if n in label.scheme.classes and n not in merged]
    if projected is None or not both:
        return
    kept = sum(label.probability(name) for name in both)
    now = sum(projected.probability(name) for name in both)
    for name in both:
        assert projected.probability(name) * kept == pytest.approx(label.probability(name) * now)


@given(counts=votes())
def test_projection_keeps_the_votes_of_classes_that_stay(counts: dict[str, int]) -> None:
    projected = Label.from_votes(counts).project(BASIC4)
    if projected is None:
        return
    expected = {name: counts.get(name, 0) for name in BASIC4.classes}
    expected["happy"] += counts.get("excited", 0)
    assert projected.votes == tuple(expected.values())


def test_excited_is_happy_where_the_scheme_has_no_excited() -> None:
    projected = Label.from_votes({"excited": 2, "sad": 1}).project(BASIC4)
    assert projected is not None
    assert projected.hard == "happy"
    assert projected.probability("happy") == pytest.approx(2 / 3)


def test_what_has_no_counterpart_is_left_out() -> None:
    assert Label.of("bored").project(WIDE8) is None
    assert Label.from_votes({"bored": 3, "sad": 2}).project(BASIC4) is None
    softened = Label.from_votes({"bored": 2, "sad": 3}).project(BASIC4)
    assert softened is not None
    assert softened.probability("sad") == 1.0


# --- names ------------------------------------------------------------------------------------


def test_every_alias_leads_to_a_class_of_the_full_scheme() -> None:
    assert set(ALIASES.values()) == set(FULL.classes)
    assert all(name == name.lower().strip() for name in ALIASES)


def test_merges_lead_into_their_scheme() -> None:
    assert set(MERGES) == set(SCHEMES)
    for target, merges in MERGES.items():
        assert set(merges.values()) <= set(SCHEMES[target].classes)
        assert set(merges).isdisjoint(SCHEMES[target].classes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Anger", "angry"), (" HAP ", "happy"), ("exc", "excited"), ("ps", "surprised")],
)
def test_usual_names_are_understood(name: str, expected: str) -> None:
    assert canonical(name) == expected


def test_a_corpus_own_name_wins() -> None:
    assert canonical("W", {"W": "angry"}) == "angry"
    assert canonical("sur", {"sur": "other"}) == "other"
    assert canonical("anger", {"W": "sad"}) == "angry"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(LabelError, match="unknown emotion 'hapy': did you mean 'happy'"):
        canonical("hapy")
    with pytest.raises(LabelError, match="'angri' is not in scheme full: did you mean 'angry'"):
        canonical("W", {"W": "angri"})
    with pytest.raises(LabelError, match="no label scheme 'wide': did you mean 'wide8'"):
        scheme("wide")
    with pytest.raises(LabelError, match="'calm' is not in scheme basic4"):
        Label.of("calm", BASIC4)
