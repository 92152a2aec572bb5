"""What was heard and measured, as tidy rows with intervals and tests, and in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from emoforge.codecs.report.observed import VIEWS, Condition, Kind, Observed, View
from emoforge.codecs.report.statistics import FEWEST, Effects, Group, Losses, Places, least_p

ALPHA = 0.05
ALL = "all"
"""The name of the group of all clips, and of what is not of one emotion."""
GroupKind = Literal["all", "corpus", "language"]

HEARD = {
    "frozen": "the judge as it is",
    "crossfit": "heads that learnt from originals of other speakers",
    "retrained": "heads that learnt from resynthesised clips of other speakers",
}
"""View → who listens, for people."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number of one condition; None: cannot be had.

    group_kind, group: of which clips. view: who listened; "" for measures.
    number: `uar`, `macro_f1`, `recall`, or a measure's name; emotion: "all" or a class.
    nominal_kbps, kbps: kbit/s as asked for and as measured.
    value, original: of the condition and of the original on the same clips; difference: between
        them; each interval is of 95 %, over speakers.
    p, p_adjusted: of the paired test over speakers, alone and corrected for all conditions and
        emotions of the same group, view and number.
    clips, speakers: that have the number.
    """

    group_kind: GroupKind
    group: str
    condition: str
    kind: Kind
    codec: str
    nominal_kbps: float | None
    kbps: float | None
    view: str
    number: str
    emotion: str
    value: float | None
    value_low: float | None
    value_high: float | None
    original: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    clips: int
    speakers: int

    @property
    def shown(self) -> int:
        """1: a rise is shown, -1: a fall; 0: no difference is shown."""
        return shown(self.low, self.high, self.p_adjusted)


@dataclass(frozen=True, slots=True)
class Loss:
    """What one emotion loses on average over all codecs, and beside the other emotions' mean.

    Recall less the original's; p, p_adjusted: of `beside`, corrected for all emotions.
    """

    emotion: str
    difference: float
    low: float | None
    high: float | None
    beside: float | None
    beside_low: float | None
    beside_high: float | None
    p: float | None
    p_adjusted: float | None

    @property
    def shown(self) -> int:
        """-1: that it loses more than the others is shown, 1: less; 0: neither."""
        return shown(self.beside_low, self.beside_high, self.p_adjusted)


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group, and what its clips say.

    emotions: those that it has, in the scheme's order.
    losses: view → emotions, those that lose most first; empty without codecs.
    sentences: view → what was shown and what was not, the main things first.
    notes: what cannot be said of so few speakers or emotions.
    """

    kind: GroupKind
    name: str
    clips: int
    speakers: int
    emotions: Sequence[str]
    losses: Mapping[View, Sequence[Loss]]
    sentences: Mapping[View, Sequence[str]]
    notes: Sequence[str]

    @property
    def title(self) -> str:
        """For people."""
        return "all clips" if self.kind == "all" else self.name


@dataclass(frozen=True)
class Summary:
    """All numbers of the report.

    conditions: the original, codecs by name and rate, anchors.
    views: who listened. groups: the first is of all clips.
    notes: what could not be computed, and why.
    """

    conditions: Sequence[Condition]
    views: Sequence[View]
    groups: Sequence[GroupSummary]
    rows: Sequence[Row]
    notes: Sequence[str]

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, ...], Row]:
        return {
            (r.group_kind, r.group, r.condition, r.view, r.number, r.emotion): r for r in self.rows
        }

    def row(
        self, group: GroupSummary, condition: str, number: str, view: str = "", emotion: str = ALL
    ) -> Row | None:
        """One number; None if the group, view or emotion has none."""
        return self._by_place.get((group.kind, group.name, condition, view, number, emotion))

    def ranking(self, group: GroupSummary, view: View) -> list[Row]:
        """UAR of all conditions that have one, those that lose most first."""
        rows = [self.row(group, one.name, "uar", view) for one in self.conditions]
        return by_difference([row for row in rows if row])

    def hit_hardest(self, group: GroupSummary, view: View) -> Mapping[str, Sequence[Row]]:
        """Codec → recalls of the emotions at its lowest rate, those that lose most first."""
        lowest: dict[str, Condition] = {}
        for one in self.conditions:
            if one.kind == "codec":
                lowest.setdefault(one.codec, one)
        return {
            codec: by_difference(
                [
                    row
                    for emotion in group.emotions
                    if (row := self.row(group, one.name, "recall", view, emotion))
                ]
            )
            for codec, one in lowest.items()
        }


