"""What does not depend on emotion: the same answer in any batch, and how long it takes."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.selection.judges.judge import Encoding, Judge

TOLERANCE = 1e-4

Audios = Sequence[npt.NDArray[np.float32]]


def batch_invariance(judge: Judge, audios: Audios) -> dict[str, Any] | None:
    """How much answers differ between a clip alone, in a batch, and in the batch turned round.

    probability: the largest absolute difference; embedding: the largest length of a difference,
    in lengths of the embedding. None where no clip can be judged.
    """
    alone = [judge.encode([audio])[0] for audio in audios]
    usable = [i for i, answer in enumerate(alone) if isinstance(answer, Encoding)]
    if not usable:
        return None
    chosen = [audios[i] for i in usable]
    reference = [answer for answer in alone if isinstance(answer, Encoding)]
    in_batch = judge.encode(chosen)
    turned = judge.encode(chosen[::-1])[::-1]
    said = judge.distributions(reference)
    probability = embedding = 0.0
    for answers in (in_batch, turned):
        found = [answer for answer in answers if isinstance(answer, Encoding)]
        for own, first, heard, before in zip(
            found, reference, judge.distributions(found), said, strict=True
        ):
            length = float(np.linalg.norm(first.embedding))
            away = float(np.linalg.norm(own.embedding - first.embedding))
            embedding = max(embedding, away / max(length, 1e-12))
            probability = max(
                probability,
                *(float(np.abs(np.subtract(heard[name], before[name])).max()) for name in before),
            )
    return {
        "clips": len(usable),
        "probability": float(f"{probability:.2g}"),
        "embedding": float(f"{embedding:.2g}"),
        "ok": embedding <= TOLERANCE and probability <= TOLERANCE,
    }


def throughput(judge: Judge, audios: Audios) -> dict[str, Any]:
    """How fast a judge hears decoded clips, in one batch; the first run is not counted."""
    judge.encode(audios[:1])
    began = time.perf_counter()
    judge.distributions([a for a in judge.encode(audios) if isinstance(a, Encoding)])
    seconds = time.perf_counter() - began
    speech = sum(len(audio) for audio in audios) / judge.rate
    torch = sys.modules.get("torch")
    return {
        "clips": len(audios),
        "speech_s": round(speech, 1),
        "seconds": round(seconds, 3),
        "clips_per_s": round(len(audios) / seconds, 1),
        "times_real_time": round(speech / seconds, 1),
        "device": str(getattr(judge, "device", "cpu")),
        "threads": torch.get_num_threads() if torch else 1,
    }
