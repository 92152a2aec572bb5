"""From rows to clips: what every reader shares, with one check for each way a row can be bad."""

import dataclasses
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.splits import assign_splits, check_rule, split_named
from emoforge.augment.corpora.tables import Fields, RowFault
from emoforge.clip import SPLITS, Clip
from emoforge.errors import LabelError, nearest
from emoforge.label import FULL, Label, Modality, Scheme, canonical


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a corpus that did not stop the reading.

    where: `file:line` or a path; sentence: what is wrong and what would be right.
    """

    where: str
    sentence: str


@dataclass
class Corpus:
    """What a reader found.

    clips: usable clips, with split and label; problems: what was passed over, and why.
    left_out: emotion → number of clips that the run's scheme has no class for.
    """

    name: str
    clips: list[Clip] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


Row = tuple[str, Fields | RowFault]
"""Where a row stands (`file:line` or a path) and what it says."""

_NUDGE = 1e-9

GENDERS = {
    **dict.fromkeys(("m", "male", "man"), "male"),
    **dict.fromkeys(("f", "female", "woman", "w"), "female"),
}


def collect(rows: Iterable[Row], root: str, config: CorpusConfig, scheme: Scheme) -> Corpus:
    """Make the clips of `rows`, label them under `scheme` and assign the splits."""
    check_rule(config.split)
    corpus = Corpus(config.name)
    labels = _Labels(config, scheme)
    paths = _Paths(root, config.outside)
    seen: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    for where, fields in rows:
        try:
            if isinstance(fields, RowFault):
                raise fields
            label = labels.label(fields)
            if isinstance(label, str):
                left_out[label] += 1
                continue
            clip = _clip(fields, label, paths, config)
            if clip.id in seen:
                raise RowFault(f"id '{clip.id}' is already that of {seen[clip.id]}")
        except (RowFault, LabelError) as fault:
            corpus.problems.append(Problem(where, str(fault)))
            continue
        seen[clip.id] = where
        corpus.clips.append(clip)
    corpus.left_out = dict(left_out.most_common())
    called = {
        split: [_called(speaker, config) for speaker in speakers]
        for split, speakers in config.split.official.items()
    }
    rule = dataclasses.replace(config.split, official=called)
    corpus.clips, notes = assign_splits(corpus.clips, rule)
    corpus.problems += [Problem(config.name, note) for note in notes]
    return corpus


def _clip(fields: Fields, label: Label, paths: "_Paths", config: CorpusConfig) -> Clip:
    path, inside = paths.resolve(fields.get("path"))
    name = _text(fields.get("corpus")) or config.name
    speaker = _text(fields.get("speaker"))
    if not speaker and "{speaker}" in config.speaker:
        raise RowFault("has no speaker")
    start = duration = 0.0
    if _text(fields.get("start")):
        start = _number(fields["start"], "start")
        duration = _number(fields.get("duration") or 0, "duration")
        if start < 0 or duration < 0:
            raise RowFault(f"start and duration must be ≥ 0 s, got {start} and {duration}")
    clip_id = _text(fields.get("id"))
    if not clip_id:
        clip_id = os.path.splitext(inside)[0] + (f"@{start:.3f}" if start else "")
    text = _text(fields.get("text"))
    if config.texts and text:
        said = config.texts.get(text) or config.texts.get("*")
        if said is None:
            raise RowFault(f"unknown sentence code '{text}': {nearest(text, config.texts)}")
        text = said.replace("{text}", text)
    stated = _text(fields.get("split"))
    split = split_named(stated, config.split.names) if stated else None
    if config.split.by == "column" and split is None:
        raise RowFault(
            f"unknown split '{stated}': corpus.split.names says which of "
            f"{', '.join(SPLITS)} the corpus's own names mean"
        )
    gender = _text(fields.get("gender")) or config.genders.get(speaker, "")
    language = _text(fields.get("language")) or config.languages.get(speaker) or config.language
    return Clip(
        id=f"{name}/{clip_id.removeprefix(f'{name}/')}",
        path=path,
        duration=duration,
        rate=0,
        label=label,
        speaker=_called(speaker, config),
        corpus=name,
        start=start,
        text=text or None,
        language=language or None,
        gender=GENDERS.get(gender.lower(), gender) or None,
        split=split,
        licence=_text(fields.get("licence")) or config.licence or None,
    )


def _called(speaker: str, config: CorpusConfig) -> str:
    return config.speaker.replace("{speaker}", speaker)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise RowFault(f"{what} must be a number, got '{value}'") from None
    if not math.isfinite(number):
        raise RowFault(f"{what} must be a number, got '{value}'")
    return number


class _Labels:
    """Labels of one corpus under one scheme; equal labels are one object."""

    def __init__(self, config: CorpusConfig, scheme: Scheme) -> None:
        self._map = {name: value for name, value in config.labels.items() if value}
        self._dropped = {name for name, value in config.labels.items() if not value}
        for value in self._map.values():
            FULL.index(value)
        self._low, self._high = config.vad_range
        self._modality = config.modality
        self._scheme = scheme
        self._made: dict[Any, Label | str] = {}

    def label(self, fields: Fields) -> Label | str:
        """The label, or an emotion's name where the scheme has no class for it."""
        emotion = _text(fields.get("emotion"))
        if emotion in self._dropped:
            return emotion
        key = (
            emotion,
            self._shares(fields.get("votes"), "votes"),
            self._shares(fields.get("distribution"), "distribution"),
            self._vad(fields),
            _text(fields.get("modality")),
        )
        if (made := self._made.get(key)) is None:
            made = self._made[key] = self._make(*key)
        return made

    def _make(
        self,
        emotion: str,
        votes: tuple[tuple[str, float], ...] | None,
        distribution: tuple[tuple[str, float], ...] | None,
        vad: tuple[float, float, float] | None,
        stated: str,
    ) -> Label | str:
        rated = votes or distribution or vad
        usual = self._modality or ("audio" if rated else "intended")
        modality = cast(Modality, stated or usual)
        if votes:
            if any(count != int(count) for _, count in votes):
                raise RowFault(f"votes must be whole numbers, got {dict(votes)}")
            label = Label.from_votes({name: int(c) for name, c in votes}, modality=modality)
        elif distribution:
            mass = dict(distribution)
            total = sum(mass.values())
            if min(mass.values()) < 0 or abs(total - 1) > 0.01:
                raise RowFault(f"the distribution must be ≥ 0 and sum to 1, got {mass}")
            shares = tuple(mass.get(name, 0.0) / total for name in FULL.classes)
            label = Label(FULL, shares, modality=modality)
        elif emotion:
            label = Label.of(canonical(emotion, self._map), modality=modality)
        else:
            raise RowFault("has no emotion")
        label = dataclasses.replace(label, vad=vad)
        if rated and emotion:
            label = _prefer(label, canonical(emotion, self._map))
        return label.project(self._scheme) or label.hard

    def _shares(self, value: Any, what: str) -> tuple[tuple[str, float], ...] | None:
        """Canonical emotion → number, of a mapping, its JSON, or a list of pairs."""
        if value is None or value == "":
            return None
        try:
            given = json.loads(value) if isinstance(value, str) else value
            pairs = [*given.items()] if isinstance(given, dict) else [(n, c) for n, c in given]
        except (TypeError, ValueError):
            raise RowFault(
                f"{what} must be a JSON object such as {{\"angry\": 2}}, got '{value}'"
            ) from None
        found: dict[str, float] = defaultdict(float)
        for name, number in pairs:
            if number not in (None, ""):
                found[canonical(str(name), self._map)] += _number(number, f"{what} of {name}")
        return tuple(found.items()) or None

    def _vad(self, fields: Fields) -> tuple[float, float, float] | None:
        given = [fields.get(name) for name in ("valence", "arousal", "dominance")]
        if all(value in (None, "") for value in given):
            return None
        if any(value in (None, "") for value in given):
            raise RowFault("has only some of valence, arousal and dominance: all three or none")
        numbers = [_number(value, "valence, arousal and dominance") for value in given]
        span = self._high - self._low
        if not all(self._low <= number <= self._high for number in numbers):
            raise RowFault(
                f"valence, arousal and dominance must lie in [{self._low:g}, {self._high:g}] "
                f"(corpus.vad_range), got {', '.join(f'{number:g}' for number in numbers)}"
            )
        valence, arousal, dominance = ((number - self._low) / span for number in numbers)
        return valence, arousal, dominance


