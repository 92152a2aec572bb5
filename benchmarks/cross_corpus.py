"""How well emotions are heard in a corpus that was not learnt from, and in other speakers of one.

    python benchmarks/cross_corpus.py manifest.csv [--weights DIR] [--folds]

The manifest's clips of each corpus are learnt from and tested on every corpus, 4 classes
(basic4): on another corpus whole, on the same one by 5 folds of its speakers. UAR with a 95 %
interval from a bootstrap over the test speakers.

embedded    the judge's network, trained on the corpus alone, as `DIR/<corpus>.safetensors`; made
            if absent (minutes each). Within a corpus with `--folds` only: 5 trainings more each,
            kept in `DIR/<corpus>-folds/`.
egemaps     a linear head (`fit_head`) on eGeMAPSv02
SVM         peer: an RBF SVM (scikit-learn, C=1, balanced classes) on the same, standardised
SVM, z      the same with every speaker standardised by their own clips' mean and deviation, of
            the test speakers too: it takes all their clips at once, without labels
"""

import os

# One thread: on shared cores more wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.augment import CorpusConfig, read_corpus
from emoforge.augment.importing import sound_clips
from emoforge.clip import Clip
from emoforge.errors import AudioError
from emoforge.label import BASIC4, FULL
from emoforge.progress import Progress
from emoforge.selection.judges import (
    EmbeddedJudge,
    HeadRecipe,
    Recipe,
    evaluate_judge,
    fit_head,
    train_judge,
)
from emoforge.selection.judges.encoders.egemaps import EgemapsJudge
from emoforge.selection.judges.metrics import clustered_interval, confusion, uar
from emoforge.selection.judges.tested import speaker_folds

Floats = npt.NDArray[np.float32]
Learner = Callable[["Part", "Part"], npt.NDArray[np.int64]]
"""Clips to learn from, clips to test on → classes heard, [n]."""


@dataclass(frozen=True)
class Part:
    """Clips of basic4 emotions: class, speaker and eGeMAPS features [n, 1, 88] of each."""

    clips: Sequence[Clip]
    emotions: npt.NDArray[np.int64]
    speakers: npt.NDArray[np.str_]
    features: Floats

    def take(self, rows: npt.NDArray[np.bool_]) -> "Part":
        at = np.flatnonzero(rows)
        clips = [self.clips[i] for i in at]
        return Part(clips, self.emotions[at], self.speakers[at], self.features[at])


def parts(clips: Sequence[Clip], progress: Progress) -> dict[str, Part]:
    """The clips by corpus, measured."""
    judge = EgemapsJudge()
    judge.setup()
    known, labels, features = [], [], []
    with progress.stage("measure", len(clips)) as advance:
        for start in range(0, len(clips), 32):
            batch = [clip for clip in clips[start : start + 32] if clip.label.project(BASIC4)]
            for clip, found in zip(
                batch, judge.encode([c.read(judge.rate).samples for c in batch]), strict=True
            ):
                label = clip.label.project(BASIC4)
                if label is not None and not isinstance(found, AudioError):
                    known.append(clip)
                    labels.append(BASIC4.index(label.hard))
                    features.append(found.embedding)
            advance(len(clips[start : start + 32]))
    whole = Part(known, np.array(labels), np.array([c.speaker for c in known]), np.stack(features))
    corpora = np.array([clip.corpus for clip in known])
    return {str(name): whole.take(corpora == name) for name in dict.fromkeys(corpora.tolist())}


def head(train: Part, test: Part) -> npt.NDArray[np.int64]:
    targets = np.eye(len(BASIC4.classes), dtype=np.float32)[train.emotions]
    fitted = fit_head(train.features, targets, BASIC4, HeadRecipe())
    return np.asarray(fitted.probabilities(test.features).argmax(1))


def svm(train: Part, test: Part) -> npt.NDArray[np.int64]:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    machine.fit(train.features[:, 0], train.emotions)
    return np.asarray(machine.predict(test.features[:, 0]))


