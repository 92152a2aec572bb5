"""Clips to listen to: the original and what each codec made of it."""

import base64
from collections.abc import Sequence

import numpy as np

from emoforge.audio import Audio, encode_flac
from emoforge.augment.emotion_loss.job import Way
from emoforge.clip import Clip
from emoforge.codecs.report import Listened, Observed, Sound
from emoforge.errors import EmoforgeError

LONGEST_S = 4.0
"""Longer clips are cut, so that the page stays small."""


def sounds_to_hear(
    observed: Observed, clips: Sequence[Clip], ways: Sequence[Way], count: int
) -> list[Listened]:
    """Some clips under all conditions, as FLAC: nothing is lost on the way to the listener.

    ways: of the first conditions of `observed`, in their order.
    """
    view = next(iter(observed.heard), None)
    classes = observed.scheme.classes
    found = []
    for i in chosen(observed, [clip.duration for clip in clips], count):
        clip = clips[i]
        try:
            original = clip.read()
        except EmoforgeError:
            continue
        sounds = []
        for row, way in enumerate(ways):
            try:
                coded = way.roundtrip(original)
            except EmoforgeError:
                continue
            heard = int(observed.heard[view][row, i]) if view else -1
            name = observed.conditions[row].name
            sounds.append(Sound(name, _uri(coded.audio), classes[heard] if heard >= 0 else None))
        found.append(
            Listened(
                clip.id,
                clip.corpus,
                clip.speaker,
                classes[observed.emotions[i]],
                clip.text,
                clip.language,
                sounds,
            )
        )
    return found


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
