"""How well a judge hears people: recalls under one scheme, corpus by corpus."""

from typing import Any

import numpy as np

from emoforge.label import Scheme
from emoforge.selection.judges.metrics import confusion
from emoforge.selection.judges.report_card.sample import Sample
from emoforge.selection.judges.tested import Tested, tables

_SMALLEST = 1e-12


def human(sample: Sample, scheme: Scheme) -> dict[str, Any]:
    """Corpus → UAR, macro-F1 and recalls over its classes, with intervals over its speakers.

    The judge's answer is the most probable of the corpus's classes; in `confusion`, carried
    (`confusion_of`) by heard (all classes of the scheme), it may be any, as the judge is used.
    """
    known, labels = sample.labelled(scheme)
    heard = known.distributions[scheme.name]
    logits = np.log(np.maximum(heard, _SMALLEST)).astype(np.float32)
    found: dict[str, Any] = tables(Tested.of(known.clips, logits, scheme), scheme)
    for corpus, row in found.items():
        mine = known.corpora == corpus
        counts = confusion(labels[mine], heard[mine].argmax(1), len(scheme.classes))
        carried = np.flatnonzero(counts.sum(1))
        row["confusion_of"] = [scheme.classes[c] for c in carried]
        row["confusion"] = counts[carried].tolist()
    return {name: row for name, row in sorted(found.items()) if row["clips"]}
