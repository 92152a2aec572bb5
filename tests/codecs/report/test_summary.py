"""What the report says in words is what the numbers bear, and no more."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from observations import RATES, conditions, observed

from emoforge.codecs.report.observed import Observed
from emoforge.codecs.report.summary import ALPHA, Row, Summary, ordered, summarise

FEW = {name: RATES[name] for name in ("codec2", "opus", "mulaw")}


@cache
def world() -> Observed:
    return observed(rates=FEW, notes=("No dimensions: the judge has none.",))


@cache
def summary() -> Summary:
    return summarise(world())


def changed(losing: dict[str, float], *, emotion: str | None = None, seed: int = 0) -> Summary:
    """Conditions hear as the original does, but for answers that some of them lose by chance."""
    rng = np.random.default_rng(seed)
    base = observed(rates=FEW, corpora=["emodb"], views=["frozen"])
    heard = np.repeat(base.heard["frozen"][:1], len(base.conditions), axis=0)
    own = np.ones(len(base.ids), bool)
    if emotion:
        own = base.emotions == base.scheme.index(emotion)
    for i, condition in enumerate(base.conditions):
        lost = own & (heard[i] == base.emotions) & (
            rng.random(len(own)) < losing.get(condition.name, 0.0)
        )  # fmt: skip
        heard[i, lost] = (base.emotions[lost] + 1) % len(base.scheme.classes)
    return summarise(replace(base, heard={"frozen": heard}, measured={}))


def words(made: Summary) -> str:
    return " ".join(made.groups[0].sentences["frozen"])


def test_groups_are_all_clips_and_each_corpus_and_languages_only_if_they_differ() -> None:
    assert [(one.kind, one.name) for one in summary().groups] == [
        ("all", "all"), ("corpus", "emodb"), ("corpus", "nemo"), ("corpus", "ravdess"),
    ]  # fmt: skip
    assert summary().groups[1].emotions == [
        "angry", "disgusted", "fearful", "happy", "neutral", "sad",
    ]  # fmt: skip
    few = observed(rates={"mulaw": (64,)}, corpora=["emodb", "nemo"], clips=12)
    mixed = replace(few, languages=["de" if i % 2 else "en" for i in range(len(few.ids))])
    assert [one.name for one in summarise(mixed).groups] == ["all", "emodb", "nemo", "de", "en"]
    alone = observed(rates={"mulaw": (64,)}, corpora=["emodb"], clips=12)
    assert [one.name for one in summarise(alone).groups] == ["all"]


def test_rows_are_the_numbers_of_the_clips() -> None:
    made, given = summary(), world()
    emodb = made.groups[1]
    own = np.array(given.corpora) == "emodb"
    place = [one.name for one in given.conditions].index("opus@6")
    emotion = given.scheme.index("sad")
    sad = own & (given.emotions == emotion)
    row = made.row(emodb, "opus@6", "recall", "frozen", "sad")
    assert row is not None
    assert row.value == pytest.approx((given.heard["frozen"][place, sad] == emotion).mean())
    assert row.original == pytest.approx((given.heard["frozen"][0, sad] == emotion).mean())
    assert (row.clips, row.speakers) == (sad.sum(), 10)
    assert (row.codec, row.nominal_kbps) == ("opus", 6)
    # Of the group's own clips.
    assert row.kbps == pytest.approx(float(np.median(given.kbps[place, own])))
    measure = made.row(emodb, "opus@6", "dnsmos")
    assert measure is not None
    assert measure.value == pytest.approx(given.measured["dnsmos"][place, own].mean(), rel=1e-4)
    assert measure.difference is not None
    # An error is 0 for the original: there is nothing to compare.
    error = made.row(emodb, "opus@6", "mel")
    assert error is not None
    assert error.value_low is not None
    assert error.difference is error.p_adjusted is None
    # What a condition or a group does not have, has no row.
    assert made.row(emodb, "random label", "dnsmos") is None
    assert made.row(emodb, "opus@6", "recall", "frozen", "calm") is None


def test_the_ranking_has_anchors_and_begins_with_the_largest_loss() -> None:
    ranked = summary().ranking(summary().groups[0], "frozen")
    assert ranked[0].condition == "random label"
    assert ranked[1].condition == "codec2@0.7"
    assert {row.condition for row in ranked} == {one.name for one in conditions(FEW)}
    differences = [row.difference for row in ranked]
    assert differences == sorted(differences, key=lambda value: value or 0.0)


def test_conditions_stand_in_order() -> None:
    names = [one.name for one in ordered(conditions(FEW)[::-1])]
    assert names[:3] == ["original", "codec2@0.7", "codec2@1.2"]
    assert names[-2:] == ["random label", "low-pass 3.5 kHz"]  # as they were given
    assert names.index("opus@8") < names.index("opus@12")


def test_of_every_codec_the_emotions_that_lose_most_at_its_lowest_rate() -> None:
    hit = summary().hit_hardest(summary().groups[0], "frozen")
    assert list(hit) == ["codec2", "mulaw", "opus"]
    assert {row.condition for row in hit["codec2"]} == {"codec2@0.7"}
    assert {row.emotion for row in hit["codec2"][:3]} <= {"fearful", "sad", "disgusted"}
    assert hit["codec2"][-1].emotion == "neutral"


def test_a_loss_is_said_where_it_is_shown_and_nowhere_else() -> None:
    made = changed({"opus@6": 0.4, "random label": 0.9})
    text = words(made)
    assert "A loss of UAR is shown for 1 of 13 codec conditions: for opus@6 (−" in text
    assert "No difference of UAR is shown for 12 of 13 codec conditions" in text
    assert "The anchors, for scale: random label −" in text
    assert "gain" not in text
    shown = {row.condition for row in made.rows if row.shown}
    assert shown == {"opus@6", "random label"}


def test_where_nothing_is_shown_it_is_not_said_that_there_is_nothing() -> None:
    text = words(changed({"opus@6": 0.01}))
    assert "No difference of UAR is shown for any codec" in text
    assert "leave room for losses of up to" in text
    assert "no difference" not in text
    assert "Not even for the anchors is a loss shown" in text
    assert "That one emotion loses more than the others is not shown" in text


def test_an_emotion_that_codecs_take_away_is_named() -> None:
    codecs = {one.name: 0.3 for one in conditions(FEW) if one.kind == "codec"}
    made = changed(codecs, emotion="sad")
    first = made.groups[0].losses["frozen"][0]
    assert first.emotion == "sad"
    assert first.shown < 0
    assert first.difference < -0.15
    assert re.search(r"sad \(−\d+\.\d\) is shown to lose more than the other", words(made))
    assert "a loss of recall is shown for 13 of 78 pairs" in words(made)


def test_a_gain_is_said_too() -> None:
    base = observed(rates=FEW, corpora=["emodb"], views=["frozen"])
    heard = np.repeat(base.heard["frozen"][:1], len(base.conditions), axis=0)
    better = np.random.default_rng(0).random(len(base.ids)) < 0.5
    heard[1, better] = base.emotions[better]
    made = summarise(replace(base, heard={"frozen": heard}, measured={}))
    assert "A gain of UAR is shown for 1 of 13 codec conditions: codec2@0.7 (+" in words(made)


def test_a_star_needs_the_corrected_test_and_an_interval_without_0() -> None:
    row = next(row for row in summary().rows if row.shown < 0)
    assert row.p_adjusted is not None
    assert row.p_adjusted <= ALPHA
    assert replace(row, p_adjusted=0.06).shown == 0
    assert replace(row, high=0.01).shown == 0
    assert replace(row, low=0.1, high=0.2).shown == 1
    assert replace(row, low=None, high=None).shown == 0
    for one in summary().rows:
        assert one.shown == 0 or (one.low or 0) * (one.high or 0) > 0


def test_one_speaker_gives_numbers_and_says_why_there_is_no_more() -> None:
    made = summarise(observed(rates=FEW, corpora=["emodb"], speakers=1))
    group = made.groups[0]
    assert "one speaker" in group.notes[0]
    row = made.row(group, "opus@6", "uar", "frozen")
    assert row is not None
    assert row.difference is not None
    assert row.low is row.p is row.p_adjusted is None
    assert len(group.sentences["frozen"]) == 1
    assert "UAR" in group.sentences["frozen"][0]


def test_one_emotion_gives_recall_and_says_why_there_is_no_more() -> None:
    made = summarise(observed(rates=FEW, corpora=["emodb"], emotions=["sad"], views=["frozen"]))
    group = made.groups[0]
    assert any("one emotion, sad" in note for note in group.notes)
    assert made.ranking(group, "frozen") == []
    row = made.row(group, "codec2@0.7", "recall", "frozen", "sad")
    assert row is not None
    assert row.shown < 0
    assert not any("UAR" in text for text in group.sentences["frozen"])


def test_few_speakers_are_told_what_they_cannot_show() -> None:
    made = summarise(observed(rates=FEW, corpora=["emodb"], speakers=5, views=["frozen"]))
    assert "5 speakers cannot give a p below 0.062" in made.groups[0].notes[0]
    assert not any(row.shown for row in made.rows)
    ten = summarise(observed(rates={"mulaw": (64,)}, corpora=["emodb"], views=["frozen"]))
    assert ten.groups[0].notes == ["The smallest p that 10 speakers can give here is 0.002."]


def test_without_codecs_or_views_there_is_still_a_summary() -> None:
    anchors = summarise(observed(rates={}, corpora=["emodb"]))
    assert anchors.groups[0].losses["frozen"] == []
    deaf = summarise(observed(rates=FEW, corpora=["emodb"], views=[]))
    assert deaf.views == []
    assert {row.number for row in deaf.rows} == set(world().measured)
    assert all(isinstance(row, Row) and row.view == "" for row in deaf.rows)


def test_notes_are_handed_on() -> None:
    assert summary().notes == ["No dimensions: the judge has none."]
