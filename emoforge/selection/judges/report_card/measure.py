"""The sections of a judge's report card, measured on recordings and on what was made of them."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.component import rng_for
from emoforge.errors import AudioError, ConfigError, CorpusError
from emoforge.label import scheme as scheme_named
from emoforge.progress import Progress
from emoforge.selection.judges.judge import Encoding, Judge
from emoforge.selection.judges.report_card.human import human
from emoforge.selection.judges.report_card.machine import batch_invariance, throughput
from emoforge.selection.judges.report_card.reliability import calibration
from emoforge.selection.judges.report_card.sample import Sample, listen
from emoforge.selection.judges.report_card.source_probe import MOST, source_probe
from emoforge.selection.judges.report_card.triplets import triplets
from emoforge.selection.judges.report_card.votes import agreement
from emoforge.workspace import Vote, Workspace

_BATCH = 12
_TIMED = 48


def measure_judge(
    judge: Judge, clips: Sequence[Clip], workspace: Workspace | None, progress: Progress
) -> dict[str, Any]:
    """Hear people (`clips`) and machines (`workspace`) with a judge; plain JSON values.

    What the workspace has encoded already is not encoded again. Without a workspace, or with
    one that has nothing to compare, `source_probe` and `votes` are None. Raises CorpusError if
    no clip can be judged, ConfigError for an encoder without a head.
    """
    if not judge.schemes:
        raise ConfigError(
            f"the judge '{judge.name}' knows no emotion: give it a head, judge.head=…"
        )
    sample = listen(judge, clips, _known(workspace, judge, clips), progress)
    if not len(sample):
        raise CorpusError("the judge can hear none of the corpus's clips")
    schemes = [
        s for name in judge.schemes for s in [scheme_named(name)] if len(sample.labelled(s)[0])
    ]
    if not schemes:
        raise CorpusError(
            "no clip of the corpus has an emotion of the judge's schemes, "
            f"{', '.join(judge.schemes)}"
        )
    widest = max(schemes, key=lambda s: len(s.classes))
    votes = workspace.votes() if workspace else []
    real, made = _of_workspace(workspace, judge, votes, progress) if workspace else (None, None)
    listened = {vote.clip for vote in votes}
    with progress.stage("measure", 5) as advance:
        found: dict[str, Any] = {
            "human": {s.name: human(sample, s) for s in schemes},
            "calibration": {s.name: calibration(sample, s) for s in schemes},
        }
        advance(1)
        found["source_probe"] = source_probe(real, made) if real and made else None
        advance(1)
        found["triplets"] = triplets(sample.labelled(widest)[0])
        advance(1)
        found["votes"] = None
        if real is not None and made is not None and listened:
            both = [part.take(_among(part, listened)) for part in (real, made)]
            found["votes"] = {
                s.name: {k: v for part in both for k, v in agreement(part, votes, s).items()}
                for s in schemes
            }
        advance(1)
        found["batch_invariance"] = batch_invariance(judge, _audios(judge, sample.clips, _BATCH))
        found["throughput"] = throughput(judge, _audios(judge, sample.clips, _TIMED))
        advance(1)
    found["measured_on"] = {
        "corpora": {
            str(name): {
                "clips": int((sample.corpora == name).sum()),
                "speakers": len(np.unique(sample.groups[sample.corpora == name])),
            }
            for name in np.unique(sample.corpora)
        },
        "unheard": len(clips) - len(sample),
        "recordings": {
            str(name): int((real.corpora == name).sum()) for name in np.unique(real.corpora)
        }
        if real
        else {},
        "made": {
            str(name): int((made.generators == name).sum()) for name in np.unique(made.generators)
        }
        if made
        else {},
        "votes": len(votes),
    }
    return found


def _of_workspace(
    workspace: Workspace, judge: Judge, votes: Sequence[Vote], progress: Progress
) -> tuple[Sample, Sample]:
    """Recordings and candidates: all that have votes, and of each generator some at random."""
    voted = {vote.clip for vote in votes}
    sides = []
    speakers = {clip.id: clip.speaker for clip in workspace.clips(generated=False)}
    for generated in (False, True):
        by_maker: dict[str, list[str]] = {}
        for clip in workspace.clips(generated=generated):
            maker = clip.lineage.component if clip.lineage else ""
            by_maker.setdefault(maker, []).append(clip.id)
        chosen = voted.intersection(*[[i for ids in by_maker.values() for i in ids]])
        for maker, ids in by_maker.items():
            chosen |= set(rng_for("card", maker).permutation(ids)[: 2 * MOST].tolist())
        clips = list(workspace.clips(ids=chosen))
        sides.append(listen(judge, clips, _known(workspace, judge, clips), progress, speakers))
    return sides[0], sides[1]


def _known(
    workspace: Workspace | None, judge: Judge, clips: Collection[Clip]
) -> dict[str, Encoding]:
    """What the workspace has of the judge's encodings of these very clips."""
    if workspace is None:
        return {}
    own = {clip.id: clip.digest for clip in workspace.clips(ids=[clip.id for clip in clips])}
    same = [clip.id for clip in clips if own.get(clip.id) == clip.digest]
    return {
        row.clip: Encoding(row.embedding, row.native)
        for row in workspace.encodings(judge.encoder, same)
    }


def _among(sample: Sample, ids: Collection[str]) -> npt.NDArray[np.bool_]:
    return np.array([clip.id in ids for clip in sample.clips], dtype=bool)


def _audios(judge: Judge, clips: Sequence[Clip], count: int) -> list[npt.NDArray[np.float32]]:
    """Decoded clips from the shortest to the longest, evenly spread over their durations."""
    ordered = sorted(clips, key=lambda clip: (clip.duration, clip.id))
    places = np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))
    audios = []
    for place in places.tolist():
        try:
            audios.append(ordered[place].read(judge.rate).samples)
        except AudioError:  # encoded in the workspace once, and gone since
            continue
    return audios