def by_difference(rows: Sequence[Row]) -> list[Row]:
    """Those that have a difference, the largest losses first."""
    known = [(row.difference, row) for row in rows if row.difference is not None]
    return [row for _, row in sorted(known, key=lambda pair: pair[0])]


def shown(low: float | None, high: float | None, p_adjusted: float | None) -> int:
    """Whether a rise (1) or a fall (-1) is shown, or no difference (0).

    It takes both the test, corrected for its family, and an interval without 0.
    """
    if low is None or high is None or p_adjusted is None or p_adjusted > ALPHA:
        return 0
    return int(low > 0) - int(high < 0)


def ordered(conditions: Sequence[Condition]) -> list[Condition]:
    """The original, codecs by name and rate, anchors."""
    kinds: Sequence[Kind] = ("original", "codec", "anchor")
    return sorted(
        conditions, key=lambda one: (kinds.index(one.kind), one.codec, one.nominal or 0.0)
    )


def summarise(observed: Observed) -> Summary:
    """All numbers, and what they allow to say.

    Intervals and tests are None with one speaker, UAR and macro-F1 with one emotion.
    """
    views = [view for view in VIEWS if view in observed.heard]
    rows: list[Row] = []
    groups: list[GroupSummary] = []
    # The products are small: several threads would only wait for one another.
    with threadpool_limits(1, user_api="blas"):
        for kind, name, members in _groups(observed):
            group, own = _summarised(observed, kind, name, members, views)
            groups.append(group)
            rows += own
    return Summary(ordered(observed.conditions), views, groups, rows, list(observed.notes))


def _groups(observed: Observed) -> Iterator[tuple[GroupKind, str, Places]]:
    """(kind, name, places of its clips)"""
    yield "all", ALL, np.arange(len(observed.ids))
    corpora = _division(observed.corpora)
    languages = _division(observed.languages)
    if len(corpora) > 1:
        for name, members in corpora.items():
            yield "corpus", name, members
    same = {members.tobytes() for members in corpora.values()}
    if len(languages) > 1 and same != {members.tobytes() for members in languages.values()}:
        for name, members in languages.items():
            yield "language", name, members


def _division(names: Sequence[str]) -> dict[str, Places]:
    found, place = np.unique(np.asarray(names, np.str_), return_inverse=True)
    return {str(name): np.flatnonzero(place == i) for i, name in enumerate(found)}


def _summarised(
    observed: Observed, kind: GroupKind, name: str, members: Places, views: Sequence[View]
) -> tuple[GroupSummary, list[Row]]:
    classes = observed.scheme.classes
    emotions = observed.emotions[members]
    present = [classes[i] for i in np.unique(emotions)]
    group = Group(emotions, [observed.speakers[i] for i in members], len(classes))
    columns = [
        *((number, ALL) for number in ("uar", "macro_f1")),
        *(("recall", c) for c in classes),
    ]
    conditions = [
        replace(one, kbps=_median(observed.kbps[i, members]))
        for i, one in enumerate(observed.conditions)
    ]
    codecs = [i for i, one in enumerate(conditions) if one.kind == "codec"]

    rows: list[Row] = []
    losses: dict[View, Sequence[Loss]] = {}
    for view in views:
        heard = observed.heard[view][:, members]
        effects = group.hearing(heard)
        rows += _rows(conditions, (kind, name, view), columns, effects)
        lost = group.losses(heard[[0, *codecs]]) if codecs else None
        losses[view] = _lost(classes, lost) if lost else []
    for result in observed.results:
        if result.name in observed.measured:
            values = observed.measured[result.name][:, members]
            effects = group.measuring(values, alone=result.alone)
            names = [(result.name, emotion) for emotion in (ALL, *classes)]
            rows += _rows(conditions, (kind, name, ""), names, effects)

    own = [row for row in rows if row.value is not None]
    people = f"{group.speakers} speaker{'s' if group.speakers != 1 else ''}"
    sentences = {
        view: list(
            _sentences(
                f"{len(members):,} clips of {people}".replace(",", "\u202f"),
                view,
                [row for row in own if row.view == view],
                losses[view],
            )
        )
        for view in views
    }
    notes = list(_notes(group.speakers, present))
    return GroupSummary(
        kind, name, len(members), group.speakers, present, losses, sentences, notes
    ), own


