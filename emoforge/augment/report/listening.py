"""Twelve clips to listen to: which ones, and their audio small enough for one HTML file."""

import base64
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import soundfile

from emoforge.audio import Audio, pcm16
from emoforge.augment.inspection import Basis
from emoforge.clip import Clip
from emoforge.errors import AudioError
from emoforge.label import Scheme
from emoforge.workspace import Standing, Workspace

CLIPS = 12
LONGEST_S = 20.0
"""Longer clips are cut, so that the file stays small."""

# The rates that MPEG audio has, Hz.
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True, slots=True)
class Sound:
    """What a player needs: a data URI, or why there is none; `cut`: only the beginning."""

    uri: str = ""
    missing: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One candidate beside its source.

    heard: (emotion, probability, the source's probability) in scheme order; None where the
    judge did not score one of them. params: resolved parameters as short texts.
    """

    candidate: str
    verdict: str
    reason: str
    detail: str
    generator: str
    emotion: str
    sound: Sound
    source: Clip
    source_sound: Sound
    text: str | None
    language: str | None
    heard: tuple[tuple[str, float | None, float | None], ...]
    params: tuple[tuple[str, str], ...]


def cards(workspace: Workspace, basis: Basis, scheme: Scheme) -> list[Card]:
    """The chosen clips, kept ones first; the same for the same workspace."""
    chosen = choose(workspace.standings(basis.gates, basis.judge, basis.selection, each=CLIPS // 2))
    ids = [row.candidate for row in chosen] + [row.parent for row in chosen]
    clips = workspace.sources(ids)
    plans = workspace.plans([row.candidate for row in chosen])
    heard = workspace.distributions(basis.judge, ids)
    return [
        Card(
            candidate=row.candidate,
            verdict={"kept": "kept", "judged": "judged"}.get(row.reached, "made")
            if row.outcome == "ok"
            else row.outcome,
            reason=row.reason,
            detail=row.detail,
            generator=row.generator,
            emotion=row.emotion,
            sound=_sound(clips.get(row.candidate)),
            source=clips[row.parent],
            source_sound=_sound(clips[row.parent]),
            text=plans[row.candidate].promise.text,
            language=plans[row.candidate].promise.language,
            heard=_heard(scheme, heard.get(row.candidate, {}), heard.get(row.parent, {})),
            params=tuple(_flat(plans[row.candidate].params)),
        )
        for row in chosen
    ]


def choose(standings: Iterable[Standing]) -> list[Standing]:
    """Half kept and half rejected; where one side has fewer, the other fills up.

    Undecided ones come only where both sides together are too few. Each next clip is one whose
    generator, emotion, reason and source have been chosen least so far.
    """
    # What its own generator rejected has no audio.
    rows = [row for row in standings if row.reached != "planned"]
    kept = _balanced([row for row in rows if row.reached == "kept"])
    rejected = _balanced([row for row in rows if row.outcome == "rejected"])
    waiting = _balanced([row for row in rows if row.outcome == "ok" and row.reached != "kept"])
    many = max(CLIPS // 2, CLIPS - len(rejected))
    first = kept[:many]
    second = rejected[: CLIPS - len(first)]
    return [*first, *second, *waiting[: CLIPS - len(first) - len(second)]]


def _balanced(rows: Sequence[Standing]) -> list[Standing]:
    used: Counter[tuple[str, str]] = Counter()
    left = list(rows)
    chosen: list[Standing] = []
    while left and len(chosen) < CLIPS:
        best = min(left, key=lambda row: (sum(used[key] for key in _keys(row)), row.candidate))
        left.remove(best)
        chosen.append(best)
        used.update(_keys(best))
    return chosen


def _keys(row: Standing) -> list[tuple[str, str]]:
    return [(name, getattr(row, name)) for name in ("generator", "emotion", "reason", "parent")]


def _sound(clip: Clip | None) -> Sound:
    if clip is None:
        return Sound(missing="no audio was made")
    if clip.is_line:
        return Sound(missing="spoken from text")
    try:
        audio = clip.read()
    except AudioError as error:
        return Sound(missing=str(error))
    head = Audio(audio.samples[: round(LONGEST_S * audio.rate)], audio.rate)
    mp3 = base64.b64encode(encode_mp3(head)).decode("ascii")
    return Sound(uri=f"data:audio/mpeg;base64,{mp3}", cut=audio.duration > LONGEST_S)


def encode_mp3(audio: Audio) -> bytes:
    """MP3 of about 50 kbit/s (variable), which every browser plays."""
    rate = next((rate for rate in _RATES if rate >= audio.rate), _RATES[-1])
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        pcm16(audio.resampled(rate).samples),
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=0.2,
        bitrate_mode="VARIABLE",
    )
    return buffer.getvalue()


def _heard(
    scheme: Scheme, made: dict[str, list[float]], source: dict[str, list[float]]
) -> tuple[tuple[str, float | None, float | None], ...]:
    nothing: list[float | None] = [None] * len(scheme.classes)
    pairs = zip(made.get(scheme.name, nothing), source.get(scheme.name, nothing), strict=True)
    if not made and not source:
        return ()
    return tuple((name, *pair) for name, pair in zip(scheme.classes, pairs, strict=True))


def _flat(params: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Nested parameters as (dotted name, short text), in name order."""
    for name, value in sorted(params.items()):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = {str(place): item for place, item in enumerate(value, start=1)}
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _short(value)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        shown = ", ".join(_short(item) for item in value[:6])
        return f"[{shown}]" if len(value) <= 6 else f"[{shown}, … {len(value)} values]"
    return str(value)
