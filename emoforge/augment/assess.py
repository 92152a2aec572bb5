"""Gating, judging and selecting what was generated: each reads the workspace and adds rows."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.augment.generate import given, tasks
from emoforge.augment.runner import LocalRunner
from emoforge.clip import Clip
from emoforge.component import Plan, digest
from emoforge.errors import AudioError, EmoforgeError
from emoforge.label import Scheme
from emoforge.progress import Progress
from emoforge.selection import (
    Duplicate,
    Encoding,
    Gate,
    Judge,
    Round,
    Selector,
    first_rejection,
    load_material,
)
from emoforge.selection.judges import encode_batches
from emoforge.workspace import Encoded, Made, Scored, Workspace

_SHORTEST_S = 2.0
"""What shorter clips count for in a batch."""
_COMMIT = 500
_LATE = 16


def gates_key(gates: Sequence[Gate]) -> str:
    """Key of the verdicts of these gates with these limits."""
    return digest([gate.signature() for gate in gates])


def gate_candidates(
    workspace: Workspace, gates: Sequence[Gate], progress: Progress, workers: int = 0
) -> str:
    """Judge by the stored measurements every made candidate that these gates have not judged.

    What a gate did not measure when the candidate was made is measured now, by so many workers.
    Returns the key under which the verdicts stand. A candidate is compared with the siblings
    before it, so a family's verdicts are added together; those of siblings that are made later
    (a retry, more copies) come after them, and earlier verdicts stay.
    """
    key = gates_key(gates)
    duplicate = next((gate for gate in gates if isinstance(gate, Duplicate)), None)
    batch: list[tuple[str, str, str]] = []
    waiting = workspace.ungated_count(key)
    if not waiting:
        return key
    _measure_late(workspace, key, gates, progress, workers)
    late = workspace.measured_late()
    with progress.stage("gate", waiting) as advance:
        for _, family in workspace.ungated(key):
            verdicts = list(_verdicts(family, gates, duplicate, late))
            batch += verdicts
            advance(len(verdicts))
            if len(batch) >= _COMMIT:
                workspace.add_verdicts(key, batch)
                batch = []
        workspace.add_verdicts(key, batch)
    return key


Late = Mapping[str, Mapping[str, float | str | None]]
"""Candidate → gate's key → what was measured later, or the error."""


@dataclass(frozen=True)
class _MeasureLate:
    """What a worker does with candidates that a gate has not measured: (candidate, from, plan)."""

    gate: Gate

    def run(
        self, batch: Sequence[tuple[Clip, Clip, Plan]]
    ) -> list[tuple[str, str, float | str | None]]:
        self.gate.setup()
        return [self._row(*item) for item in batch]

    def _row(self, made: Clip, source: Clip, plan: Plan) -> tuple[str, str, float | str | None]:
        try:
            value: float | str | None = self.gate.measure(made.read(), given(source, plan))
        except EmoforgeError as error:
            value = f"could not be measured: {error}"
        except Exception as error:
            value = f"could not be measured: {type(error).__name__}: {error}"
        return made.id, self.gate.key, value

    def crashed(self, item: tuple[Clip, Clip, Plan]) -> tuple[str, str, float | str | None]:
        return item[0].id, self.gate.key, "could not be measured: it crashed the worker process"


def _measure_late(
    workspace: Workspace, key: str, gates: Sequence[Gate], progress: Progress, workers: int
) -> None:
    done = workspace.measured_late()
    waiting: dict[str, list[str]] = {gate.key: [] for gate in gates}
    for _, family in workspace.ungated(key):
        for made, verdict in family:
            if verdict is None:
                known = made.measured.keys() | done.get(made.candidate, {}).keys()
                for gate in gates:
                    if gate.key not in known:
                        waiting[gate.key].append(made.candidate)
    for gate in gates:
        ids = waiting[gate.key]
        if not ids:
            continue
        batches = (
            [(clip, *made) for clip, made in _with_clips(workspace, ids[at : at + _LATE])]
            for at in range(0, len(ids), _LATE)
        )
        with progress.stage(f"measure {gate.name}", len(ids)) as advance:
            for rows in LocalRunner(_MeasureLate(gate), workers).run(batches):
                workspace.add_measurements(rows)
                advance(len(rows))


def _with_clips(
    workspace: Workspace, ids: Sequence[str]
) -> Iterator[tuple[Clip, tuple[Clip, Plan]]]:
    made = {clip.id: clip for clip in workspace.clips(ids=ids)}
    for candidate, task in zip(ids, tasks(workspace, ids), strict=True):
        yield made[candidate], task


def _verdicts(
    family: Sequence[tuple[Made, str | None]],
    gates: Sequence[Gate],
    duplicate: Duplicate | None,
    late: Late,
) -> Iterator[tuple[str, str, str]]:
    new = [made for made, gate in family if gate is None]
    rejections = {made.candidate: _rejection(gates, made, late) for made in new}
    passed = _fingerprints(made for made, gate in family if gate == "")
    prints = _fingerprints(made for made in new if rejections[made.candidate] is None)
    siblings = duplicate.siblings(prints, passed) if duplicate else {}
    for made in new:
        gate, sentence = rejections[made.candidate] or ("", "")
        if duplicate and made.candidate in siblings:
            other, similarity = siblings[made.candidate]
            gate = duplicate.name
            sentence = f"the similarity to its sibling {other} is {similarity:.2f}"
        yield made.candidate, gate, sentence