def _rows(
    conditions: Sequence[Condition],
    place: tuple[GroupKind, str, str],
    columns: Sequence[tuple[str, str]],
    effects: Effects,
) -> Iterator[Row]:
    for i, condition in enumerate(conditions):
        for j, (number, emotion) in enumerate(columns):
            yield Row(
                place[0],
                place[1],
                condition.name,
                condition.kind,
                condition.codec,
                condition.nominal,
                condition.kbps,
                place[2],
                number,
                emotion,
                _known(effects.value[i, j]),
                _known(effects.value_low[i, j]),
                _known(effects.value_high[i, j]),
                _known(effects.original[i, j]),
                _known(effects.difference[i, j]),
                _known(effects.low[i, j]),
                _known(effects.high[i, j]),
                _known(effects.p[i, j]),
                _known(effects.p_adjusted[i, j]),
                int(effects.clips[i, j]),
                int(effects.speakers[i, j]),
            )


def _median(values: npt.NDArray[np.float32]) -> float | None:
    there = values[np.isfinite(values)]
    return float(np.median(there)) if len(there) else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _lost(classes: Sequence[str], losses: Losses) -> list[Loss]:
    found = [
        Loss(
            name,
            float(losses.difference[i]),
            *(
                _known(values[i])
                for values in (
                    losses.low, losses.high, losses.beside, losses.beside_low,
                    losses.beside_high, losses.p, losses.p_adjusted,
                )
            ),
        )
        for i, name in enumerate(classes)
        if np.isfinite(losses.difference[i])
    ]  # fmt: skip
    return sorted(found, key=lambda one: one.difference)


def _notes(speakers: int, emotions: Sequence[str]) -> Iterator[str]:
    if speakers == 1:
        yield (
            "These clips are of one speaker: numbers can be given, but no interval and no test, "
            "for nothing tells how other speakers would differ."
        )
    elif least_p(speakers) > ALPHA:
        yield (
            f"{speakers} speakers cannot give a p below {least_p(speakers):.2g}: no difference "
            "can be shown to hold for other speakers."
        )
        if speakers < FEWEST:
            yield f"Nor do they give intervals, which would need {FEWEST} speakers to be right."
    else:
        yield f"The smallest p that {speakers} speakers can give here is {least_p(speakers):.2g}."
    if len(emotions) == 1:
        yield (
            f"These clips have one emotion, {emotions[0]}: its recall can be given, but UAR and "
            "macro-F1 are means over several."
        )


def _sentences(
    clips: str, view: View, rows: Sequence[Row], losses: Sequence[Loss]
) -> Iterator[str]:
    """What the rows of one view allow to say, and what they do not."""
    uars = by_difference([row for row in rows if row.number == "uar"])
    recalls = by_difference([row for row in rows if row.number == "recall" and row.kind == "codec"])
    original = next((row for row in uars if row.kind == "original"), None)
    if original and original.value is not None:
        uar = percent(original.value)
        yield f"{HEARD[view].capitalize()}: the originals ({clips}) are heard with UAR {uar}."
    if any(row.p is not None for row in recalls):
        yield from _of_codecs([row for row in uars if row.kind == "codec"])
        yield from _of_emotions(losses)
        yield from _of_pairs(recalls)
        yield from _of_anchors([row for row in uars if row.kind == "anchor"])


