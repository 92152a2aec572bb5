"""Making what is planned: workers generate, measure and store; the driver commits the rows."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from emoforge import __version__
from emoforge.audio import Audio, encode_flac
from emoforge.augment.runner import LocalRunner
from emoforge.clip import Clip, Lineage
from emoforge.component import Generator, Outcome, Plan, component_class, create, registered
from emoforge.errors import EmoforgeError, RequirementError, RunStoppedError, WorkspaceError
from emoforge.licence import together
from emoforge.progress import Progress
from emoforge.selection import (
    Decodable,
    Gate,
    Given,
    fingerprint,
    first_rejection,
    measure_all,
)
from emoforge.workspace import AudioStore, Made, Workspace, with_references

_BATCH_S = 60.0
_BATCH_CLIPS = 16
"""A batch is at most this long and this many: what a kill loses."""
SETUP = "setup"
"""Reason of a failure that is its generator's and not its own."""

Task = tuple[Clip, Plan]


@dataclass
class MakeCandidates:
    """What a worker does with a batch of tasks of one generator."""

    generators: Mapping[str, Generator]
    audio: AudioStore
    gates: Sequence[Gate]
    _loaded: str = field(default="", init=False)
    _broken: dict[str, str] = field(default_factory=dict, init=False)

    def run(self, batch: Sequence[Task]) -> list[Made]:
        """Generate, measure and store a batch; a bad item fails alone.

        Raises WorkspaceError where audio cannot be stored, for then no item can be.
        """
        generator = self.generators[batch[0][1].generator]
        if problem := self._load(generator):
            return [Made(plan.id, "failed", SETUP, problem, {}) for _, plan in batch]
        clips, plans = zip(*batch, strict=True)
        outcomes = generator.apply_batch(clips, [plan.params for plan in plans])
        return [self._made(*row) for row in zip(clips, plans, outcomes, strict=True)]

    def _load(self, generator: Generator) -> str:
        """Make a generator ready, one's models at a time; why it cannot be made so, or ""."""
        name = generator.name
        if self._loaded == name or name in self._broken:
            return self._broken.get(name, "")
        try:
            generator.setup()
        except EmoforgeError as error:
            self._broken[name] = str(error)
        except Exception as error:  # such as too little memory for its weights
            self._broken[name] = f"{name} cannot be set up ({type(error).__name__}: {error})"
        else:
            for gate in () if self._loaded else self.gates:
                gate.setup()
            self._loaded = name
        return self._broken.get(name, "")

    def crashed(self, item: Task) -> Made:
        """The outcome of a task that killed its worker."""
        return Made(item[1].id, "failed", "crash", "the generator crashed its worker process", {})

    def _made(self, clip: Clip, plan: Plan, outcome: Outcome) -> Made:
        if outcome.audio is None:
            return Made(plan.id, outcome.status, outcome.reason, outcome.detail, outcome.measured)
        try:
            return self._measured(clip, plan, outcome, outcome.audio)
        except WorkspaceError:
            raise
        except EmoforgeError as error:
            kind, sentence = type(error).__name__, str(error)
        except Exception as error:  # such as audio of a shape that no gate can measure
            kind, sentence = type(error).__name__, f"{type(error).__name__}: {error}"
        return Made(plan.id, "failed", kind, sentence, outcome.measured)

    def _measured(self, clip: Clip, plan: Plan, outcome: Outcome, audio: Audio) -> Made:
        values = measure_all(self.gates, audio, given(clip, plan))
        measured = {**outcome.measured, **values}
        # What is not finite or does not survive encoding cannot be stored for a later verdict.
        if rejection := first_rejection([Decodable()], values):
            reason, sentence = rejection
            return Made(plan.id, "rejected", reason, sentence, measured)
        flac = encode_flac(audio)
        key = self.audio.write(plan.id, flac)
        terms = self.generators[plan.generator].licence(plan.params)
        digest = hashlib.blake2b(flac).hexdigest()
        candidate = candidate_clip(clip, plan, audio, key, digest, terms)
        return Made(plan.id, "ok", "", "", measured, fingerprint(audio), candidate)


def measuring_gates(gates: Sequence[Gate]) -> list[Gate]:
    """Those gates, and all that measure always: others can be put in force later."""
    named = {gate.name for gate in gates}
    always = [
        cast(Gate, create("gate", name))
        for name in registered("gate")
        if name not in named and cast(type[Gate], component_class("gate", name)).always
    ]
    return [*gates, *always]


def given(clip: Clip, plan: Plan) -> Given:
    """What a candidate of this plan is measured against; raises AudioError."""
    source = None if clip.is_line else clip.read()
    return Given(plan.promise, source, [reference.read() for reference in clip.references])


