"""From rows to clips: what every reader shares, with one check for each way a row can be bad."""

import dataclasses
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from emoforge.augment.corpora.config import CorpusConfig
from emoforge.augment.corpora.splits import assign_splits, check_rule, split_named
from emoforge.augment.corpora.tables import DIMENSIONS, Fields, RowFault
from emoforge.clip import SPLITS, Clip
from emoforge.errors import ConfigError, CorpusError, LabelError, nearest
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
"""What breaks a tie: more than rounding errors, far less than one vote."""

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
    empty = True
    for where, fields in rows:
        empty = False
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
            corpus.problems.append(Problem(_readable(where), _readable(str(fault))))
            continue
        seen[clip.id] = where
        corpus.clips.append(clip)
    if empty:
        raise CorpusError(f"corpus '{config.name}' in {root} has no clips at all")
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
        consent=_text(fields.get("consent")) or config.consent or None,
    )


def _called(speaker: str, config: CorpusConfig) -> str:
    return config.speaker.replace("{speaker}", speaker)


def _missing(value: Any) -> bool:
    # Tables that pandas wrote have NaN where there is nothing.
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _stored(value.strip())
    return "" if _missing(value) else str(value)


def _stored(text: str) -> str:
    """The text; raises RowFault where no catalogue could hold it."""
    if "\0" in text:
        raise RowFault(f"a zero byte cannot be stored: {text!r}")
    if not text.isascii() and _readable(text) != text:
        raise RowFault(f"'{_readable(text)}' is no valid Unicode; write or rename it in UTF-8")
    return text


def _readable(text: str) -> str:
    """The text with `\\x…` for bytes of a file's name, or of JSON, that are no Unicode."""
    return text.encode("utf-8", "backslashreplace").decode()


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise RowFault(f"{what} must be a number, got '{value}'") from None
    if not math.isfinite(number):
        raise RowFault(f"{what} must be a number, got '{value}'")
    return number


_Shares = tuple[tuple[str, float], ...]


class _Labels:
    """Labels of one corpus under one scheme; equal labels are one object."""

    def __init__(self, config: CorpusConfig, scheme: Scheme) -> None:
        self._map = {name: value for name, value in config.labels.items() if value}
        self._dropped = {name for name, value in config.labels.items() if not value}
        for name, value in config.labels.items():
            if value and value not in FULL.classes:
                known = nearest(value, FULL.classes)
                raise ConfigError(f"corpus.labels.{name}={value} is no emotion: {known}")
        if config.modality and config.modality not in get_args(Modality):
            known = nearest(config.modality, get_args(Modality))
            raise ConfigError(f"corpus.modality={config.modality}: {known}")
        if len(config.vad_range) != 2 or config.vad_range[0] >= config.vad_range[1]:
            raise ConfigError(
                f"corpus.vad_range is the lowest and the highest value, got {config.vad_range}"
            )
        self._low, self._high = config.vad_range
        self._modality = config.modality
        self._scheme = scheme
        self._names: dict[str, str] = {}
        self._made: dict[Any, Label | str] = {}

    def label(self, fields: Fields) -> Label | str:
        """The label, or an emotion's name where the scheme has no class for it."""
        emotion = _text(fields.get("emotion"))
        if emotion in self._dropped:
            return emotion
        vad = self._vad(fields) if "valence" in fields else None
        key = (
            emotion,
            self._shares(fields["votes"], "votes") if "votes" in fields else None,
            self._shares(fields["distribution"], "distribution")
            if "distribution" in fields
            else None,
            _text(fields.get("modality")) or self._modality or ("audio" if vad else ""),
        )
        if (made := self._made.get(key)) is None:
            made = self._made[key] = self._make(*key)
        return made if vad is None or isinstance(made, str) else dataclasses.replace(made, vad=vad)

    def _make(
        self, emotion: str, votes: _Shares | None, distribution: _Shares | None, modality: str
    ) -> Label | str:
        rated = votes or distribution
        seen = cast(Modality, modality or ("audio" if rated else "intended"))
        if votes:
            if any(count != int(count) for _, count in votes):
                raise RowFault(f"votes must be whole numbers, got {dict(votes)}")
            label = Label.from_votes({name: int(c) for name, c in votes}, modality=seen)
        elif distribution:
            mass = dict(distribution)
            total = sum(mass.values())
            if min(mass.values()) < 0 or abs(total - 1) > 0.01:
                raise RowFault(f"the distribution must be ≥ 0 and sum to 1, got {mass}")
            shares = tuple(mass.get(name, 0.0) / total for name in FULL.classes)
            label = Label(FULL, shares, modality=seen)
        elif emotion:
            label = Label.of(self._canonical(emotion), modality=seen)
        else:
            raise RowFault("has no emotion")
        if rated and emotion:
            label = _prefer(label, self._canonical(emotion))
        return label.project(self._scheme) or label.hard

    def _canonical(self, name: str) -> str:
        if name not in self._names:
            try:
                self._names[name] = canonical(name, self._map)
            except LabelError as error:
                raise RowFault(f"{error} (corpus.labels gives other names a meaning)") from None
        return self._names[name]

    def _shares(self, value: Any, what: str) -> _Shares | None:
        """Canonical emotion → number, of a mapping, its JSON, or a list of pairs."""
        if _missing(value):
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
            if not _missing(number):
                found[self._canonical(str(name))] += _number(number, f"{what} of {name}")
        return tuple(found.items()) or None

    def _vad(self, fields: Fields) -> tuple[float, float, float] | None:
        given = [fields.get(name) for name in DIMENSIONS]
        missing = sum(map(_missing, given))
        if missing == len(given):
            return None
        if missing:
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
    """The label with `emotion`, the corpus's own verdict, as its hard class where raters were
    tied between it and others: its probability is `_NUDGE` above theirs."""
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
        self._prefix = f"{root}/" if "://" in root else f"{root}{os.sep}"
        self._real = "" if "://" in root else os.path.realpath(root)
        self._outside = outside
        self._folders: dict[str, bool] = {}

    def resolve(self, path: Any) -> tuple[str, str]:
        """The absolute path (or URL), and the part of it under the root."""
        if not path:
            raise RowFault("has no path")
        if not isinstance(path, str):
            raise RowFault(f"the path must be text, got {type(path).__name__}")
        path = _stored(path)
        full = path if "://" in path or os.path.isabs(path) else f"{self._prefix}{path}"
        if "://" not in full and (".." in path or "./" in path or "//" in path):
            full = os.path.normpath(full)
        inside = full.removeprefix(self._prefix)
        if not self._outside and not self._is_inside(full, inside):
            raise RowFault(
                f"{path} is outside the corpus root {self._root}; corpus.outside=true allows that"
            )
        return full, inside if inside != full else os.path.basename(full)

    def _is_inside(self, full: str, inside: str) -> bool:
        """Whether the file that `full` leads to, links followed, lies under the root."""
        if "://" in full:
            return inside != full and ".." not in inside.split("/")
        folder = full.rpartition(os.sep)[0]
        if folder not in self._folders:
            self._folders[folder] = self._under(os.path.realpath(folder))
        if os.path.islink(full):
            return self._under(os.path.realpath(full))
        return self._folders[folder]

    def _under(self, real: str) -> bool:
        return real == self._real or real.startswith(f"{self._real}{os.sep}")
