"""Error rates of all systems on the test clips, and what they allow to say."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.augment.antispoofing.trial import Trial
from emoforge.selection.arms import Estimate
from emoforge.selection.countermeasures import (
    FEATURES,
    ErrorTest,
    Mask,
    ShortcutScores,
    shortcut_scores,
)

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Error rates on some test clips, and how far the ensembles' are above the pooled one's.

    of: what the clips have in common. seen: whether training knows the attack, None where that
    does not apply. pooled: one countermeasure of all emotions; gated: one an emotion, mixed by
    the judge; oracle: by the label.
    """

    of: str
    bonafide: int
    spoof: int
    pooled: Estimate
    gated: Estimate
    oracle: Estimate
    difference: Estimate
    oracle_difference: Estimate
    seen: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack(Row):
    """voices: heard in its test clips; met: those of them that training heard too.

    shortcuts: of the eight features alone, before and after preparation.
    """

    voices: int
    met: int
    before: Estimate
    after: Estimate


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """EER of a logistic regression on the eight features: all, without one, one alone."""

    all: Estimate
    without: Mapping[str, Estimate]
    alone: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Results:
    """overall: all test clips, then those of seen and of unseen attacks where there are both.

    before, after: the shortcut check on the clips as they are stored and as they are prepared.
    agreement: share of test clips in which the judge hears the label, by class.
    """

    speakers: int
    trainings: int
    overall: Sequence[Row]
    emotions: Sequence[Row]
    attacks: Sequence[Attack]
    before: Shortcuts
    after: Shortcuts
    agreement: Mapping[str, float]
    verdict: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return dataclasses.asdict(self)


def results(
    trial: Trial,
    scores: Mapping[str, Scores],
    before: npt.NDArray[np.float64],
    after: npt.NDArray[np.float64],
    seed: int,
) -> Results:
    """Measure on the test clips.

    trial: all clips, n. scores: system → of the test clips, [trainings, test clips]. before, after:
    low-level features [n, 8].
    """
    test = trial.rows("test")
    own = trial.take(test)
    tested = ErrorTest(own.spoof, own.speakers, seed)
    real = ~own.spoof
    seen = np.isin(own.attacks, list(trial.seen))
    everything = np.ones(len(own.clips), bool)

    def row(of: str, rows: Mask, known: bool | None = None) -> Row:
        pooled, gated, oracle = (
            tested.rates(scores[name], rows) for name in ("pooled", "gated", "oracle")
        )
        return Row(
            of=of,
            bonafide=int((rows & real).sum()),
            spoof=int((rows & own.spoof).sum()),
            pooled=pooled.estimate(seed),
            gated=gated.estimate(seed),
            oracle=oracle.estimate(seed),
            difference=gated.less(pooled).estimate(seed),
            oracle_difference=oracle.less(pooled).estimate(seed),
            seen=known,
        )

    overall = [row("all", everything)]
    if (seen & own.spoof).any() and (~seen & own.spoof).any():
        overall += [
            row("seen attacks", real | seen, True),
            row("unseen attacks", ~seen, False),
        ]
    checks = [shortcut_scores(f, trial.spoof, trial.rows("train")) for f in (before, after)]
    attacks = [
        _attack(row(name, real | (own.attacks == name), name in trial.seen), trial, tested, checks)
        for name in np.unique(own.attacks[own.spoof]).tolist()
    ]
    found = Results(
        len(np.unique(own.speakers[real])),
        len(scores["pooled"]),
        overall,
        [row(name, own.emotions == place) for place, name in enumerate(trial.names)],
        attacks,
        _shortcuts(checks[0], test, tested),
        _shortcuts(checks[1], test, tested),
        {
            name: float((own.probabilities.argmax(1) == own.emotions)[rows].mean())
            for name, rows in (("bona fide", real), ("spoofed", own.spoof))
        },
        (),
    )
    return dataclasses.replace(found, verdict=list(_verdict(found)))


def _attack(row: Row, trial: Trial, tested: ErrorTest, checks: Sequence[ShortcutScores]) -> Attack:
    test = trial.rows("test")
    rows = (trial.attacks == row.of) | ~trial.spoof
    voices = set(trial.voices[test & (trial.attacks == row.of)])
    met = voices & set(trial.voices[trial.rows("train")])
    before, after = (tested.rates(check.all[None, test], rows[test]).estimate() for check in checks)
    plain = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return Attack(**plain, voices=len(voices), met=len(met), before=before, after=after)


def _shortcuts(check: ShortcutScores, test: Mask, tested: ErrorTest) -> Shortcuts:
    everything = np.ones(int(test.sum()), bool)

    def rated(scores: Scores) -> Estimate:
        return tested.rates(scores[None, test], everything).estimate()

    return Shortcuts(
        rated(check.all),
        {name: rated(check.without[name]) for name in FEATURES},
        {name: rated(check.alone[name]) for name in FEATURES},
    )


def _verdict(found: Results) -> Iterator[str]:
    """What the numbers allow to say, in a few sentences."""
    everything = found.overall[0]
    gated, oracle = everything.difference, everything.oracle_difference
    if gated.high < 0 or gated.low > 0:
        did = "helped" if gated.high < 0 else "did harm"
        yield f"The gated ensemble {did}: its EER is {points(gated)} from the pooled one's."
    else:
        yield (
            "That the gated ensemble helps is not shown: its EER differs from the pooled "
            f"countermeasure's by {points(gated)}."
        )
    with_label = f"With the true label for a gate the difference is {points(oracle)}"
    if oracle.high < 0 or oracle.low > 0:
        yield f"{with_label}: it does {'better' if oracle.high < 0 else 'worse'}."
    else:
        yield f"{with_label}: not shown either."
    check = found.after.all
    yield (
        f"Eight low-level features alone reach an EER of {told(found.before.all)} on the clips as "
        f"they are stored, and of {told(check)} as they are prepared."
    )
    if check.high < 0.5:
        yield "So part of what the countermeasures detect may still be how the files were made."


def told(one: Estimate) -> str:
    """An error rate, as `4.2 % [2.1, 7.0]`."""
    value, low, high = (100 * number for number in (one.value, one.low, one.high))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def points(one: Estimate) -> str:
    """A difference of error rates, as `−1.0 points [−2.1, +0.3]`."""
    value, low, high = (signed(number) for number in (one.value, one.low, one.high))
    return f"{value} points [{low}, {high}]"


def signed(rate: float) -> str:
    """In percentage points: `+0.3`, `−1.0`, `0.0`."""
    text = f"{100 * rate:+.1f}"
    return "0.0" if text[1:] == "0.0" else text.replace("-", "−")
