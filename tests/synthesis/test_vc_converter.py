"""What all voice converters share: whose voice a clip gets, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.audio import Audio, level_db
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Params, create, rng_for
from emoforge.errors import ConfigError, SkipClip
from emoforge.label import BASIC4, Label
from emoforge.synthesis.vc import Converter


@dataclass(frozen=True)
class Muffled(Converter):
    """Another rate, level and length, as networks have them."""

    name: ClassVar[str] = "muffled"
    version: ClassVar[int] = 1

    def convert(self, source: Audio, references: Sequence[Clip], params: Params) -> Audio:
        heard = source.resampled(12000)
        return Audio(heard.samples[:-100] * np.float32(0.01), 12000)


def recording(number: int, speaker: str, emotion: str = "neutral", **fields: object) -> Clip:
    clip = Clip(
        id=f"{speaker}-{number}",
        path="unread.flac",
        duration=2.0,
        rate=16000,
        label=Label.of(emotion, BASIC4),
        speaker=speaker,
        corpus="c",
        gender="female" if speaker < "d" else "male",
        split="train",
    )
    return replace(clip, **fields)  # type: ignore[arg-type]


EMOTIONS = BASIC4.classes
RECORDINGS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"), st.sampled_from(EMOTIONS), st.sampled_from(["train", "test"])
    ),
    min_size=1,
    max_size=30,
)


@given(RECORDINGS, st.sampled_from(["any", "same", "other"]), st.integers(1, 5), st.integers(0, 9))
def test_the_target_is_one_other_speaker_of_the_split(
    rows: list[tuple[str, str, str]], gender: str, shown: int, seed: int
) -> None:
    splits = {speaker: split for speaker, _, split in rows}
    clips = [recording(i, s, e, split=splits[s]) for i, (s, e, _) in enumerate(rows)]
    clip = clips[0]
    converter = Muffled(gender=gender, shown=shown)  # type: ignore[arg-type]
    possible = {
        one.speaker
        for one in clips
        if one.speaker != clip.speaker
        and one.split == clip.split
        and (gender == "any" or (one.gender == clip.gender) == (gender == "same"))
    }
    if not possible:
        with pytest.raises(SkipClip, match="no other speaker"):
            converter.references(clip, Cast.of(clips), rng_for(seed))
        return
    found = converter.references(clip, Cast.of(clips), rng_for(seed))
    assert found == converter.references(clip, Cast.of(clips), rng_for(seed))
    (target,) = {one.speaker for one in found}
    assert target in possible
    own = [one for one in clips if one.speaker == target]
    assert len(found) == min(shown, len(own))
    alike = [one.emotion == clip.emotion for one in found]
    assert alike == sorted(alike, reverse=True)
    assert sum(alike) == min(shown, sum(one.emotion == clip.emotion for one in own))


def test_every_target_is_drawn_some_time() -> None:
    cast = Cast.of([recording(0, speaker) for speaker in "abcdef"])
    clip = recording(1, "a")
    drawn = {Muffled().references(clip, cast, rng_for(i))[0].speaker for i in range(60)}
    assert drawn == set("bcdef")
    named = Muffled(targets=("c", "f"))
    assert {named.references(clip, cast, rng_for(i))[0].speaker for i in range(20)} == {"c", "f"}


def test_who_refused_to_be_cloned_is_no_target() -> None:
    cast = Cast.of([recording(0, "a"), recording(1, "b", consent="no")])
    with pytest.raises(SkipClip, match="no other speaker"):
        Muffled().references(recording(2, "a"), cast, rng_for(1))


def test_a_gender_is_asked_of_a_speaker_without_one() -> None:
    with pytest.raises(SkipClip, match="gender is not known"):
        Muffled(gender="same").references(
            recording(0, "a", gender=None), Cast.of([recording(1, "b")]), rng_for(1)
        )


def shown_clip(*references: Clip, **fields: object) -> Clip:
    return recording(9, "a", "angry", references=references, **fields)


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (shown_clip(), "has no references"),
        (shown_clip(recording(1, "b"), recording(2, "c")), "several speakers: b, c"),
        (shown_clip(recording(1, "a")), "its own speaker"),
        (shown_clip(recording(1, "b", duration=0.3)), "0.30 s long in total"),
        (shown_clip(recording(1, "b"), duration=0.1), "0.10 s long"),
        (shown_clip(recording(1, "b"), duration=61.0), "61.00 s long"),
        (shown_clip(recording(1, "b"), path=""), "text without audio"),
    ],
)
def test_what_cannot_be_converted_is_declined(clip: Clip, reason: str) -> None:
    with pytest.raises(SkipClip, match=reason):
        Muffled().plan(clip, rng_for(1))


def test_short_references_count_together() -> None:
    short = [recording(i, "b", duration=0.6) for i in range(2)]
    assert Muffled().plan(shown_clip(*short), rng_for(1))["target"] == "b"


def test_the_promise_is_the_sources_words_and_emotion_in_the_targets_voice() -> None:
    clip = shown_clip(recording(1, "e"), text="Hello.", language="en")
    promise = Muffled().promise(clip, Muffled().plan(clip, rng_for(1)))
    assert (promise.label, promise.text, promise.language) == (clip.label, "Hello.", "en")
    assert promise.duration == clip.duration
    assert (promise.speaker, promise.gender) == ("e", "male")


def test_rate_length_and_level_are_the_sources(short_clips: list[Clip]) -> None:
    source, voice = short_clips[0], replace(short_clips[1], split=None)
    clip = replace(source, references=(voice,))
    outcome = Muffled().apply_batch([clip], [Muffled().plan(clip, rng_for(1))])[0]
    assert outcome.audio is not None
    original = clip.read()
    assert outcome.audio.rate == original.rate
    assert len(outcome.audio.samples) == len(original.samples)
    assert abs(level_db(outcome.audio.samples) - level_db(original.samples)) < 0.3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gender": "female"}, "gender"),
        ({"shown": 0}, "shown must be ≥ 1"),
        ({"spread": [0.5, 2]}, "spread is a range"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        create("generator", "world_vc", options)
