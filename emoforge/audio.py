"""Reading, resampling, measuring and writing audio.

Inside emoforge audio is mono float32 in [-1, 1]; files are 16-bit FLAC. Whatever libsndfile
cannot read is tried with PyAV (FFmpeg's demuxers and decoders, in process).
"""

import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from emoforge.errors import AudioError

Samples = npt.NDArray[np.float32]

SILENCE_DB = -120.0
"""Level reported for digital silence, dB relative to full scale."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Mono audio: `samples` float32 of shape [n], nominally in [-1, 1]; `rate` in Hz."""

    samples: Samples
    rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def resampled(self, rate: int) -> "Audio":
        """The same sound at another rate (soxr VHQ), round(n · rate / self.rate) samples."""
        if rate == self.rate:
            return self
        length = round(len(self.samples) * rate / self.rate)
        return Audio(fit(soxr.resample(self.samples, self.rate, rate, "VHQ"), length), rate)


def fit(samples: npt.NDArray[Any], length: int) -> Samples:
    """Trim, or pad with zeros at the end, to exactly `length` samples, as float32."""
    samples = samples[:length].astype(np.float32, copy=False)
    return np.pad(samples, (0, length - len(samples)))


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file's header says; `duration` in seconds, `rate` in Hz."""

    duration: float
    rate: int
    channels: int


def probe(path: str | Path) -> Probe:
    """Read a file's header; raises AudioError if it is missing, empty or no audio."""
    with _opened(path) as file:
        try:
            info = soundfile.info(file)
            return Probe(info.frames / info.samplerate, info.samplerate, info.channels)
        except soundfile.LibsndfileError:
            file.seek(0)
            samples, rate = _read_av(file, path)
            return Probe(samples.shape[0] / rate, rate, samples.shape[1])