def _prefer(label: Label, emotion: str) -> Label:
    """The label with `emotion` as its hard class if raters were tied between it and others.

    The corpus's own verdict breaks the tie: its probability gets `_NUDGE` of the others.
    """
    shares = list(label.distribution)
    preferred = FULL.index(emotion)
    if label.hard == emotion or shares[preferred] < max(shares):
        return label
    shares = [share * (1 - _NUDGE) for share in shares]
    shares[preferred] += _NUDGE
    return dataclasses.replace(label, distribution=tuple(shares))


class _Paths:
    """Absolute paths of rows, kept inside the corpus root unless `outside`."""

    def __init__(self, root: str, outside: bool) -> None:
        self._root = root
        self._real = "" if "://" in root else os.path.realpath(root)
        self._outside = outside
        self._folders: dict[str, bool] = {}

    def resolve(self, path: Any) -> tuple[str, str]:
        """The absolute path (or URL), and the part of it under the root."""
        if not path:
            raise RowFault("has no path")
        if not isinstance(path, str):
            raise RowFault(f"the path must be text, got {type(path).__name__}")
        if "\0" in path:
            raise RowFault(f"the path has a zero byte: {path!r}")
        full = path if "://" in path else os.path.join(self._root, path)
        if "./" in path or ("//" in path and "://" not in full):
            full = os.path.normpath(full)
        inside = full.removeprefix(f"{self._root}{os.sep}")
        if not self._outside and not self._is_inside(full, inside):
            raise RowFault(
                f"{path} is outside the corpus root {self._root}; corpus.outside=true allows that"
            )
        return full, inside if inside != full else os.path.basename(full)

    def _is_inside(self, full: str, inside: str) -> bool:
        """Whether the file that `full` leads to, links followed, lies under the root."""
        if "://" in full:
            return inside != full and ".." not in inside.split("/")
        folder = os.path.dirname(full)
        if folder not in self._folders:
            self._folders[folder] = self._under(os.path.realpath(folder))
        if os.path.islink(full):
            return self._under(os.path.realpath(full))
        return self._folders[folder]

    def _under(self, real: str) -> bool:
        return real == self._real or real.startswith(f"{self._real}{os.sep}")