def svm_by_speaker(train: Part, test: Part) -> npt.NDArray[np.int64]:
    return svm(by_speaker(train), by_speaker(test))


def by_speaker(part: Part) -> Part:
    features = part.features.copy()
    for speaker in np.unique(part.speakers):
        own = features[part.speakers == speaker]
        features[part.speakers == speaker] = (own - own.mean(0)) / (own.std(0) + 1e-6)
    return Part(part.clips, part.emotions, part.speakers, features)


def heard_by(weights: Path, test: Part) -> npt.NDArray[np.int64]:
    """What a trained network hears."""
    judge = EmbeddedJudge(str(weights))
    judge.setup()
    scores = []
    for start in range(0, len(test.clips), 64):
        scores += judge.score([c.read(judge.rate).samples for c in test.clips[start : start + 64]])
    errors = [score for score in scores if isinstance(score, AudioError)]
    if errors:
        raise errors[0]
    heard = [s.distributions["basic4"] for s in scores if not isinstance(s, AudioError)]
    return np.array(heard).argmax(1)


def told(test: Part, heard: npt.NDArray[np.int64]) -> str:
    value = float(uar(confusion(test.emotions, heard, len(BASIC4.classes))))
    low, high = clustered_interval(uar, test.emotions, heard, test.speakers)
    return written({"value": value, "interval": [low, high]})


def written(score: Any) -> str:
    low, high = score["interval"]
    return f"{score['value']:.3f} [{low:.3f}, {high:.3f}]"


def within(part: Part, fold_of: dict[str, int], learn: Learner) -> str:
    """Every speaker heard once, by what learnt from the other folds."""
    folds = np.array([fold_of[str(speaker)] for speaker in part.speakers])
    heard = np.zeros(len(part.clips), np.int64)
    for fold in np.unique(folds):
        heard[folds == fold] = learn(part.take(folds != fold), part.take(folds == fold))
    return told(part, heard)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("cross_corpus_weights"))
    parser.add_argument("--folds", action="store_true", help="also within corpora, for embedded")
    options = parser.parse_args()
    progress = Progress()
    options.weights.mkdir(parents=True, exist_ok=True)

    config = CorpusConfig(name="all", root="", manifest=str(options.manifest))
    clips = sound_clips(read_corpus(config, FULL), progress).clips
    by_corpus = {
        name: [clip for clip in clips if clip.corpus == name]
        for name in dict.fromkeys(clip.corpus for clip in clips)
    }
    measured = parts(clips, progress)
    for name, own in by_corpus.items():
        weights = options.weights / f"{name}.safetensors"
        if not weights.exists():
            train_judge(own, Recipe(), weights, progress=progress)

    learners: dict[str, Learner] = {"egemaps": head, "SVM": svm, "SVM, z": svm_by_speaker}
    print(f"{'learnt from':12}{'tested on':12}", *(f"{c:>20}" for c in ("embedded", *learners)))
    for source in measured:
        for target in measured:
            test = measured[target]
            if source == target:
                embedded = "-"
                if options.folds:
                    report = evaluate_judge(
                        by_corpus[source],
                        Recipe(),
                        options.weights / f"{source}-folds",
                        progress=progress,
                    )
                    embedded = written(report["basic4"]["held_out_speakers"][source]["uar"])
                fold_of = speaker_folds(by_corpus[source], 5)
                row = [within(test, fold_of, learn) for learn in learners.values()]
            else:
                embedded = told(test, heard_by(options.weights / f"{source}.safetensors", test))
                row = [told(test, learn(measured[source], test)) for learn in learners.values()]
            print(
                f"{source:12}{target if target != source else '5 folds':12}",
                *(f"{cell:>20}" for cell in (embedded, *row)),
                flush=True,
            )


if __name__ == "__main__":
    main()