def read(path: str | Path, start: float = 0.0, duration: float | None = None) -> Audio:
    """Decode a file, or the segment from `start` for `duration` seconds, to mono.

    Channels are averaged. Raises AudioError if the file is missing, empty, damaged, cut off or
    no audio, if the segment is not within it (by more than rounding), or if the samples are not
    finite.
    """
    with _opened(path) as file:
        try:
            sound = soundfile.SoundFile(file)
        except soundfile.LibsndfileError:
            file.seek(0)
            samples, rate = _read_av(file, path)
            first, wanted = _segment(path, start, duration, len(samples), rate)
            samples = samples[first : first + wanted]
        else:
            with sound:
                rate = sound.samplerate
                _check_size(path, sound.extra_info)
                first, wanted = _segment(path, start, duration, sound.frames, rate)
                try:
                    sound.seek(first)
                    samples = sound.read(wanted, dtype="float32", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise AudioError(f"{path}: damaged or cut off") from error
                if len(samples) < wanted:
                    raise AudioError(
                        f"{path}: cut off, {wanted} samples are promised "
                        f"and {len(samples)} can be read"
                    )
    if len(samples) == 0:
        raise AudioError(f"{path}: has no samples")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    bad = int(np.count_nonzero(~np.isfinite(mono)))
    if bad:
        raise AudioError(f"{path}: {bad} of {len(mono)} samples are not finite (NaN or infinite)")
    return Audio(np.ascontiguousarray(mono), rate)


def _segment(
    path: str | Path, start: float, duration: float | None, length: int, rate: int
) -> tuple[int, int]:
    """First sample and number of samples of a segment of a file with `length` samples."""
    first = round(start * rate)
    wanted = length - first if duration is None else round(duration * rate)
    # Tables round their times.
    slack = rate // 20
    if not 0 <= first <= length or first + wanted > length + slack:
        end = "the end" if duration is None else f"{start + duration:.3f} s"
        raise AudioError(
            f"{path}: the segment from {start:.3f} s to {end} is not within "
            f"the file, which is {length / rate:.3f} s long"
        )
    return first, min(wanted, length - first)


def _check_size(path: str | Path, log: str) -> None:
    """Raise AudioError if libsndfile's log says that the file has less data than its header says.

    libsndfile itself goes on with what is there.
    """
    found = re.search(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", log, re.M)
    # Programs that write to a pipe do not know the size and put about 2 or 4 GiB.
    if found and int(found[2]) < int(found[1]) < 0x7FFF0000:
        raise AudioError(
            f"{path}: cut off, the header promises {found[1]} bytes of audio "
            f"and there are {found[2]}"
        )


@contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    text = str(path)
    try:
        if "://" in text:
            import fsspec

            with fsspec.open(text, "rb") as remote:
                file: BinaryIO = io.BytesIO(remote.read())
        else:
            file = open(text, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror or error}") from error
    with file:
        if not file.read(1):
            raise AudioError(f"{path}: the file is empty")
        file.seek(0)
        yield file


def _read_av(file: BinaryIO, path: str | Path) -> tuple[Samples, int]:
    """All of a file's first audio stream: float32 [n, channels] and its rate."""
    import av

    try:
        with av.open(file, "r") as container:
            stream = container.streams.audio[0]
            # Planar float, same rate and layout: converts the sample format only.
            convert = av.AudioResampler(format="fltp")
            frames = [
                out.to_ndarray()
                for frame in container.decode(stream)
                for out in convert.resample(frame)
            ]
            rate = stream.rate
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise AudioError(f"{path}: neither libsndfile nor FFmpeg can read this as audio") from error
    if not frames:
        raise AudioError(f"{path}: has no samples")
    return np.ascontiguousarray(np.concatenate(frames, axis=1).T, dtype=np.float32), rate


def pcm16(samples: Samples) -> npt.NDArray[np.int16]:
    """Round float samples to 16-bit integers, limiting at full scale."""
    limited: npt.NDArray[np.float32] = np.clip(np.rint(samples * 32768.0), -32768, 32767)
    return limited.astype(np.int16)


def encode_flac(audio: Audio) -> bytes:
    """16-bit FLAC of the audio; the same samples always give the same bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm16(audio.samples), audio.rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def write_flac(path: str | Path, audio: Audio) -> None:
    """Write 16-bit FLAC under a temporary name, then rename: a reader never sees half a file.

    Raises AudioError if the place cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(encode_flac(audio))
        partial.replace(path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        partial.unlink(missing_ok=True)


def write_audio(path: str | Path, audio: Audio) -> None:
    """Write 16-bit FLAC, or the format that another name asks for (`.wav`); raises AudioError."""
    if Path(path).suffix == ".flac":
        write_flac(path, audio)
        return
    try:
        soundfile.write(path, pcm16(audio.samples), audio.rate, subtype="PCM_16")
    except (OSError, TypeError, ValueError, soundfile.LibsndfileError) as error:
        raise AudioError(f"{path}: cannot be written ({error})") from error


def level_db(samples: Samples) -> float:
    """RMS level in dB relative to full scale; `SILENCE_DB` for digital silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return max(SILENCE_DB, 10 * np.log10(power)) if power > 0 else SILENCE_DB


def speech_level(audio: Audio) -> tuple[float, float]:
    """Active speech level in dB relative to full scale, and the share of time that is speech.

    ITU-T P.56 method B: the mean power over the time in which the envelope (two poles of
    30 ms) is, or was within the last 200 ms, above a threshold 15.9 dB below the level itself.
    Pauses around and between words do not lower it. Digital silence gives `SILENCE_DB` and 0.
    """
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import lfilter

    samples = audio.samples.astype(np.float64)
    power = float(np.mean(np.square(samples))) if len(samples) else 0.0
    if power <= 10 ** (SILENCE_DB / 10):
        return SILENCE_DB, 0.0
    pole = np.exp(-1 / (0.03 * audio.rate))
    envelope = lfilter([(1 - pole) ** 2], [1, -2 * pole, pole**2], np.abs(samples))
    # The envelope is smooth: about 1,000 values a second are enough (the standard asks for 694).
    envelope = envelope[:: max(1, audio.rate // 1000)]
    hangover = 200
    held = maximum_filter1d(envelope, hangover + 1, origin=hangover // 2, mode="constant")
    # Every held value is tried as the threshold: the i-th smallest is reached by all after it.
    thresholds = np.sort(held)
    activity = 1 - np.arange(len(held)) / len(held)
    levels = 10 * np.log10(power / activity)
    margin = levels - 20 * np.log10(np.maximum(thresholds, 1e-12))
    reached = np.flatnonzero(margin <= 15.9)
    chosen = int(reached[0]) if len(reached) else len(held) - 1
    return float(levels[chosen]), float(activity[chosen])


def loudness(audio: Audio) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4); `SILENCE_DB` for digital silence.

    The standard gates blocks of 0.4 s; shorter audio is repeated until it fills one.
    """
    import pyloudnorm

    block = 0.4
    samples = audio.samples.astype(np.float64)
    if not np.any(samples):
        return SILENCE_DB
    if audio.duration <= block:
        samples = np.tile(samples, int(block * audio.rate / len(samples)) + 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # log of zero where every block is gated away
        value = float(pyloudnorm.Meter(audio.rate, block_size=block).integrated_loudness(samples))
    return max(SILENCE_DB, value)
