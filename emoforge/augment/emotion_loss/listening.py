"""Clips to listen to: the original and what each codec made of it."""

import base64
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import numpy as np

from emoforge.audio import Audio, encode_flac
from emoforge.augment.emotion_loss.job import Way, guarded
from emoforge.clip import Clip
from emoforge.codecs.report import Listened, Observed, Sound
from emoforge.errors import AudioError

LONGEST_S = 4.0
"""Longer clips are cut, so that the page stays small."""
_MOST_SOUNDS = 250
"""Of 50 kB or so each."""


def sounds_to_hear(
    observed: Observed,
    clips: Sequence[Clip],
    ways: Mapping[str, Way],
    failed: Collection[tuple[str, str]],
    count: int,
) -> list[Listened]:
    """Some clips under all conditions, as FLAC: nothing is lost on the way to the listener.

    ways: condition's key → what is done, of the first conditions of `observed`, in their order.
    failed: (condition's key, clip's digest) of what is not to be tried again.
    """
    count = min(count, max(1, _MOST_SOUNDS // len(ways)))
    originals = {}
    for i in chosen(observed, [clip.duration for clip in clips], count):
        with suppress(AudioError):
            originals[i] = clips[i].read()
    view = next(iter(observed.heard), None)
    classes = observed.scheme.classes
    sounds: dict[int, list[Sound]] = {i: [] for i in originals}
    # One codec after the other, for networks are not all held at a time.
    for row, (key, way) in enumerate(ways.items()):
        way.setup()
        for i, original in originals.items():
            if (key, clips[i].digest) in failed:
                continue
            with suppress(AudioError):
                coded = guarded(way.roundtrip, original)
                heard = int(observed.heard[view][row, i]) if view else -1
                name = observed.conditions[row].name
                told = classes[heard] if heard >= 0 else None
                sounds[i].append(Sound(name, _uri(coded.audio), told))
    return [
        Listened(
            clips[i].id,
            clips[i].corpus,
            clips[i].speaker,
            classes[observed.emotions[i]],
            clips[i].text,
            clips[i].language,
            own,
        )
        for i, own in sounds.items()
    ]


def chosen(observed: Observed, durations: Sequence[float], count: int) -> list[int]:
    """Places of clips, each of an emotion, a corpus and a speaker that were chosen least so far.

    Among equals that of the duration nearest to the median. The same for the same clips.
    """
    middle = float(np.median(durations))
    used: dict[tuple[str, str], int] = {}
    left = set(range(len(durations)))
    found: list[int] = []
    while left and len(found) < count:
        best = min(
            left,
            key=lambda i: (
                [used.get(key, 0) for key in _keys(observed, i)],
                abs(durations[i] - middle),
                i,
            ),
        )
        left.remove(best)
        found.append(best)
        for key in _keys(observed, best):
            used[key] = used.get(key, 0) + 1
    return found


def _keys(observed: Observed, i: int) -> Sequence[tuple[str, str]]:
    return (
        ("emotion", str(observed.emotions[i])),
        ("corpus", observed.corpora[i]),
        ("speaker", observed.speakers[i]),
    )


def _uri(audio: Audio) -> str:
    head = Audio(audio.samples[: round(LONGEST_S * audio.rate)], audio.rate)
    return "data:audio/flac;base64," + base64.b64encode(encode_flac(head)).decode("ascii")
