"""Making what is planned: workers generate, measure and store; the driver commits the rows."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from emoforge import __version__
from emoforge.audio import Audio, encode_flac
from emoforge.augment.runner import LocalRunner
from emoforge.clip import Clip, Lineage
from emoforge.component import Generator, Outcome, Plan, create, registered
from emoforge.errors import EmoforgeError, RunStoppedError, WorkspaceError
from emoforge.progress import Progress
from emoforge.selection import Decodable, Gate, fingerprint, first_rejection, measure_all
from emoforge.workspace import AudioStore, Made, Workspace

_BATCH_S = 60.0
_BATCH_CLIPS = 16
"""A batch is at most this long and this many: what a kill loses."""

Task = tuple[Clip, Plan]


@dataclass
class MakeCandidates:
    """What a worker does with a batch of tasks of one generator."""

    generators: Mapping[str, Generator]
    audio: AudioStore
    _loaded: str = field(default="", init=False)
    # Every gate measures, whichever are in force: others can be put in force later.
    gates: Sequence[Gate] = field(
        default_factory=lambda: [cast(Gate, create("gate", name)) for name in registered("gate")]
    )

    def run(self, batch: Sequence[Task]) -> list[Made]:
        """Generate, measure and store a batch; a bad item fails alone.

        Raises WorkspaceError where audio cannot be stored, for then no item can be.
        """
        generator = self.generators[batch[0][1].generator]
        if self._loaded != generator.name:  # one generator's models at a time
            generator.setup()
            self._loaded = generator.name
        clips, plans = zip(*batch, strict=True)
        outcomes = generator.apply_batch(clips, [plan.params for plan in plans])
        return [self._made(*row) for row in zip(clips, plans, outcomes, strict=True)]

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
        values = measure_all(self.gates, audio, clip.read(), plan.promise)
        measured = {**outcome.measured, **values}
        # What is not finite or does not survive encoding cannot be stored for a later verdict.
        if rejection := first_rejection([Decodable()], values):
            reason, sentence = rejection
            return Made(plan.id, "rejected", reason, sentence, measured)
        flac = encode_flac(audio)
        key = self.audio.write(plan.id, flac)
        candidate = candidate_clip(clip, plan, audio, key, hashlib.blake2b(flac).hexdigest())
        return Made(plan.id, "ok", "", "", measured, fingerprint(audio), candidate)


def candidate_clip(parent: Clip, plan: Plan, audio: Audio, path: str, digest: str) -> Clip:
    """The clip that a plan became: what it promised, and its parent's split and licence."""
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
        licence=parent.licence,
        lineage=Lineage(
            parents=(parent.id,),
            parent_digests=(parent.digest,),
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
    candidates: Mapping[str, Collection[str]],
    *,
    workers: int,
    max_failures: float,
    retry_failed: bool,
    progress: Progress,
) -> Counter[str]:
    """Make what is pending of the candidates; counts of outcomes by status.

    candidates: ids by generator, as planned.

    Raises RunStoppedError, with the reasons counted, once more than `max_failures` have failed
    (a number, or below 1 a fraction of all that is planned, so that a run that was stopped near
    its end is allowed what it was at its beginning). What was done stays.
    """
    among = set().union(*candidates.values())
    pending = workspace.pending(generators, retry_failed=retry_failed, among=among)
    planned = len(among)
    allowed = max_failures if max_failures >= 1 else max_failures * planned
    statuses: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    examples: dict[str, str] = {}
    job = MakeCandidates(generators, workspace.audio)
    batches = (_tasks(workspace, ids) for ids in _batches(pending))
    with progress.stage("generate", len(pending)) as advance:
        for made in LocalRunner(job, workers if pending else 0).run(batches):
            workspace.add_outcomes(made)
            advance(len(made))
            statuses.update(row.status for row in made)
            for row in made:
                if row.status == "failed":
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


def _tasks(workspace: Workspace, ids: Sequence[str]) -> list[Task]:
    plans = workspace.plans(ids)
    clips = {clip.id: clip for clip in workspace.clips(ids=[p.parent for p in plans.values()])}
    return [(clips[plans[id_].parent], plans[id_]) for id_ in ids]