def candidate_clip(
    parent: Clip, plan: Plan, audio: Audio, path: str, digest: str, licence: str = ""
) -> Clip:
    """The clip that a plan became: what it promised, and its parent's split.

    The licences of all that it was made of hold for it, and `licence`, its generator's; consent is
    that of the voice which it has.
    """
    references = parent.references
    made_of = {one.id: one for one in (parent, *references) if not one.is_line}.values()
    return Clip(
        id=plan.id,
        path=path,
        duration=audio.duration,
        rate=audio.rate,
        digest=digest,
        label=plan.promise.label,
        speaker=plan.promise.speaker,
        corpus=parent.corpus,
        text=plan.promise.text,
        language=plan.promise.language,
        gender=plan.promise.gender,
        split=parent.split,
        licence=together(parent.licence, *(one.licence for one in references), licence),
        consent=(references[0] if references else parent).consent,
        lineage=Lineage(
            parents=tuple(one.id for one in made_of),
            parent_digests=tuple(one.digest for one in made_of),
            component=plan.generator,
            component_version=plan.version,
            params=plan.params,
            weights=plan.weights,
            emoforge=__version__,
        ),
    )


def generate(
    workspace: Workspace,
    generators: Mapping[str, Generator],
    candidates: Collection[str],
    gates: Sequence[Gate],
    *,
    workers: int,
    max_failures: float,
    retry_failed: bool,
    progress: Progress,
) -> Counter[str]:
    """Make what is pending of the candidates; counts of outcomes by status.

    candidates: ids of what is asked for. gates: what is measured, beside all that always are.

    Raises RunStoppedError, with the reasons counted, once more than `max_failures` have failed
    (a number, or below 1 a fraction of all that is planned, so that a run that was stopped near
    its end is allowed what it was at its beginning). What was done stays. A generator that cannot
    be set up is left out, and noted, without counting; RequirementError where that leaves none.
    """
    pending = workspace.pending(generators, retry_failed=retry_failed, among=candidates)
    planned = len(candidates)
    allowed = max_failures if max_failures >= 1 else max_failures * planned
    statuses: Counter[str] = Counter()
    broken: dict[str, int] = {}
    failures: Counter[str] = Counter()
    examples: dict[str, str] = {}
    job = MakeCandidates(generators, workspace.audio, measuring_gates(gates))
    here = [row for row in pending if generators[row[1]].in_process]
    pooled = [row for row in pending if not generators[row[1]].in_process]
    with progress.stage("generate", len(pending)) as advance:
        for made in itertools.chain(
            LocalRunner(job, workers if pooled else 0).run(_work(workspace, pooled)),
            LocalRunner(job, 0).run(_work(workspace, here)),
        ):
            workspace.add_outcomes(made)
            advance(len(made))
            statuses.update(row.status for row in made)
            for row in made:
                if row.reason == SETUP:
                    broken.setdefault(row.detail, 0)
                    broken[row.detail] += 1
                elif row.status == "failed":
                    failures[row.reason] += 1
                    examples.setdefault(row.reason, row.detail)
            if failures.total() > allowed:
                reasons = "\n".join(
                    f"  {count} × {reason}, as: {examples[reason]}"
                    for reason, count in failures.most_common()
                )
                raise RunStoppedError(
                    f"stopped: {failures.total()} of {statuses.total()} candidates failed, "
                    f"max_failures={max_failures:g} allows {allowed:g} of {planned} planned; "
                    f"what was made is kept, the reasons were:\n{reasons}"
                )
    for sentence in broken:
        progress.note(sentence)
    if broken and sum(broken.values()) == statuses.total():
        raise RequirementError("; ".join(broken))
    return statuses


def _batches(pending: Sequence[tuple[str, str, float]]) -> Iterator[list[str]]:
    """Ids of one generator and of like duration, batch by batch (`pending` is sorted so)."""
    batch: list[str] = []
    generator, seconds = "", 0.0
    for candidate, name, duration in pending:
        full = len(batch) == _BATCH_CLIPS or seconds + duration > _BATCH_S
        if batch and (full or name != generator):
            yield batch
            batch, seconds = [], 0.0
        batch.append(candidate)
        generator, seconds = name, seconds + duration
    if batch:
        yield batch


def _work(workspace: Workspace, pending: Sequence[tuple[str, str, float]]) -> Iterator[list[Task]]:
    return (tasks(workspace, ids) for ids in _batches(pending))


def tasks(workspace: Workspace, ids: Sequence[str]) -> list[Task]:
    """The named candidates' plans, each with what it is made from."""
    plans = workspace.plans(ids)
    sources = workspace.sources(
        name for plan in plans.values() for name in (plan.parent, *plan.references)
    )
    return [(with_references(plans[id_], sources), plans[id_]) for id_ in ids]
