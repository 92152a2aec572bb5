"""Gates on speech: real clips pass, what speech synthesis gets wrong is found."""

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio, Samples, read
from emoforge.component import Promise, rng_for
from emoforge.errors import ConfigError
from emoforge.label import Label
from emoforge.selection import several_voices
from emoforge.selection.gates import Gate, Given
from emoforge.selection.gates.alignment import Alignment
from emoforge.selection.gates.quality import Dnsmos, Nisqa, Quality
from emoforge.selection.gates.repeats import Repeats
from emoforge.selection.gates.speech import Pace, Speech
from emoforge.selection.gates.text import speech_seconds
from emoforge.selection.gates.voice import Voice

RATE = 16000


@dataclasses.dataclass(frozen=True)
class Spoken:
    audio: Audio
    text: str
    language: str
    speaker: str
    emotion: str
    sentence: str


@pytest.fixture(scope="module")
def corpora(shared: Path) -> Callable[..., list[Spoken]]:
    """Clips of a corpus, those that fit all the columns given."""
    with (shared / "corpora" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def clips(corpus: str, **wanted: str) -> list[Spoken]:
        return [
            Spoken(
                read(shared / "corpora" / row["path"]), row["text"], row["lang"],
                row["speaker"], row["emotion"], row["sentence_id"],
            )
            for row in rows
            if row["corpus"] == corpus and all(row[key] == value for key, value in wanted.items())
        ]  # fmt: skip

    return clips


@pytest.fixture(scope="module")
def english(corpora: Callable[..., list[Spoken]]) -> list[Spoken]:
    """Two actors, eight emotions, both sentences."""
    return [
        clip
        for speaker in ("ravdess_02", "ravdess_09")
        for clip in corpora("ravdess", speaker=speaker, take="01", intensity="normal")
    ]


@pytest.fixture(scope="module")
def others(corpora: Callable[..., list[Spoken]]) -> list[Spoken]:
    """German and Polish."""
    return [
        *corpora("emodb", speaker="emodb_08", emotion="anger")[:6],
        *corpora("nemo", emotion="fear")[::40],
    ]


def given(text: str | None, language: str | None = "en", *references: Audio) -> Given:
    return Given(Promise(Label.of("neutral"), "s", 10.0, text, language), None, references)


def rejected(gate: Gate, samples: Samples, text: str | None, language: str | None = "en") -> bool:
    value = gate.measure(Audio(np.ascontiguousarray(samples), RATE), given(text, language))
    assert value is not None
    return gate.reject(value) is not None


def speech_of(audio: Audio) -> Samples:
    """From the first to the last sound within 25 dB of the loudest."""
    power = np.convolve(np.square(audio.samples), np.ones(800) / 800, "same")
    loud = np.flatnonzero(power > power.max() * 10**-2.5)
    return audio.samples[loud[0] : loud[-1]]


@pytest.mark.parametrize("gate", [Speech(), Pace(), Repeats(), Alignment()], ids=lambda g: g.name)
def test_real_clips_pass(gate: Gate, english: list[Spoken], others: list[Spoken]) -> None:
    """But for one in a hundred, as the gates say."""
    clips = [*english, *others]
    passed = []
    for clip in clips:
        value = gate.measure(clip.audio, given(clip.text, clip.language))
        assert (value is None) == (gate.name == "alignment" and clip.language[:2] != "en")
        passed.append(value is None or gate.reject(value) is None)
    assert passed.count(False) <= 1


# --- speech and pace ----------------------------------------------------------------------------

TIME = np.arange(2 * RATE) / RATE
NOISE = rng_for("noise").normal(0, 0.1, 2 * RATE)
NO_SPEECH = {
    "silence": 0 * TIME,
    "white noise": NOISE,
    "brown noise": np.cumsum(NOISE) * 0.01,
    "bursts of noise": NOISE * (np.sin(2 * np.pi * 3 * TIME) > 0),
    "hum": sum(np.sin(2 * np.pi * 50 * k * TIME) / k for k in (1, 2, 3, 5)),
    "syllables of a buzz": sum(np.sin(2 * np.pi * 150 * k * TIME) / k for k in range(1, 12))
    * np.square(np.sin(np.pi * TIME / 0.3)),
    "chord": sum(np.sin(2 * np.pi * f * TIME) for f in (261.6, 329.6, 392.0)),
    "melody": np.sin(2 * np.pi * 262 * 2 ** (np.floor(TIME * 4) / 12) * TIME),
    "clicks": (np.arange(2 * RATE) % 4000 == 0) * 1.0,
}


@pytest.mark.parametrize("what", NO_SPEECH)
@pytest.mark.parametrize("peak", [0.5, 0.003])
def test_what_is_no_speech_is_rejected(what: str, peak: float) -> None:
    samples = NO_SPEECH[what] / max(np.abs(NO_SPEECH[what]).max(), 1e-9) * peak
    assert rejected(Speech(), samples.astype(np.float32), None)


def test_a_gain_does_not_change_how_much_is_speech(english: list[Spoken]) -> None:
    clip = english[0].audio
    value = Speech().measure(clip, given(None))
    for gain in (0.01, 0.5):
        quieter = Audio(clip.samples * np.float32(gain), RATE)
        assert Speech().measure(quieter, given(None)) == pytest.approx(value, abs=0.04)


def test_truncation_and_babble_change_the_pace(english: list[Spoken], others: list[Spoken]) -> None:
    clips = [*english, *others]
    half, thrice = [], []
    for clip in clips:
        spoken = speech_of(clip.audio)
        half.append(rejected(Pace(), spoken[: len(spoken) // 2], clip.text, clip.language))
        thrice.append(rejected(Pace(), np.tile(spoken, 3), clip.text, clip.language))
    assert np.mean(half) > 0.85
    assert np.mean(thrice) > 0.95


def test_a_faster_tempo_is_rejected_only_where_it_was_not_planned(
    english: list[Spoken], others: list[Spoken]
) -> None:
    tempo = 1.6
    unplanned, planned, half = [], [], []
    for clip in (*english, *others):
        spoken = speech_of(clip.audio)
        faster = Audio(spoken, round(tempo * RATE))
        cut = Audio(spoken[: len(spoken) // 2], faster.rate)
        wanted = given(clip.text, clip.language)
        usual = speech_seconds(clip.text, clip.language)
        assert usual is not None
        promise = dataclasses.replace(wanted.promise, duration=usual / tempo)
        for audio, what, found in (
            (faster, wanted, unplanned),
            (faster, Given(promise), planned),
            (cut, Given(promise), half),
        ):
            value = Pace().measure(audio, what)
            assert value is not None
            found.append(Pace().reject(value) is not None)
    assert np.mean(unplanned) > 0.3
    assert np.mean(planned) < 0.1
    assert np.mean(half) > 0.8


def test_a_slower_tempo_than_usual_is_not_made_shorter_by_a_promise(english: list[Spoken]) -> None:
    clip = english[0]
    wanted = given(clip.text)
    slow = Audio(np.tile(speech_of(clip.audio), 2), RATE)
    brief = Given(dataclasses.replace(wanted.promise, duration=0.5))
    assert Pace().measure(slow, brief) == Pace().measure(slow, wanted)


@pytest.mark.parametrize("gate", [Pace(), Repeats()], ids=lambda g: g.name)
@pytest.mark.parametrize("beyond", [0.0004, 0.0006, 0.004])
def test_a_sentence_tells_the_value_from_the_limit(gate: Pace | Repeats, beyond: float) -> None:
    sentence = gate.reject(gate.highest + beyond)
    assert (sentence is None) == (beyond < 0.0005)
    if sentence is not None:
        value, limit = f"{gate.highest + beyond:.3f}", f"{gate.highest:.3f}"
        assert value != limit
        assert value in sentence
        assert limit in sentence


@pytest.mark.parametrize("language", ["en", "ja", None])
def test_without_a_text_there_is_no_pace(english: list[Spoken], language: str | None) -> None:
    for text in (None, "", "…"):
        assert Pace().measure(english[0].audio, given(text, language)) is None


# --- alignment ----------------------------------------------------------------------------------


def test_alignment_finds_what_was_cut_off(english: list[Spoken]) -> None:
    found = []
    for clip in english:
        spoken = speech_of(clip.audio)
        found.append(rejected(Alignment(), spoken[: round(0.65 * len(spoken))], clip.text))
    assert np.mean(found) > 0.85


def test_alignment_finds_what_was_added(english: list[Spoken]) -> None:
    found = []
    for clip, other in zip(english, english[::-1], strict=True):
        more = speech_of(other.audio)
        found.append(rejected(Alignment(), np.append(speech_of(clip.audio), more), clip.text))
    assert np.mean(found) > 0.85


def test_alignment_finds_another_text(english: list[Spoken]) -> None:
    texts = {clip.text for clip in english}
    unlike = [
        rejected(Alignment(), clip.audio.samples, "She left her keys on the table.")
        for clip in english
    ]
    assert np.mean(unlike) > 0.9
    alike = [
        rejected(Alignment(), clip.audio.samples, next(iter(texts - {clip.text})))
        for clip in english
    ]
    assert np.mean(alike) > 0.6  # "… are … by the door" is in both


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Kids are talking by the door.", "de"),
        ("Kids are talking by the zorblax.", "en"),
        ("7 kids are talking.", "en-GB"),
        (None, "en"),
        ("…", "en"),
    ],
)
def test_what_cannot_be_aligned_is_not_measured(
    english: list[Spoken], text: str | None, language: str
) -> None:
    assert Alignment().measure(english[0].audio, given(text, language)) is None


def test_alignment_does_not_depend_on_the_clips_before(english: list[Spoken]) -> None:
    first, second = english[:2]
    value = Alignment().measure(first.audio, given(first.text))
    Alignment().measure(second.audio, given(second.text))
    assert Alignment().measure(first.audio, given(first.text)) == value


# --- repeats ------------------------------------------------------------------------------------


def looped(clip: Spoken, seconds: float, times: int) -> Samples:
    """With a stretch of its speech once more, or often: 2 dB quieter, with noise 25 dB below."""
    spoken = speech_of(clip.audio)
    rng = rng_for(clip.text, clip.speaker, clip.emotion)
    length = round(seconds * RATE)
    start = int(rng.integers(0, max(1, len(spoken) - length)))
    stretch = spoken[start : start + length]
    again = [
        0.8 * stretch + rng.normal(0, 0.05 * np.std(stretch), len(stretch)) for _ in range(times)
    ]
    parts = (spoken[: start + length], *again, spoken[start + length :])
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize(("seconds", "times"), [(0.6, 1), (0.22, 3)], ids=["loop", "stutter"])
def test_loops_and_stutters_are_found(
    english: list[Spoken], others: list[Spoken], seconds: float, times: int
) -> None:
    found = [
        rejected(Repeats(), looped(clip, seconds, times), clip.text, clip.language)
        for clip in (*english, *others)
    ]
    assert np.mean(found) > 0.8


def test_a_text_that_says_it_twice_may_be_said_twice(english: list[Spoken]) -> None:
    for clip in english[::4]:
        twice = Audio(np.tile(speech_of(clip.audio), 2), RATE)
        once = Repeats().measure(twice, given(clip.text))
        assert once is not None
        assert once > 0.98
        value = Repeats().measure(twice, given(f"{clip.text} {clip.text}"))
        assert value is None or Repeats().reject(value) is None


# --- voices -------------------------------------------------------------------------------------


def test_the_voice_is_that_of_the_references(english: list[Spoken]) -> None:
    same, other = [], []
    for clip in english[::2]:
        own = [
            one.audio
            for one in english
            if one is not clip and (one.speaker, one.emotion) == (clip.speaker, clip.emotion)
        ]
        theirs = [
            one.audio
            for one in english
            if one.speaker != clip.speaker and one.emotion == clip.emotion
        ]
        for references, values in ((own, same), (theirs, other)):
            value = Voice().measure(clip.audio, given(None, None, *references))
            assert value is not None
            values.append(value)
    assert np.mean(same) > np.mean(other) + 0.15
    assert np.mean([Voice().reject(value) is None for value in same]) > 0.9
    assert np.mean([Voice().reject(value) is not None for value in other]) > 0.5


def test_without_references_there_is_no_voice_to_compare(english: list[Spoken]) -> None:
    clip = english[0].audio
    promise = given(None).promise
    assert Voice().measure(clip, Given(promise, source=clip)) is None
    nothing = Audio(np.zeros(RATE, np.float32), RATE)
    assert Voice().measure(clip, given(None, None, nothing)) is None
    assert Voice().measure(nothing, given(None, None, clip)) is None


def test_ecapa_needs_weights_that_count() -> None:
    assert Voice().key == "voice"
    with pytest.raises(ConfigError, match=r"add gates\.voice\.model="):
        Voice(encoder="ecapa").setup()


def test_two_voices_are_told_from_one(corpora: Callable[..., list[Spoken]]) -> None:
    """A woman and a man of EmoDB, who speak for long enough."""
    woman, man = (
        sorted(corpora("emodb", speaker=name, emotion="neutral"), key=lambda c: -c.audio.duration)[
            :4
        ]
        for name in ("emodb_09", "emodb_15")
    )

    def halves(one: Spoken, other: Spoken) -> Audio:
        return Audio(np.concatenate((speech_of(one.audio), speech_of(other.audio))), RATE)

    two = [several_voices(halves(a, b)) for a, b in zip(woman, man, strict=True)]
    one = [several_voices(halves(c[0], c[i])) for c in (woman, man) for i in (1, 2, 3)]
    assert two.count(True) >= 2
    assert one == [False] * 6
    short = Audio(speech_of(woman[0].audio)[:RATE], RATE)
    assert several_voices(short) is None
    assert several_voices(Audio(np.zeros(5 * RATE, np.float32), RATE)) is None


# --- quality ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Dnsmos, Nisqa], ids=["dnsmos", "nisqa"])
def test_noise_lowers_quality(shared: Path, english: list[Spoken], kind: type[Quality]) -> None:
    gate = kind(model=str(shared / "weights" / kind.name))
    clip = english[0].audio
    loud = clip.samples / np.abs(clip.samples).max() * np.float32(0.5)
    noisy = loud + rng_for("noise").normal(0, 0.1, len(loud)).astype(np.float32)
    clean, worse = (gate.measure(Audio(one, RATE), given(None)) for one in (loud, noisy))
    assert clean is not None
    assert worse is not None
    assert 1 <= worse < clean - 0.5
    assert gate.reject(worse) is not None
    assert gate.key == f"{gate.name}@{gate.weights[:8]}"
