"""Codecs that only an FFmpeg program has: the one place that starts another process.

A process encodes or decodes many clips, each with its own encoder and so as if alone: starting
FFmpeg takes longer than coding a clip.
"""

import importlib
import importlib.util
import shutil
import subprocess
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from tempfile import TemporaryFile
from typing import ClassVar

import numpy as np

from emoforge.audio import Samples, pcm16
from emoforge.codecs.codec import Codec, Payload
from emoforge.codecs.ogg import packet_sizes
from emoforge.component import Requirement, digest
from emoforge.errors import AudioError, RequirementError

TOGETHER = 32
"""Clips that one process takes; each holds two files open."""


@cache
def _programs() -> dict[str, str]:
    """Paths of FFmpeg programs → the encoders that they list: the system's, and a package's."""
    paths = [shutil.which("ffmpeg")]
    if importlib.util.find_spec("imageio_ffmpeg"):
        paths.append(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    return {path: _said(path, "-encoders") for path in paths if path}


def _said(path: str, question: str) -> str:
    command = [path, "-hide_banner", question]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _program(encoder: str) -> str | None:
    """The first FFmpeg that has an encoder."""
    found = (path for path, encoders in _programs().items() if f" {encoder} " in encoders)
    return next(found, None)


@cache
def _version(path: str) -> str:
    return _said(path, "-version").partition("\n")[0]


def _missing(encoder: str, remedy: str) -> str | None:
    if _program(encoder):
        return None
    return f"an FFmpeg program with the encoder '{encoder}' ({remedy})"


def _converted(
    path: str, inputs: Sequence[bytes], reading: Sequence[str], writing: Sequence[str]
) -> list[bytes]:
    """What FFmpeg makes of each of the inputs, with these options before and after it.

    The pipes end in files, so that neither side can wait for the other.
    """
    command = [path, "-nostdin", "-v", "error", "-bitexact"]
    with ExitStack() as stack:
        files = [stack.enter_context(TemporaryFile()) for _ in range(2 * len(inputs))]
        sources, sinks = files[: len(inputs)], files[len(inputs) :]
        for file, data in zip(sources, inputs, strict=True):
            file.write(data)
            file.seek(0)
            command += [*reading, "-i", f"pipe:{file.fileno()}"]
        for i, file in enumerate(sinks):
            command += ["-map", f"{i}:a", *writing, f"pipe:{file.fileno()}"]
        done = subprocess.run(
            command, pass_fds=[file.fileno() for file in files], capture_output=True, check=False
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise AudioError(f"FFmpeg cannot code this ({lines[-1].rstrip('.')})")
        for file in sinks:
            file.seek(0)
        return [file.read() for file in sinks]


@dataclass(frozen=True)
class FFmpegCodec(Codec):
    """A codec that needs a program. Subclasses say which, and how it is set up.

    encoder, decoder, container: FFmpeg's names. rate: Hz, the only one that it codes at.
    has: the operating points, nominal kbit/s. remedy: the command that gets the encoder.
    decoded_together: clips that a process decodes.
    """

    encoder: ClassVar[str]
    decoder: ClassVar[str]
    container: ClassVar[str]
    rate: ClassVar[int]
    has: ClassVar[tuple[float, ...]]
    remedy: ClassVar[str]
    decoded_together: ClassVar[int] = TOGETHER

    def __init_subclass__(cls) -> None:
        cls.requires = (Requirement(check=partial(_missing, cls.encoder, cls.remedy)),)

    @property
    def points(self) -> tuple[float, ...]:
        return self.has

    @property
    def weights(self) -> str:
        """The samples change with the program's version."""
        path = _program(self.encoder)
        return digest("ffmpeg", _version(path)) if path else ""

    def coded_rate(self, rate: int) -> int:
        return self.rate

    @abstractmethod
    def _encoder_settings(self) -> list[str]:
        """FFmpeg's options of the encoder at this operating point."""

    def _reader_settings(self) -> list[str]:
        """FFmpeg's options of the container, where it does not say all by itself."""
        return []

    @abstractmethod
    def _measured(self, stream: bytes) -> tuple[int, int]:
        """Bits that the codec sends, and samples that the stream lasts."""

    def _encode(self, samples: Samples, rate: int) -> Payload:
        return self._encode_all([samples])[0]

    def _decode(self, payload: Payload, rate: int) -> Samples:
        return self._decode_all([payload])[0]

    def _pass(self, batch: Sequence[Samples], rate: int) -> list[tuple[Payload, Samples]]:
        made: list[tuple[Payload, Samples]] = []
        for start in range(0, len(batch), TOGETHER):
            payloads = self._encode_all(batch[start : start + TOGETHER])
            size = self.decoded_together
            for i in range(0, len(payloads), size):
                part = payloads[i : i + size]
                made += zip(part, self._decode_all(part), strict=True)
        return made

    def _path(self) -> str:
        path = _program(self.encoder)
        if path is None:
            raise RequirementError(
                f"'{self.name}' cannot run here, it needs {_missing(self.encoder, self.remedy)}"
            )
        return path

    def _raw(self) -> list[str]:
        return ["-f", "s16le", "-ar", str(self.rate), "-ac", "1"]

    def _encode_all(self, batch: Sequence[Samples]) -> list[Payload]:
        writing = ["-c:a", self.encoder, *self._encoder_settings(), "-f", self.container]
        inputs = [pcm16(samples).astype("<i2").tobytes() for samples in batch]
        payloads = []
        for stream in _converted(self._path(), inputs, self._raw(), writing):
            bits, samples = self._measured(stream)
            if not samples:
                raise AudioError(f"FFmpeg's {self.encoder} gave nothing")
            payloads.append(Payload((stream,), bits, samples))
        return payloads

    def _decode_all(self, payloads: Sequence[Payload]) -> list[Samples]:
        reading = ["-f", self.container, *self._reader_settings(), "-c:a", self.decoder]
        inputs = [bytes(payload.data[0]) for payload in payloads]
        return [
            np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768)
            for raw in _converted(self._path(), inputs, reading, self._raw())
        ]


@dataclass(frozen=True)
class Speex(FFmpegCodec):
    """Speex (RFC 5574) in wideband mode at constant bitrate: the manual's qualities 0 to 10."""

    name: ClassVar[str] = "speex"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "libspeex"
    decoder: ClassVar[str] = "libspeex"
    container: ClassVar[str] = "ogg"
    rate: ClassVar[int] = 16000
    has: ClassVar[tuple[float, ...]] = (
        3.95, 5.75, 7.75, 9.8, 12.8, 16.8, 20.6, 23.8, 27.8, 34.2, 42.2,
    )  # fmt: skip
    remedy: ClassVar[str] = "apt-get install ffmpeg, or another build with libspeex"

    def _encoder_settings(self) -> list[str]:
        return ["-cbr_quality", str(self.has.index(self.kbps))]

    def _measured(self, stream: bytes) -> tuple[int, int]:
        frames = packet_sizes(stream)[2:]  # without the header and the comment
        return 8 * sum(frames), 320 * len(frames)


@dataclass(frozen=True)
class Codec2(FFmpegCodec):
    """Codec 2 (David Rowe), parametric; its 0.7 kbit/s are mode 700C.

    Its decoder draws phases from one generator a process: a second clip would come out otherwise
    than alone.
    """

    name: ClassVar[str] = "codec2"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "libcodec2"
    decoder: ClassVar[str] = "libcodec2"
    container: ClassVar[str] = "codec2raw"
    rate: ClassVar[int] = 8000
    has: ClassVar[tuple[float, ...]] = (0.7, 1.2, 1.3, 1.4, 1.6, 2.4, 3.2)
    remedy: ClassVar[str] = "apt-get install ffmpeg, or another build with libcodec2"
    decoded_together: ClassVar[int] = 1

    def _mode(self) -> list[str]:
        return ["-mode", "700C" if self.kbps == 0.7 else f"{1000 * self.kbps:.0f}"]

    def _encoder_settings(self) -> list[str]:
        return self._mode()

    def _reader_settings(self) -> list[str]:
        return self._mode()

    def _measured(self, stream: bytes) -> tuple[int, int]:
        # Frames stand one after the other, each filled up to whole bytes, which is not counted.
        milliseconds = 20 if self.kbps >= 2.4 else 40
        bits = round(self.kbps * milliseconds)
        frames = len(stream) // -(-bits // 8)
        return bits * frames, milliseconds * self.rate // 1000 * frames


@dataclass(frozen=True)
class AMRWideband(FFmpegCodec):
    """AMR-WB (ITU-T G.722.2, 3GPP TS 26.171), all modes, without DTX."""

    name: ClassVar[str] = "amr_wb"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "libvo_amrwbenc"
    decoder: ClassVar[str] = "amrwb"
    container: ClassVar[str] = "amr"
    rate: ClassVar[int] = 16000
    has: ClassVar[tuple[float, ...]] = (
        6.6, 8.85, 12.65, 14.25, 15.85, 18.25, 19.85, 23.05, 23.85,
    )  # fmt: skip
    remedy: ClassVar[str] = "pip install imageio-ffmpeg==0.6.0, or another build with vo-amrwbenc"

    def _encoder_settings(self) -> list[str]:
        return ["-b:a", f"{1000 * self.kbps:.0f}"]

    def _measured(self, stream: bytes) -> tuple[int, int]:
        # RFC 4867 section 5: a line of 9 bytes, then frames of 20 ms, each with a byte of header
        # and filled up to whole bytes; neither is counted.
        bits = round(20 * self.kbps)
        frames = (len(stream) - 9) // (1 + -(-bits // 8))
        return bits * frames, self.rate // 50 * frames
