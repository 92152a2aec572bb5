"""Candidates a second of the `espeak` and `prosody` generators, on 1 and 2 worker processes.

    python benchmarks/synthesis.py

Texts in four languages, spoken at 16 kHz with every emotion of the profile; `prosody` edits the
files that `espeak` made, reading included. Peers: the same WORLD pipeline with Harvest in place
of DIO and StoneMask, and espeak-ng alone, without any shaping.
"""

import os

# One thread a worker.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from emoforge.audio import Audio, level_db, write_flac
from emoforge.clip import Clip
from emoforge.component import Params, rng_for
from emoforge.label import Label
from emoforge.synthesis.prosody import Controls, World, transfer
from emoforge.synthesis.prosody.energy import FRAME, active_frames, frame_energy
from emoforge.synthesis.prosody.generator import Prosody
from emoforge.synthesis.prosody.world import F0_CEIL, F0_FLOOR
from emoforge.synthesis.tts.engine import NEUTRAL_DB
from emoforge.synthesis.tts.espeak import Espeak
from emoforge.synthesis.tts.libespeak import say

RATE, CANDIDATES = 16000, 48
TEXTS = {
    "en-US": "The train was late again, so we walked home along the river.",
    "de": "Der Zug kam wieder zu spät, also gingen wir am Fluss nach Hause.",
    "pl": "Pociąg znowu się spóźnił, więc wróciliśmy do domu wzdłuż rzeki.",
    "ja": "でんしゃがまたおくれたので、かわにそってあるいてかえりました。",
}
Task = tuple[Clip, Params]
Work = Callable[[Task], float]


def espeak(task: Task) -> float:
    return Espeak().apply(*task).duration


def espeak_alone(task: Task) -> float:
    return say(task[1]["text"], task[1]["voice"]).resampled(RATE).duration


def espeak_harvest(task: Task) -> float:
    spoken = say(task[1]["text"], task[1]["voice"]).resampled(RATE)
    gain = np.float32(10 ** ((NEUTRAL_DB - level_db(spoken.samples)) / 20))
    return shaped_with_harvest(Audio(spoken.samples * gain, RATE), task[1])


def prosody(task: Task) -> float:
    return Prosody().apply(*task).duration


def prosody_harvest(task: Task) -> float:
    return shaped_with_harvest(task[0].read(), task[1])


def shaped_with_harvest(audio: Audio, params: Params) -> float:
    import pyworld

    x = audio.samples.astype(np.float64)
    f0, times = pyworld.harvest(x, audio.rate, F0_FLOOR, F0_CEIL, FRAME * 1000)
    f0[~active_frames(frame_energy(audio))] = 0
    spectrum = pyworld.cheaptrick(x, f0, times, audio.rate)
    aperiodicity = pyworld.d4c(x, f0, times, audio.rate)
    world = World(f0, spectrum, aperiodicity, audio.rate, len(x))
    return transfer(audio, Controls(**params["controls"]), world).duration


def tasks(folder: Path) -> tuple[list[Task], list[Task]]:
    """Work for `espeak`, and for `prosody` on what it made."""
    spoken, edited = [], []
    for i in range(CANDIDATES):
        language, text = list(TEXTS.items())[i % len(TEXTS)]
        clip = Clip(
            id=str(i),
            path=str(folder / f"{i}.flac"),
            duration=1.0,
            rate=RATE,
            label=Label.of("neutral"),
            speaker="",
            corpus="",
            text=text,
            language=language,
        )
        params = Espeak(emotion="random").plan(clip, rng_for(i))
        audio = Espeak().apply(clip, params)
        write_flac(clip.path, audio)
        spoken.append((clip, params))
        clip = replace(clip, duration=audio.duration, label=Label.of(params["emotion"]))
        edited.append((clip, Prosody(change=1).plan(clip, rng_for(i))))
    return spoken, edited


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        spoken, edited = tasks(Path(name))
        rows: list[tuple[str, Work, list[Task]]] = [
            ("espeak + WORLD", espeak, spoken),
            ("  peer: with Harvest", espeak_harvest, spoken),
            ("  peer: espeak-ng alone", espeak_alone, spoken),
            ("prosody", prosody, edited),
            ("  peer: with Harvest", prosody_harvest, edited),
        ]
        head = f"{CANDIDATES} candidates, 16 kHz"
        print(f"{head:28}{'workers':>14}{'candidates/s':>15}{'× real time':>13}")
        for label, work, todo in rows:
            for workers in (1, 2):
                with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                    # Import and first use, in every worker.
                    list(pool.map(work, todo[: 4 * workers]))
                    start = time.perf_counter()
                    seconds = sum(pool.map(work, todo, chunksize=2))
                    took = time.perf_counter() - start
                rate = len(todo) / took
                print(f"{label:28}{workers:14}{rate:15.1f}{seconds / took:13.1f}", flush=True)


if __name__ == "__main__":
    main()
