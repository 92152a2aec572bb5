"""Who can be heard in a corpus, the clearest clips first."""

from hypothesis import given
from hypothesis import strategies as st

from emoforge.cast import Cast
from emoforge.clip import Clip, Split
from emoforge.label import BASIC4, Label


def clip(
    name: str, speaker: str = "s", emotion: str = "happy", seconds: float = 2.0,
    split: Split = "train", consent: str | None = None,
) -> Clip:  # fmt: skip
    return Clip(
        id=name, path=name, duration=seconds, rate=16000, label=Label.of(emotion, BASIC4),
        speaker=speaker, corpus="c", split=split, consent=consent,
        gender="female" if speaker < "n" else "male",
    )  # fmt: skip


def test_the_clearest_come_first_and_those_not_judged_last() -> None:
    clips = [clip(name) for name in "abcd"]
    cast = Cast.of(clips, {"c": 0.9, "a": 0.2, "d": 0.9})
    assert [one.id for one in cast.clips("s")] == ["c", "d", "a", "b"]


@given(
    st.permutations([clip(name, speaker) for name, speaker in zip("abcdef", "xyxyxy", strict=True)])
)
def test_the_order_given_does_not_matter(clips: list[Clip]) -> None:
    assert Cast.of(clips) == Cast.of(sorted(clips, key=lambda one: one.id))


def test_what_is_asked_for() -> None:
    cast = Cast.of([
        clip("a"), clip("b", emotion="sad"), clip("c", seconds=0.3), clip("d", split="test"),
        clip("e", speaker="z", split="test"), clip("f", speaker="y", consent="NO "),
    ])  # fmt: skip
    assert cast.speakers() == ["s", "z"]
    assert cast.speakers("train") == ["s"]
    assert cast.speakers("test") == ["s", "z"]
    found = cast.clips("s", "happy", split="train", without=["a"])
    assert [one.id for one in found] == ["c"]
    assert [one.id for one in cast.clips("s", "happy", shortest=1.0)] == ["a", "d"]
    assert cast.clips("nobody") == []


def test_consent_in_the_words_of_a_corpus() -> None:
    said = {
        word: clip("a", consent=word).consents for word in ("Yes", " granted", "NO", "withdrawn")
    }
    assert said == {"Yes": True, " granted": True, "NO": False, "withdrawn": False}
    assert clip("a", consent="form 12").consents is None
    assert clip("a").consents is None