def _of_codecs(rows: Sequence[Row]) -> Iterator[str]:
    lost = [row for row in rows if row.shown < 0]
    gained = [row for row in rows if row.shown > 0][::-1]
    if lost:
        examples = ", ".join(f"{row.condition} ({told(row)})" for row in lost[:3])
        most = "most for" if len(lost) > 3 else "for"
        yield f"A loss of UAR is shown {_share(lost, rows)}: {most} {examples}."
    if gained:
        examples = ", ".join(f"{row.condition} ({told(row)})" for row in gained[:3])
        yield f"A gain of UAR is shown {_share(gained, rows)}: {examples}."
    if rest := [row for row in rows if row.shown == 0]:
        room = min((row.low for row in rest if row.low is not None), default=0.0)
        others = _share(rest, rows) if lost or gained else "for any codec"
        room_text = (
            f"; the intervals leave room for losses of up to {100 * -room:.1f} points"
            if room < 0
            else ""
        )
        yield f"No difference of UAR is shown {others}{room_text}."


def _of_emotions(losses: Sequence[Loss]) -> Iterator[str]:
    if len(losses) < 2:
        return
    for word, sign in (("more", -1), ("less", 1)):
        found = [one for one in losses if one.shown == sign][::-sign]
        if found:
            each = ", ".join(f"{one.emotion} ({points(one.difference)})" for one in found)
            highest = max(one.p_adjusted or 0.0 for one in found)
            yield (
                f"In points of recall, on average over all codecs, {each} "
                f"{'is' if len(found) == 1 else 'are'} shown to lose {word} than the other "
                f"emotions (p\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}{highest:.2g})."
            )
    most = losses[0]
    if points(most.difference) == points(0.0) or most.difference > 0:
        yield "On average over all codecs no emotion loses recall."
    elif not any(one.shown < 0 for one in losses):
        yield (
            "That one emotion loses more than the others is not shown; on average over all codecs "
            f"the recall of {most.emotion} changes most towards a loss, "
            f"{_range(most.difference, most.low, most.high)}."
        )


def _of_pairs(rows: Sequence[Row]) -> Iterator[str]:
    for word, sign in (("loss", -1), ("gain", 1)):
        found = [row.emotion for row in rows if row.shown == sign]
        if found:
            often = sorted(set(found), key=lambda emotion: (-found.count(emotion), emotion))
            each = ", ".join(f"{emotion} {found.count(emotion)} ×" for emotion in often)
            yield (
                f"Of single emotions, a {word} of recall is shown for {len(found)} of "
                f"{len(rows)} pairs of codec condition and emotion: {each}."
            )


def _of_anchors(rows: Sequence[Row]) -> Iterator[str]:
    each = "; ".join(f"{row.condition} {told(row)}" for row in rows)
    if any(row.shown < 0 for row in rows):
        yield f"The anchors, for scale: {each}."
    elif rows:
        yield (
            f"Not even for the anchors is a loss shown ({each}): what these clips and this judge "
            "can show is limited."
        )


def _share(rows: Sequence[Row], whole: Sequence[Row]) -> str:
    if len(rows) == len(whole):
        return f"for all {len(whole)} codec conditions" if len(whole) > 1 else "for the codec"
    return f"for {len(rows)} of {len(whole)} codec conditions"


def told(row: Row) -> str:
    """A difference with its interval, in points."""
    return _range(row.difference, row.low, row.high)


def _range(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "–"
    if low is None or high is None:
        return points(value)
    return f"{points(value)} points [{points(low)}, {points(high)}]"


def points(difference: float) -> str:
    """A difference of shares in percentage points: `−12.3`."""
    # Adding 0.0 makes a rounded negative zero positive.
    number = round(100 * difference, 1) + 0.0
    return f"{number:+.1f}".replace("-", "−") if number else "0.0"


def percent(share: float) -> str:
    """`61.2 %`."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
