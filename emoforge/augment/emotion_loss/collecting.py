"""From the store's rows to the arrays that the report is made of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.augment.emotion_loss.store import Store
from emoforge.clip import Clip
from emoforge.codecs.report import (
    COSINE,
    DIVERGENCE,
    VIEWS,
    Condition,
    Listeners,
    Observed,
    View,
    centred_cosine,
    divergence,
    strangers,
)
from emoforge.errors import AudioError, CorpusError
from emoforge.label import Scheme
from emoforge.progress import Progress
from emoforge.selection import Judge
from emoforge.selection.judges import speaker_folds
from emoforge.selection.measures import Measure, Result

FOLDS = 5
_AT_ONCE = 1024
RANDOM = Condition("random label", "anchor")
"""What is heard in another clip of the corpus."""

DIMENSIONS = {
    name: Result(name, name.capitalize(), "", "", "emotion", alone=True)
    for name in ("valence", "arousal", "dominance")
}

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """What the judge made of N clips under one condition.

    known: [N], clips that it heard; embeddings: [N, parts, width]; probabilities: [N, classes],
    None where it has no classifier; dimensions: name → [N].
    """

    known: Mask
    embeddings: Floats
    probabilities: Floats | None
    dimensions: Mapping[str, Floats]

    def of(self, clips: npt.NDArray[np.int64]) -> "_Heard":
        """The same, with other clips in the place of these."""
        return _Heard(
            self.known[clips],
            self.embeddings[clips],
            None if self.probabilities is None else self.probabilities[clips],
            {name: values[clips] for name, values in self.dimensions.items()},
        )


def collect(
    store: Store,
    clips: Sequence[Clip],
    conditions: Mapping[str, Condition],
    measures: Mapping[str, Measure],
    judge: Judge,
    scheme: Scheme,
    about: Mapping[str, Any],
    progress: Progress,
) -> Observed:
    """What was heard and measured of clips, no two of the same digest.

    conditions: by key, of which the first is the original; the anchor `RANDOM` is added. The
    embeddings of two conditions are held at a time. Raises CorpusError where the judge could
    hear none of the originals.
    """
    corpora = np.array([clip.corpus for clip in clips])
    emotions = np.array([_emotion(clip, scheme) for clip in clips], np.int64)
    places = {clip.digest: i for i, clip in enumerate(clips)}
    folds, notes = _folds(clips)
    listeners = Listeners(scheme, corpora, folds, emotions)
    first, *others = conditions
    original = _heard(store, first, judge, scheme, places)
    if not original.known.any():
        raise CorpusError(f"the judge {judge.name} can hear none of the {len(clips)} clips")
    if original.probabilities is None:
        notes.append(
            f"The judge {judge.name} has no classifier for scheme {scheme.name}, so that only "
            "heads that learnt here hear the emotion."
        )
    results = _judged(original)
    table = _Table(len(conditions) + 1, len(clips))
    heads = listeners.learn(original.embeddings, original.known)

    def listen(row: int, one: _Heard, own: list[Any]) -> None:
        if one.probabilities is not None and original.probabilities is not None:
            table.heard("frozen")[row, one.known] = one.probabilities[one.known].argmax(1)
            both = one.known & original.known
            table.measured("js")[row, both] = divergence(
                one.probabilities[both], original.probabilities[both]
            )
        if heads:
            table.heard("crossfit")[row] = listeners.hear(heads, one.embeddings, one.known)
            table.heard("retrained")[row] = listeners.hear(own, one.embeddings, one.known)
        table.measured("cosine")[row] = centred_cosine(
            one.embeddings, original.embeddings, corpora, one.known & original.known
        )
        for name, values in one.dimensions.items():
            table.measured(name)[row] = values

    with progress.stage("collect", len(conditions)) as advance:
        listen(0, original, heads)
        advance(1)
        for row, key in enumerate(others, start=1):
            one = _heard(store, key, judge, scheme, places)
            listen(row, one, listeners.learn(one.embeddings, one.known) if heads else [])
            advance(1)
    stranger = strangers(corpora)
    listen(len(conditions), original.of(stranger), heads)
    for view in ("crossfit", "retrained"):
        if view in table.views:  # heads of the stranger's fold, not of the clip's
            table.views[view][-1] = table.views[view][0][stranger]
    faults = {key: _Faults() for key in conditions}
    for key, measure in measures.items():
        results += measure.results
        for row, condition in enumerate(conditions):
            for clip, numbers in store.measured(condition, key):
                if clip not in places:
                    continue
                if isinstance(numbers, AudioError):
                    faults[condition].add(measure.name, str(numbers))
                    continue
                for name, value in numbers.items():
                    table.measured(name)[row, places[clip]] = value
    described = []
    for row, (key, named) in enumerate(conditions.items()):
        sounds = [(c, *own) for c, own in store.sounds(key).items() if c in places]
        for clip, kbps, _, _, fault in sounds:
            if fault:
                faults[key].add("", fault)
            else:
                table.kbps[row, places[clip]] = kbps
        for clip, reason in store.unheard(key, judge.encoder):
            if clip in places:
                faults[key].add(judge.name, reason)
        coded = Counter((rate, delay) for _, _, rate, delay, fault in sounds if not fault)
        described.append(_described(named, table.kbps[row], coded))
    return Observed(
        scheme,
        [clip.id for clip in clips],
        corpora.tolist(),
        [clip.language or "" for clip in clips],
        [f"{clip.corpus}/{clip.speaker}" for clip in clips],
        emotions,
        [*described, RANDOM],
        {view: table.views[view] for view in VIEWS if view in table.views},
        {result.name: table.measured(result.name) for result in results},
        table.kbps,
        results,
        {one.name: told for key, one in conditions.items() if (told := faults[key].told())},
        about,
        notes,
    )


class _Table:
    """Arrays [conditions, clips], made when something is to be written into them."""

    def __init__(self, conditions: int, clips: int) -> None:
        self._shape = (conditions, clips)
        self.kbps = np.full(self._shape, np.nan, np.float32)
        self.views: dict[View, npt.NDArray[np.int64]] = {}
        self._numbers: dict[str, Floats] = {}

    def heard(self, view: View) -> npt.NDArray[np.int64]:
        """Classes heard; -1 until something is."""
        return self.views.setdefault(view, np.full(self._shape, -1, np.int64))

    def measured(self, name: str) -> Floats:
        """Numbers of one result; NaN until something is measured."""
        return self._numbers.setdefault(name, np.full(self._shape, np.nan, np.float32))


def _judged(original: _Heard) -> list[Result]:
    found = [COSINE] if original.probabilities is None else [DIVERGENCE, COSINE]
    return found + [result for name, result in DIMENSIONS.items() if name in original.dimensions]


def _emotion(clip: Clip, scheme: Scheme) -> int:
    label = clip.label.project(scheme)
    assert label is not None, "clips without a label in the scheme are left out before"
    return scheme.index(label.hard)


def _folds(clips: Sequence[Clip]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Fold of each clip, -1 where it is the only speaker's of its corpus, and what to say of it."""
    folds = np.full(len(clips), -1, np.int64)
    notes = []
    for corpus in dict.fromkeys(clip.corpus for clip in clips):
        rows = [i for i, clip in enumerate(clips) if clip.corpus == corpus]
        try:
            fold_of = speaker_folds([clips[i] for i in rows], FOLDS)
        except CorpusError:
            notes.append(
                f"{corpus} has one speaker: no head can learn from others, and there is no "
                "interval and no test, which are over speakers."
            )
        else:
            folds[rows] = [fold_of[clips[i].speaker] for i in rows]
    return folds, notes


