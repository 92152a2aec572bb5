"""What every codec offers: audio in, a bitstream out, and audio of exactly the same length back.

A codec is a component at one operating point: `Opus(kbps=6)` and `Opus(kbps=16)` are two. What a
subclass writes is the bare codec at its own sampling rate (`_encode`, `_decode`); resampling,
limiting, padding, the delay and the length are taken care of here, once for all.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio, Samples, fit
from emoforge.codecs.delay import measure_delay
from emoforge.component import Component
from emoforge.errors import AudioError, ConfigError, EmoforgeError

Tokens = npt.NDArray[np.int64]
"""What a neural codec sends: indices of shape [codebooks, frames]."""


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """What a bare codec makes of samples at its own rate.

    data: the coded bytes (one packet an item), or tokens int64 [codebooks, frames].
    bits: size of what is sent, without a container's headers.
    samples: how many samples at the coded rate the stream lasts, padding of frames included.
    side: what else the decoder needs to know (a gain, say); `bits` counts it.
    """

    data: tuple[bytes, ...] | Tokens
    bits: int
    samples: int
    side: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Bitstream:
    """One coded clip. rate: Hz that it is coded at; source_rate, length: of what was encoded."""

    payload: Payload
    rate: int
    source_rate: int
    length: int

    @property
    def kbps(self) -> float:
        """Measured kbit/s: bits over the time that the stream lasts."""
        return self.payload.bits * self.rate / self.payload.samples / 1000


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A clip after encoding and decoding.

    audio: as long as the source and at its rate. kbps: measured. rate: Hz that it was coded at.
    delay: seconds that the codec was late by, already taken out.
    """

    audio: Audio
    kbps: float
    rate: int
    delay: float

    def measured(self) -> dict[str, float]:
        """As plain numbers, for a candidate's row and for reports."""
        return {"kbps": self.kbps, "coded_hz": float(self.rate), "delay_ms": 1000 * self.delay}


@dataclass(frozen=True)
class Codec(Component):
    """A codec at one operating point. kbps: nominal kbit/s, one of `points`."""

    kbps: float

    network: ClassVar[bool] = False
    """Whether it runs in large batches in the process that has the device, not in workers."""

    @property
    @abstractmethod
    def points(self) -> tuple[float, ...]:
        """Nominal kbit/s that it has, rising; needs no `setup`."""

    @abstractmethod
    def coded_rate(self, rate: int) -> int:
        """The sampling rate, Hz, at which audio of `rate` Hz is coded; needs no `setup`."""

    @abstractmethod
    def _encode(self, samples: Samples, rate: int) -> Payload:
        """Encode samples in [-1, 1] at the coded rate, one or more of them."""

    @abstractmethod
    def _decode(self, payload: Payload, rate: int) -> Samples:
        """All that the decoder gives, late by the codec's delay; may be shorter or longer."""

    def _pass(self, batch: Sequence[Samples], rate: int) -> list[tuple[Payload, Samples]]:
        """Encode and decode several clips at the coded rate: the same results as one by one."""
        payloads = [self._encode(samples, rate) for samples in batch]
        return [(payload, self._decode(payload, rate)) for payload in payloads]

    def delay(self, rate: int) -> int:
        """Samples at the coded rate by which the decoder's output is late: measured, once."""
        return _delay(self, rate)

    def point(self, name: str = "") -> float:
        """The operating point that `kbps` means, typed to two digits or more.

        Raises ConfigError naming the points that it has, if it is none of them. name: what the
        user calls it.
        """
        near = min(self.points, key=lambda point: abs(self.kbps - point))
        if abs(self.kbps - near) < 5e-3:
            return float(near)
        have = ", ".join(f"{point:g}" for point in self.points)
        raise ConfigError(f"codec '{name or self.name}' has no {self.kbps:g} kbit/s; it has {have}")

    def encode(self, audio: Audio) -> Bitstream:
        """Encode mono audio of any rate and length; raises AudioError.

        Samples beyond ±1 are limited.
        """
        rate, samples = self._prepared(audio)
        return Bitstream(self._encode(samples, rate), rate, audio.rate, len(audio.samples))

    def decode(self, stream: Bitstream) -> Audio:
        """Decode to exactly the length and rate of the source, in time with it."""
        return self._finished(
            self._decode(stream.payload, stream.rate),
            stream.rate,
            stream.source_rate,
            stream.length,
        )

    def roundtrip(self, audio: Audio) -> Coded:
        """Encode and decode one clip; raises AudioError."""
        stream = self.encode(audio)
        delay = self.delay(stream.rate) / stream.rate
        return Coded(self.decode(stream), stream.kbps, stream.rate, delay)

    def roundtrip_batch(self, audios: Sequence[Audio]) -> list[Coded | AudioError]:
        """Encode and decode a batch, in the same order; a clip that cannot be coded fails alone.

        A clip comes out the same alone as in a batch.
        """
        answers: dict[int, Coded | AudioError] = {}
        by_rate: dict[int, list[tuple[int, Samples]]] = {}
        for i, audio in enumerate(audios):
            try:
                rate, samples = self._prepared(audio)
            except AudioError as error:
                answers[i] = error
            else:
                by_rate.setdefault(rate, []).append((i, samples))
        for rate, items in by_rate.items():
            delay = self.delay(rate) / rate
            places = [i for i, _ in items]
            made = self._passed([samples for _, samples in items], rate)
            for i, one in zip(places, made, strict=True):
                if isinstance(one, AudioError):
                    answers[i] = one
                    continue
                payload, raw = one
                source = audios[i]
                stream = Bitstream(payload, rate, source.rate, len(source.samples))
                try:
                    back = self._finished(raw, rate, source.rate, len(source.samples))
                except AudioError as error:
                    answers[i] = error
                else:
                    answers[i] = Coded(back, stream.kbps, rate, delay)
        return [answers[i] for i in range(len(audios))]

    def _passed(
        self, batch: Sequence[Samples], rate: int
    ) -> list[tuple[Payload, Samples] | AudioError]:
        """As `_pass`; where the batch fails, its clips one by one."""
        try:
            return list(self._pass(batch, rate))
        except Exception as error:
            if len(batch) == 1:
                known = isinstance(error, EmoforgeError)
                text = str(error) if known else f"{type(error).__name__}: {error}"
                return [AudioError(f"{self.name}@{self.kbps:g}: {text}")]
        return [one for samples in batch for one in self._passed([samples], rate)]

    def _prepared(self, audio: Audio) -> tuple[int, Samples]:
        """Samples at the coded rate, limited, with room at the end for what comes late."""
        if not len(audio.samples):
            raise AudioError(f"{self.name}: there is nothing to code, the clip has no samples")
        if not np.isfinite(audio.samples).all():
            raise AudioError(f"{self.name}: samples are not finite (NaN or infinite)")
        rate = self.coded_rate(audio.rate)
        samples = np.clip(audio.resampled(rate).samples, -1.0, 1.0)
        return rate, fit(samples, max(1, len(samples)) + self.delay(rate))

    def _finished(self, raw: Samples, rate: int, source_rate: int, length: int) -> Audio:
        if not np.isfinite(raw).all():
            raise AudioError(f"{self.name}: the decoder gave samples that are not finite")
        timely = np.asarray(raw[self.delay(rate) :], np.float32)
        back = Audio(timely, rate).resampled(source_rate).samples if len(timely) else timely
        return Audio(np.clip(fit(back, length), -1.0, 1.0), source_rate)


@cache
def _delay(codec: Codec, rate: int) -> int:
    return measure_delay(lambda samples: codec._decode(codec._encode(samples, rate), rate), rate)
