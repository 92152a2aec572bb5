"""Making a candidate again from its lineage, to prove that it can be."""

from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from emoforge.audio import Audio, pcm16
from emoforge.augment.importing import checked
from emoforge.component import Generator, create
from emoforge.errors import AudioError, WorkspaceError
from emoforge.workspace import Workspace


@dataclass(frozen=True)
class Replay:
    """How the sound made again compares with the stored one.

    identical: every 16-bit sample is the same. largest_difference: in 16-bit steps.
    """

    id: str
    generator: str
    parent: str
    params: dict[str, Any]
    samples: int
    identical: bool
    largest_difference: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return asdict(self)


def replay_candidate(workspace: Workspace, candidate: str) -> tuple[Replay, Audio]:
    """Make a stored candidate again (`candidate`: its id or the beginning of it) and compare.

    Raises WorkspaceError if there is no such candidate or it was never made, if its source is
    not what it was, or if the generator's version or weights are not those that made it.
    """
    identity = workspace.find(candidate)
    plan = workspace.plan(identity)
    made = next(workspace.clips(ids=[identity]), None)
    if made is None:
        raise WorkspaceError(f"{workspace.location}: candidate {identity} has no audio to compare")
    generator = _generator(workspace, plan.generator)
    for what, then, now in (
        ("version", plan.version, generator.version),
        ("weights", plan.weights, generator.weights),
    ):
        if then != now:
            raise WorkspaceError(
                f"{identity}: was made with {plan.generator} {what} {then}, here is {now}; "
                "install the emoforge that made it (see its lineage)"
            )
    parent = workspace.source(plan)
    for clip in (parent, *parent.references):
        recording = clip.lineage is None and not clip.is_line
        if recording and checked(clip).digest != clip.digest:
            raise WorkspaceError(f"{clip.path}: is not the recording that {identity} was made from")
    generator.check_requirements()
    generator.setup()
    outcome = generator.apply_batch([parent], [plan.params])[0]
    if outcome.audio is None:
        raise AudioError(f"{identity}: could not be made again: {outcome.detail}")
    again, stored = pcm16(outcome.audio.samples), pcm16(made.read().samples)
    same_length = len(again) == len(stored)
    difference = np.abs(again.astype(np.int32) - stored) if same_length else np.array([2**16])
    result = Replay(
        identity,
        plan.generator,
        plan.parent,
        dict(plan.params),
        len(again),
        bool(np.array_equal(again, stored)),
        int(difference.max(initial=0)),
    )
    return result, outcome.audio


def _generator(workspace: Workspace, name: str) -> Generator:
    """As the last run had it, for where weights are stands in no candidate's parameters."""
    run = workspace.last_run(finished=False)
    options = dict(run["config"]["generators"].get(name, {})) if run else {}
    options.pop("copies", None)
    return cast(Generator, create("generator", name, options))
