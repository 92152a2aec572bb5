"""Training a judge's head on a corpus: encode once, measure on unmet speakers, train on all."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.label import Scheme
from emoforge.label import scheme as scheme_named
from emoforge.progress import Advance, Progress
from emoforge.selection.judges.card import read_card, save_card
from emoforge.selection.judges.card_place import card_of, card_path
from emoforge.selection.judges.encoded import Encoded, encode_clips
from emoforge.selection.judges.heads import Head, Heads, fit_head
from emoforge.selection.judges.judge import Judge
from emoforge.selection.judges.recipe import HeadRecipe
from emoforge.selection.judges.tested import Tested, speaker_folds, summary


def train_heads(
    clips: Sequence[Clip],
    judge: Judge,
    recipe: HeadRecipe,
    out: Path,
    *,
    runs: Path,
    evaluate: bool = True,
    folds: int = 5,
    seed: int = 0,
    progress: Progress,
) -> dict[str, Any]:
    """Train heads for a judge's encoder, and write them to `out` and their card beside it.

    clips: with their content digests. runs: the folder that keeps the embeddings for the next
    call. evaluate: measure the recipe on held-out speakers and corpora, which gives the card and
    the temperatures; without it probabilities are not calibrated.
    Returns what was measured, as `evaluate_heads` does, and the corpora among these that the
    encoder's card says it was trained on (`familiar`); {} without `evaluate`.
    Raises CorpusError for a class without examples, and for one speaker alone to measure on.
    """
    encoded = encode_clips(judge, clips, runs, progress)
    schemes = [scheme_named(name) for name in recipe.schemes]
    # First, for what is wrong with the corpus shows in it, and measuring takes longer.
    heads = {scheme.name: _fit(encoded, scheme, recipe, seed) for scheme in schemes}
    evaluation: dict[str, Any] = {}
    if evaluate:
        evaluation = evaluate_heads(encoded, recipe, folds=folds, seed=seed, progress=progress)
        evaluation["familiar"] = _familiar(judge, encoded.clips)
        if evaluation["familiar"]:
            progress.note(
                f"the encoder was trained on {', '.join(evaluation['familiar'])}: what is measured "
                "there is too good"
            )
        heads = {
            name: dataclasses.replace(
                head, temperature=evaluation[name]["calibration"]["temperature"]
            )
            for name, head in heads.items()
        }
    about = {
        "seed": seed,
        "calibrated": evaluate,
        "clips": len(encoded.clips),
        "speakers": len({(clip.corpus, clip.speaker) for clip in encoded.clips}),
        "corpora": dict(Counter(clip.corpus for clip in encoded.clips)),
        "licences": sorted({clip.licence for clip in encoded.clips if clip.licence}),
    }
    trained = Heads(judge.encoder, heads, recipe, about)
    trained.save(out)
    if evaluate:
        own = dataclasses.replace(judge, head=str(out))
        card = {
            "judge": judge.name,
            "key": own.key,
            "encoder": judge.encoder,
            "digest": own.weights,
            "bytes": out.stat().st_size,
            "parameters": trained.parameters,
            "schemes": {scheme.name: scheme.classes for scheme in schemes},
            "temperatures": {name: head.temperature for name, head in heads.items()},
            "trained": {**about, "recipe": dataclasses.asdict(recipe)},
            "evaluation": evaluation,
        }
        save_card(card, card_of(out))
    return evaluation


def _familiar(judge: Judge, clips: Sequence[Clip]) -> list[str]:
    place = card_path(judge)
    card = (read_card(place) if place else None) or {}
    return sorted({clip.corpus for clip in clips} & {*card.get("trained", {}).get("corpora", {})})


def evaluate_heads(
    encoded: Encoded, recipe: HeadRecipe, *, folds: int, seed: int, progress: Progress
) -> dict[str, Any]:
    """Measure a recipe with every speaker held out once, and with every corpus left out once.

    Returns plain JSON values as `evaluate_judge` does. Raises CorpusError for a single speaker.
    """
    folds = min(folds, len({clip.speaker for clip in encoded.clips}))
    fold_of = speaker_folds(encoded.clips, folds)
    fold = np.array([fold_of[clip.speaker] for clip in encoded.clips])
    corpus = np.array([clip.corpus for clip in encoded.clips])
    corpora = list(dict.fromkeys(corpus.tolist()))
    left_out = corpora if len(corpora) > 1 else []
    report: dict[str, Any] = {"folds": folds, "seed": seed, "fold_of_speaker": fold_of}
    with progress.stage("evaluate", len(recipe.schemes) * (folds + len(left_out))) as advance:
        for scheme in map(scheme_named, recipe.schemes):
            test = _Test(encoded, scheme, recipe, seed, advance)
            report[scheme.name] = summary(
                [test.without(fold == k) for k in range(folds)],
                {name: test.without(corpus == name) for name in left_out},
                scheme,
            )
    return report


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Test:
    """Trainings without some clips, tested on these."""

    encoded: Encoded
    scheme: Scheme
    recipe: HeadRecipe
    seed: int
    advance: Advance

    def without(self, tested: npt.NDArray[np.bool_]) -> Tested:
        head = _fit(_part(self.encoded, ~tested), self.scheme, self.recipe, self.seed, partial=True)
        test = _part(self.encoded, tested)
        self.advance(1)
        return Tested.of(test.clips, head.logits(test.embeddings), self.scheme)


def _part(encoded: Encoded, rows: npt.NDArray[np.bool_]) -> Encoded:
    at = np.flatnonzero(rows).tolist()
    return Encoded([encoded.clips[i] for i in at], encoded.embeddings[at])


def _fit(
    encoded: Encoded, scheme: Scheme, recipe: HeadRecipe, seed: int, *, partial: bool = False
) -> Head:
    labels = [clip.label.project(scheme) for clip in encoded.clips]
    known = np.array([label is not None for label in labels], bool)
    targets = np.array([label.distribution for label in labels if label], np.float32)
    embeddings = encoded.embeddings if known.all() else encoded.embeddings[known]
    return fit_head(
        embeddings,
        targets.reshape(len(embeddings), len(scheme.classes)),
        scheme,
        recipe,
        seed=seed,
        partial=partial,
    )
