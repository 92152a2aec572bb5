"""How fast the `hf` judge hears, against transformers' own audio-classification pipeline.

    python benchmarks/encoders.py [--clips 24] [--runs 3] [--threads 2]
    python benchmarks/encoders.py --device cuda --model wavlm-large [--precision bfloat16]

A model of full size with random weights hears real clips, joined and cut to 1 to 15 s. The
pipeline gets the same arrays in memory at several batch sizes, in turns with the judge; times
are medians of the runs. Load stands beside them: other work on the machine slows both.
"""

import argparse
import csv
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
import transformers

from emoforge.component import rng_for
from emoforge.selection.judges.encoders.hf import HFJudge
from emoforge.selection.judges.judge import Encoding

CORPORA = Path(__file__).parent.parent.parent / "shared" / "corpora"
RATE = 16000
EMOTIONS = {"ang": "angry", "hap": "happy", "neu": "neutral", "sad": "sad"}
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2-base": ("Wav2Vec2", {}),
    "wav2vec2-large": ("Wav2Vec2", {**LARGE, "conv_bias": True}),
    "wavlm-base": ("WavLM", {}),
    "wavlm-large": ("WavLM", LARGE),
    "hubert-base": ("Hubert", {}),
}

Samples = npt.NDArray[np.float32]


def checkpoint(name: str, folder: str) -> None:
    """Save a model of random weights as transformers does."""
    family, values = MODELS[name]
    names = {
        "id2label": dict(enumerate(EMOTIONS)),
        "label2id": {e: i for i, e in enumerate(EMOTIONS)},
    }
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**values, **names)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    # Far enough from even that posteriors of different clips differ.
    model.classifier.weight.data *= 20
    model.save_pretrained(folder)
    masked = values.get("feat_extract_norm") == "layer"
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=masked).save_pretrained(folder)


def real_clips(count: int) -> list[Samples]:
    """Real speech of 1 to 15 s: clips of the corpora one after another, cut anew."""
    rng = rng_for("benchmark", "encoders")
    with (CORPORA / "manifest.csv").open(encoding="utf-8") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    rng.shuffle(paths)
    lengths = [int(RATE * s) for s in rng.uniform(1, 15, count)]
    sound, known = [], 0
    for path in paths:
        samples, rate = soundfile.read(CORPORA / path, dtype="float32")
        if rate == RATE and known < sum(lengths):
            sound.append(samples)
            known += len(samples)
    joined = np.concatenate(sound)
    return np.split(joined[: sum(lengths)], np.cumsum(lengths)[:-1])


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = work()
    return time.perf_counter() - start, answer


def posteriors(answer: Any) -> npt.NDArray[np.float64]:
    """[clips, classes], from the judge's encodings or the pipeline's rows."""
    if isinstance(answer[0], Encoding):
        return np.array([encoding.native["basic4"] for encoding in answer])
    rows = [{row["label"]: row["score"] for row in rows} for rows in answer]
    return np.array([[row[name] for name in EMOTIONS] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=list(MODELS), default="wav2vec2-base")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    clips = real_clips(given.clips)
    seconds = sum(map(len, clips)) / RATE
    with tempfile.TemporaryDirectory() as folder:
        checkpoint(given.model, folder)
        judge = HFJudge(
            model=folder, device=given.device, precision=given.precision, compile=given.compile
        )
        judge.setup()
        pipe = transformers.pipeline(
            "audio-classification",
            model=folder,
            feature_extractor=folder,
            device=given.device.partition(",")[0],
            dtype=getattr(torch, given.precision),
            top_k=None,
        )

    def through(batch: int) -> Callable[[], Any]:
        inputs = [{"raw": clip, "sampling_rate": RATE} for clip in clips]
        return lambda: pipe([dict(one) for one in inputs], batch_size=batch)

    ways = {"judge": lambda: judge.encode(clips)}
    ways |= {f"pipeline, {batch}": through(batch) for batch in given.batches}
    for way in ways.values() if given.device != "cpu" else ():
        way()  # kernels are chosen and compiled
    judge.encode(clips[:2])
    times: dict[str, list[float]] = {name: [] for name in ways}
    answers = {}
    for _ in range(given.runs):
        for name, way in ways.items():
            spent, answers[name] = timed(way)
            times[name].append(spent)
    own = posteriors(answers["judge"])
    print(f"{given.model}, {given.device}, {given.precision}, {given.threads} threads: ", end="")
    print(f"{len(clips)} clips, {seconds:.0f} s, load {os.getloadavg()[0]:.1f}")
    print(f"{'':>14}  {'s':>7}  {'h/min':>6}  {'x judge':>7}  {'posteriors differ by':>20}")
    for name, spent in times.items():
        middle = statistics.median(spent)
        ratio = statistics.median(a / b for a, b in zip(spent, times["judge"], strict=True))
        apart = np.abs(posteriors(answers[name]) - own).max()
        speed = seconds / middle / 60
        print(f"{name:>14}  {middle:>7.2f}  {speed:>6.2f}  {ratio:>7.2f}  {apart:>20.1e}")


if __name__ == "__main__":
    main()