def _rejection(gates: Sequence[Gate], made: Made, late: Late) -> tuple[str, str] | None:
    values = dict(made.measured)
    for key, value in late.get(made.candidate, {}).items():
        if not isinstance(value, str):
            values[key] = value
        elif gate := next((gate for gate in gates if gate.key == key), None):
            return gate.name, value
    return first_rejection(gates, values)


def _fingerprints(family: Iterable[Made]) -> dict[str, npt.NDArray[np.float32]]:
    return {made.candidate: made.fingerprint for made in family if made.fingerprint is not None}


def judge_clips(workspace: Workspace, judge: Judge, gates: str, progress: Progress) -> str:
    """Score recordings and candidates past the gates that this judge has not scored.

    Returns the judge's key. What its encoder has encoded before (for another head) is not
    encoded again. Batches are cut from the whole list, scored or not, so that a resumed run
    encodes each clip in the company that it would have had undisturbed: sums in another order
    would differ in the last digit.
    """
    clips = workspace.judgeable(judge.key, gates)
    batches = [
        [clip for clip, scored in batch if not scored]
        for batch in _like_durations(clips, judge.at_once_s)
    ]
    batches = [batch for batch in batches if batch]
    with progress.stage("judge", sum(map(len, batches))) as advance:
        if not batches:
            return judge.key
        known: set[str] = set()
        for batch in batches:
            encoded = list(workspace.encodings(judge.encoder, batch))
            _add(
                workspace, judge, {row.clip: Encoding(row.embedding, row.native) for row in encoded}
            )
            known |= {row.clip for row in encoded}
            advance(len(encoded))
        batches = [[clip for clip in batch if clip not in known] for batch in batches]
        if batches := [batch for batch in batches if batch]:
            clips_of = (list(workspace.clips(ids=batch)) for batch in batches)
            for answers in encode_batches(judge, clips_of, Clip.read):
                _add(workspace, judge, {clip.id: answer for clip, answer in answers})
                advance(len(answers))
    return judge.key


def _add(workspace: Workspace, judge: Judge, answers: Mapping[str, Encoding | AudioError]) -> None:
    encodings = {clip: e for clip, e in answers.items() if isinstance(e, Encoding)}
    heard = zip(encodings, judge.distributions(list(encodings.values())), strict=True)
    scores = [Scored(clip, distributions) for clip, distributions in heard]
    scores += [Scored(clip, {}, str(e)) for clip, e in answers.items() if clip not in encodings]
    rows = [Encoded(clip, e.embedding, e.native) for clip, e in encodings.items()]
    workspace.add_judged(judge.encoder, rows, judge.key, scores)


def select_candidates(
    workspace: Workspace,
    selector: Selector,
    scheme: Scheme,
    judge: Judge,
    gates: Sequence[Gate],
    splits: Collection[str],
    seed: int = 0,
) -> str:
    """Decide on all scored candidates; returns the selection's key.

    splits: those that candidates are made for; how many recordings of each emotion the workspace
    has in them is the class prior.
    """
    key_of_gates = gates_key(gates)
    config: dict[str, Any] = {
        "scheme": scheme.name,
        "judge": judge.key,
        "encoder": judge.encoder,
        "gates": key_of_gates,
        "gate_options": [gate.signature() for gate in gates],
        "selector": selector.signature(),
        "splits": sorted(splits),
        "seed": seed,
    }
    key = digest(config, workspace.scored_ids(judge.key, key_of_gates))
    if workspace.selection_config(key) is not None:
        return key
    material = load_material(workspace, judge, key_of_gates, scheme, splits)
    counts = material.train.counts(len(scheme.classes)).tolist()
    config["prior"] = dict(zip(scheme.classes, counts, strict=True))
    count = len(material.candidates)
    choice = selector.select(
        material,
        seed=seed,
        done=[Round(number, kept[:count], log) for number, log, kept in workspace.rounds(key)],
        note=lambda found: workspace.add_round(key, found.number, found.log, found.keep),
    )
    workspace.add_selection(key, config, choice.decisions(material.candidates.ids))
    return key


def _like_durations(
    clips: Iterable[tuple[str, float, bool]], seconds: float
) -> Iterator[list[tuple[str, bool]]]:
    """(id, scored) in batches of like duration (`clips` are sorted so), of so many seconds."""
    batch: list[tuple[str, bool]] = []
    longest = 0.0
    for clip, duration, scored in clips:
        longest = max(longest, duration, _SHORTEST_S)
        if batch and longest * (len(batch) + 1) > seconds:
            yield batch
            batch, longest = [], max(duration, _SHORTEST_S)
        batch.append((clip, scored))
    if batch:
        yield batch
