"""Seconds of speech that text-to-speech engines make in a second, on 1 and 2 worker processes.

    python benchmarks/tts.py hts.model=../shared/weights/hts_voices [ENGINE.KEY=VALUE …]

espeak is always there, other engines with their settings. Lines of every emotion, 16 kHz.
Peers in the same run: `pyopenjtalk.tts`, one neutral voice, and espeak-ng alone, without shaping.
"""

import os

# One thread a worker.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import cycle, islice
from multiprocessing import get_context
from typing import cast

from emoforge.clip import Clip
from emoforge.component import create, rng_for
from emoforge.errors import SkipClip
from emoforge.label import BASIC4, Label
from emoforge.synthesis import Engine
from emoforge.synthesis.tts.libespeak import say, voice_for

RATE, CANDIDATES = 16000, 64
TEXTS = {
    "en-US": "The train was late again, so we walked home along the river.",
    "de": "Der Zug kam wieder zu spät, also gingen wir am Fluss nach Hause.",
    "ja": "電車がまた遅れたので、川に沿って歩いて帰りました。",
}
Options = tuple[tuple[str, str], ...]
Work = Callable[[Clip], float]


@cache
def engine(name: str, options: Options) -> Engine:
    made = cast(Engine, create("generator", name, dict(options)))
    made.check_requirements()
    made.setup()
    return made


def speak(name: str, options: Options, line: Clip) -> float:
    """Seconds of speech."""
    made = engine(name, options)
    return made.apply(line, made.plan(line, rng_for(line.id))).duration


def espeak_alone(line: Clip) -> float:
    return say(line.text or "", f"{voice_for(line.language or '')}+f3").resampled(RATE).duration


def pyopenjtalk_alone(line: Clip) -> float:
    import pyopenjtalk

    samples, rate = pyopenjtalk.tts(line.text)
    return len(samples) / rate


def lines(languages: Sequence[str]) -> list[Clip]:
    told = [(tag, emotion) for tag in languages for emotion in BASIC4.classes]
    return [
        Clip(
            id=str(i),
            path="",
            duration=0.0,
            rate=RATE,
            label=Label.of(emotion, BASIC4),
            speaker="",
            corpus="",
            text=TEXTS[tag],
            language=tag,
        )
        for i, (tag, emotion) in enumerate(islice(cycle(told), CANDIDATES))
    ]


def spoken(name: str, options: Options) -> list[Clip]:
    """Lines in the languages that an engine speaks, and in emotions that it has."""
    made = engine(name, options)
    planned = []
    for line in lines([tag for tag in TEXTS if made.supports(tag)]):
        try:
            made.plan(line, rng_for(line.id))
        except SkipClip:
            continue
        planned.append(line)
    return planned


def measure(label: str, work: Work, todo: Sequence[Clip]) -> None:
    for workers in (1, 2):
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            # Import and first use, in every worker.
            list(pool.map(work, todo[: 8 * workers]))
            start = time.perf_counter()
            seconds = sum(pool.map(work, todo, chunksize=4))
            took = time.perf_counter() - start
        print(f"{label:28}{workers:9}{len(todo) / took:10.1f}{seconds / took:13.1f}", flush=True)


def main(settings: Sequence[str]) -> None:
    options: Mapping[str, dict[str, str]] = defaultdict(dict, {"espeak": {}})
    for setting in settings:
        key, _, value = setting.partition("=")
        name, _, option = key.partition(".")
        options[name][option] = value
    print(f"{f'{CANDIDATES} lines, 16 kHz':28}{'workers':>9}{'lines/s':>10}{'× real time':>13}")
    for name, own in options.items():
        given = tuple(own.items())
        measure(name, partial(speak, name, given), spoken(name, given))
        if name == "espeak":
            measure("  peer: espeak-ng alone", espeak_alone, lines(list(TEXTS)[:2]))
        if name == "hts":
            measure("  peer: pyopenjtalk.tts", pyopenjtalk_alone, lines(["ja"]))


if __name__ == "__main__":
    main(sys.argv[1:])
