"""The WORLD voice converter on real voices."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from emoforge.audio import Audio, write_flac
from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.synthesis.prosody import World, analyse, load_profile, synthesise
from emoforge.synthesis.shown import Shown
from emoforge.synthesis.vc.world import Voice, WorldConverter, _target, _warped, formant_factor

Take = Callable[..., list[Clip]]


@pytest.fixture(scope="module")
def take(clips: list[Clip]) -> Take:
    """Clips of a RAVDESS actor (odd numbers are men) in an emotion."""

    def of(actor: int, emotion: str, count: int = 3) -> list[Clip]:
        name = f"ravdess_{actor:02}"
        return [c for c in clips if c.speaker == name and c.emotion == emotion][:count]

    return of


def converter(**options: object) -> WorldConverter:
    return cast(WorldConverter, create("generator", "world_vc", {"spread": [0, 0], **options}))


def convert(clip: Clip, references: list[Clip], **options: object) -> Audio:
    made, clip = converter(**options), replace(clip, references=tuple(references))
    return made.apply(clip, made.plan(clip, rng_for(1, clip.id)))


def semitones(audio: Audio) -> float:
    world = analyse(audio)
    return float(12 * np.log2(np.median(world.f0[world.voiced])))


@pytest.mark.parametrize(("source", "target"), [(1, 2), (4, 3)])
def test_f0_gets_the_targets_level_and_keeps_its_movement(
    take: Take, source: int, target: int
) -> None:
    (clip,), voice = take(source, "angry", 1), take(target, "angry")
    made = convert(clip, voice)
    level = np.mean([semitones(one.read()) for one in voice])
    before, after = analyse(clip.read()), analyse(made)
    assert abs(semitones(made) - level) < 1.5
    assert abs(semitones(clip.read()) - level) > 4
    both = before.voiced & after.voiced
    assert both.sum() > 0.6 * before.voiced.sum()
    assert np.corrcoef(np.log(before.f0[both]), np.log(after.f0[both]))[0, 1] > 0.8


def test_the_spread_of_f0_becomes_the_targets(take: Take) -> None:
    flat, lively = take(1, "neutral", 1), take(2, "angry")
    spreads = []
    for share in (0.0, 1.0):
        world = analyse(convert(flat[0], lively, spread=[share, share]))
        spreads.append(np.ptp(np.percentile(np.log2(world.f0[world.voiced]), (10, 90))))
    assert spreads[1] > 1.2 * spreads[0]


def test_references_of_another_emotion_are_raised_to_the_clips(take: Take) -> None:
    clip = replace(take(1, "angry", 1)[0], references=tuple(take(2, "neutral")))
    shift = load_profile().shift("neutral", "angry")["f0_level"]
    assert converter().plan(clip, rng_for(1))["raised"] == pytest.approx(shift, abs=1e-4)
    same = replace(clip, references=tuple(take(2, "angry")))
    assert converter().plan(same, rng_for(1))["raised"] == 0


@pytest.mark.parametrize("true", [0.88, 1.0, 1.14])
def test_a_known_vocal_tract_is_found(take: Take, true: float) -> None:
    voice = take(5, "neutral")
    target = _target_of(voice)
    # The same speaker's other sentence, with the formants moved the other way.
    world = analyse(take(5, "sad", 1)[0].read())
    rows = _warped(10 * np.log10(world.spectrum[world.voiced]), 1 / true)
    assert formant_factor(rows, 16000, target, 7600.0) == pytest.approx(true, abs=0.045)


def _target_of(voice: list[Clip]) -> Voice:
    return _target(tuple(Shown.of(one) for one in voice), 16000, 7600.0)


def test_a_speaker_encoder_hears_the_target(take: Take) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from resemblyzer import VoiceEncoder
    encoder = VoiceEncoder("cpu", verbose=False)

    def heard(audio: Audio) -> np.ndarray:  # type: ignore[type-arg]
        return np.asarray(encoder.embed_utterance(audio.samples))

    gains = []
    for source, target in ((1, 2), (4, 3), (6, 7)):
        clip, voice = take(source, "happy", 1)[0], take(target, "happy", 4)
        other = heard(voice.pop().read())
        gains.append(heard(convert(clip, voice)) @ other - heard(clip.read()) @ other)
    assert min(gains) > 0.02
    assert np.mean(gains) > 0.07


def test_the_clips_own_voice_is_hardly_changed(take: Take) -> None:
    clip, *voice = take(3, "neutral", 4)
    moved = [replace(one, speaker="another") for one in voice]
    made = analyse(convert(clip, moved))
    world = analyse(clip.read())
    own = analyse(Audio(synthesise(world), 16000))
    far = analyse(convert(clip, take(2, "neutral")))

    def distance(other: World) -> float:
        both = own.voiced & other.voiced
        logs = [10 * np.log10(one.spectrum[both][:, 8:256]) for one in (own, other)]
        return float(np.sqrt(np.mean(np.square(logs[0] - logs[1]))))

    assert distance(made) < 0.75 * distance(far)


def test_references_at_a_telephones_rate_leave_the_upper_band_alone(
    take: Take, tmp_path: Path
) -> None:
    (clip,), voice = take(1, "sad", 1), take(2, "sad", 2)
    narrow = []
    for number, one in enumerate(voice):
        path = tmp_path / f"{number}.flac"
        write_flac(path, one.read(8000))
        narrow.append(replace(one, path=str(path), rate=8000))

    def above(audio: Audio) -> float:
        power = np.square(np.abs(np.fft.rfft(audio.samples)))
        hertz = np.fft.rfftfreq(len(audio.samples), 1 / audio.rate)
        return float(10 * np.log10(power[hertz > 4500].sum() / power.sum()))

    assert above(convert(clip, narrow)) > above(convert(clip, voice)) - 6


def test_what_is_not_voiced_fails_with_a_sentence(take: Take, tmp_path: Path) -> None:
    path = tmp_path / "noise.flac"
    write_flac(path, Audio(np.zeros(32000, np.float32), 16000))
    silent = replace(take(2, "sad", 1)[0], path=str(path), duration=2.0)
    made = converter()
    batch = [
        replace(take(1, "sad", 1)[0], references=(silent,)),
        replace(silent, speaker="mute", references=tuple(take(1, "sad"))),
        replace(take(1, "sad", 1)[0], references=tuple(take(2, "sad"))),
    ]
    outcomes = made.apply_batch(batch, [made.plan(clip, rng_for(1)) for clip in batch])
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "ok"]
    assert "noise.flac has 0 voiced frames" in outcomes[0].detail
    assert "the clip has 0 voiced frames" in outcomes[1].detail
