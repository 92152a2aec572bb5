"""Time of every gate and signal operation on one clip of 3 s at 16 kHz, one thread.

    python benchmarks/gates.py [gate.option=value …] [CLIP TEXT]

Each row is the fastest of many runs (100, or 10 of what takes over 50 ms), on audio that no cache
has seen. Gates that need weights are measured where an option names them, such as
`dnsmos.model=DIR`. What is heard is a clip of the starter corpus, repeated to 3 s, or CLIP, whose
English text is TEXT. Peers do the same job:
WORLD's DIO with StoneMask finds F0 and voicing, pyroomacoustics simulates a room, FFmpeg's
`atempo` and librosa's phase vocoder change the tempo; where one is absent its row is too.
"""

import os

# One thread, so that a row says what a worker process would take.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

import emoforge
from emoforge.audio import Audio, Samples, fit, read
from emoforge.augment.signal.operations import OPERATIONS
from emoforge.augment.signal.room import impulse_response, sabine_absorption
from emoforge.component import Promise, create, registered
from emoforge.errors import EmoforgeError
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


def speech(clip: Path) -> Samples:
    """3 s of a clip, which is repeated or cut."""
    heard = read(clip).resampled(RATE).samples
    return fit(np.tile(heard, round(SECONDS * RATE) // len(heard) + 1), round(SECONDS * RATE))


def milliseconds(work: Callable[[Audio], object], samples: Samples) -> float:
    times: list[float] = []
    while len(times) < (RUNS if min(times, default=0.0) < 0.05 else RUNS // 10):
        audio = Audio(samples, RATE)
        start = time.perf_counter()
        work(audio)
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def rows(
    options: Mapping[str, Mapping[str, str]], text: str, reference: Audio
) -> Iterator[tuple[str, Callable[[Audio], object]]]:
    given = Given(Promise(Label.of("neutral"), "s", SECONDS, text, "en"), None, [reference])
    always = []
    for name in registered("gate"):
        gate = create("gate", name, options.get(name, {}))
        assert isinstance(gate, Gate)
        try:
            gate.check_requirements()
            gate.setup()
        except EmoforgeError as error:
            print(f"gate {name}: not measured, {error}")
            continue
        if gate.always:
            always.append(gate)
        if name != "duplicate":
            yield f"gate {name}", lambda a, gate=gate: gate.measure(a, given)
    yield "fingerprint (gate duplicate)", fingerprint
    yield (
        "all gates that always measure",
        lambda a: measure_all(always, a, given) | {"f": fingerprint(a)},
    )
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
    options: dict[str, dict[str, str]] = {}
    places: list[str] = []
    for argument in sys.argv[1:]:
        key, equals, value = argument.partition("=")
        if not equals:
            places.append(argument)
            continue
        gate, _, option = key.partition(".")
        options.setdefault(gate, {})[option] = value
    starter = Path(emoforge.__file__).parent / "starter" / "mei_happy_1.flac"
    clip, text = places or (starter, "Let us meet at the station tomorrow.")
    samples = speech(Path(clip))
    print(f"{'one clip of 3 s, 16 kHz':32}{'ms':>9}{'× real time':>14}")
    for name, work in rows(options, text, Audio(samples, RATE)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                took = milliseconds(work, samples)
            except ImportError:
                continue
        print(f"{name:32}{took:9.2f}{SECONDS * 1e3 / took:14,.0f}")


if __name__ == "__main__":
    main()
