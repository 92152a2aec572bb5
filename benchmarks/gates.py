"""Time of every gate and signal operation on one clip of 3 s at 16 kHz, one thread.

    python benchmarks/gates.py

Each row is the fastest of 100 runs, on audio that no cache has seen. Peers do the same job:
WORLD's DIO with StoneMask finds F0 and voicing, pyroomacoustics simulates a room, FFmpeg's
`atempo` and librosa's phase vocoder change the tempo; where one is absent its row is too.
"""

import os

# One thread, so that a row says what a worker process would take.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from emoforge.audio import Audio, Samples
from emoforge.augment.signal.operations import OPERATIONS
from emoforge.augment.signal.room import impulse_response, sabine_absorption
from emoforge.component import Promise, create, registered, rng_for
from emoforge.label import Label
from emoforge.selection import Gate, Given, fingerprint, measure_all

RATE, SECONDS, RUNS = 16000, 3.0, 100
SIZE, SOURCE, MICROPHONE, RT60 = (5.0, 4.0, 3.0), (1.0, 1.0, 1.5), (2.0, 1.5, 1.2), 0.35
PARAMS: dict[str, dict[str, object]] = {
    "tempo": {"factor": 1.07},
    "speed": {"factor": 1.02},
    "reverb": {"size": SIZE, "source": SOURCE, "microphone": MICROPHONE, "rt60": RT60},
    "noise": {"snr_db": 20.0, "colour": "speech", "seed": 1},
    "band": {"low_hz": 300.0, "high_hz": 3400.0},
    "gain": {"db": -3.0},
}


def speech() -> Samples:
    """Harmonics of a falling F0 in syllables, with a little noise."""
    t = np.arange(round(SECONDS * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(180 * np.exp(-0.1 * t)) / RATE
    tones = sum(np.sin(k * phase) / k for k in range(1, 30))
    noise = rng_for("speech").standard_normal(len(t))
    samples = (tones + 0.02 * noise) * (0.01 + np.square(np.sin(np.pi * t / 0.25)))
    return (samples * (0.3 / np.max(np.abs(samples)))).astype(np.float32)


def milliseconds(work: Callable[[Audio], object], samples: Samples) -> float:
    times = []
    for _ in range(RUNS):
        audio = Audio(samples, RATE)
        start = time.perf_counter()
        work(audio)
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def rows() -> Iterator[tuple[str, Callable[[Audio], object]]]:
    promise = Promise(Label.of("neutral"), "s", SECONDS, None, None)
    gates = []
    for name in registered("gate"):
        gate = create("gate", name)
        assert isinstance(gate, Gate)
        gates.append(gate)
        if name != "duplicate":
            yield f"gate {name}", lambda a, gate=gate: gate.measure(a, Given(promise))
    yield "fingerprint (gate duplicate)", fingerprint
    yield "all gates", lambda a: measure_all(gates, a, Given(promise)) | {"f": fingerprint(a)}
    yield "  peer: WORLD DIO + StoneMask", world
    for name, operation in OPERATIONS.items():
        params = PARAMS[name]
        yield f"signal {name}", lambda a, o=operation, p=params: o(a.samples, a.rate, **p)
        if name == "tempo":
            yield "  peer: FFmpeg atempo", atempo
            yield "  peer: librosa phase vocoder", phase_vocoder
        if name == "reverb":
            yield (
                "  of which the room",
                lambda a: impulse_response(SIZE, SOURCE, MICROPHONE, RT60, a.rate),
            )
            yield "  peer: pyroomacoustics room", pyroomacoustics_room


def world(audio: Audio) -> object:
    import pyworld

    samples = audio.samples.astype(np.float64)
    f0, at = pyworld.dio(samples, audio.rate, frame_period=10.0)
    return pyworld.stonemask(samples, f0, at, audio.rate)


def atempo(audio: Audio) -> object:
    import av
    from av.filter import Graph

    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=audio.rate, format="flt", layout="mono", time_base=f"1/{audio.rate}"
    )
    change, sink = graph.add("atempo", "1.07"), graph.add("abuffersink")
    source.link_to(change)
    change.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(audio.samples[None], format="flt", layout="mono")
    frame.sample_rate = audio.rate
    graph.push(frame)
    graph.push(None)
    pieces = []
    while True:
        try:
            pieces.append(graph.pull().to_ndarray()[0])
        except (av.error.EOFError, BlockingIOError):
            return np.concatenate(pieces)


def phase_vocoder(audio: Audio) -> object:
    import librosa

    return librosa.effects.time_stretch(audio.samples, rate=1.07)


def pyroomacoustics_room(audio: Audio) -> object:
    import pyroomacoustics

    room = pyroomacoustics.ShoeBox(
        SIZE,
        fs=audio.rate,
        materials=pyroomacoustics.Material(sabine_absorption(SIZE, RT60)),
        max_order=pyroomacoustics.inverse_sabine(RT60, SIZE)[1],
    )
    room.add_source(SOURCE)
    room.add_microphone(MICROPHONE)
    return room.compute_rir()


def main() -> None:
    samples = speech()
    print(f"{'one clip of 3 s, 16 kHz':32}{'ms':>9}{'× real time':>14}")
    for name, work in rows():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                took = milliseconds(work, samples)
            except ImportError:
                continue
        print(f"{name:32}{took:9.2f}{SECONDS * 1e3 / took:14,.0f}")


if __name__ == "__main__":
    main()