def _heard(
    store: Store, condition: str, judge: Judge, scheme: Scheme, places: Mapping[str, int]
) -> _Heard:
    count = len(places)
    known = np.zeros(count, bool)
    embeddings = np.zeros((count, 1, 1), np.float32)
    classifier = scheme.name in judge.schemes
    probabilities = np.zeros((count, len(scheme.classes)), np.float32) if classifier else None
    dimensions: dict[str, Floats] = {}
    rows = (
        (places[clip], one) for clip, one in store.heard(condition, judge.encoder) if clip in places
    )
    while batch := list(islice(rows, _AT_ONCE)):
        at = [i for i, _ in batch]
        if not known.any():
            embeddings = np.zeros((count, *batch[0][1].embedding.shape), np.float32)
        known[at] = True
        embeddings[at] = np.stack([one.embedding for _, one in batch])
        if probabilities is not None:
            answers = judge.distributions([one for _, one in batch])
            probabilities[at] = [answer[scheme.name] for answer in answers]
        for i, one in batch:
            for name, value in one.dimensions.items():
                own = dimensions.setdefault(name, np.full(count, np.nan, np.float32))
                own[i] = value
    return _Heard(known, embeddings, probabilities, dimensions)


class _Faults:
    """Why clips have no sound, no numbers of a measure or no answer of the judge, counted.

    One sentence for each measure, for it names values that differ from clip to clip.
    """

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def add(self, part: str, fault: str) -> None:
        """part: the measure's or the judge's name; "": the codec's."""
        key = part or fault
        self._first.setdefault(key, f"{part}: {fault}" if part else fault)
        self._counts[key] += 1

    def told(self) -> dict[str, int]:
        """Reason → clips."""
        return {self._first[key]: count for key, count in self._counts.items()}


def _described(
    condition: Condition, kbps: Floats, sounds: Mapping[tuple[int, float], int]
) -> Condition:
    """The condition with median kbit/s, and the rate and delay that most clips were coded with."""
    if condition.kind != "codec" or not sounds:
        return condition
    rate, delay = max(sounds, key=lambda own: sounds[own])
    return replace(condition, kbps=float(np.nanmedian(kbps)), rate=rate, delay_ms=delay)
