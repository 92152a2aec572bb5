"""Codecs that PyAV's FFmpeg libraries bring, in process: packets from the encoder to the decoder.

There is no container in between, so that the packets' sizes are what the codec itself sends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import av
import numpy as np

from emoforge.audio import Audio, Samples, fit, pcm16
from emoforge.codecs.codec import Codec, Payload
from emoforge.component import Requirement, digest
from emoforge.errors import AudioError


def _missing(encoder: str, decoder: str) -> str | None:
    """Say which of both PyAV's libraries lack, and how to get them."""
    needs: tuple[tuple[str, Literal["w", "r"], str], ...] = (
        (encoder, "w", "encoder"),
        (decoder, "r", "decoder"),
    )
    for name, mode, kind in needs:
        try:
            av.Codec(name, mode)
        except ValueError:  # av's UnknownCodecError is one
            return f"PyAV with FFmpeg's {kind} '{name}' (pip install --only-binary av av)"
    return None


@dataclass(frozen=True)
class LibavCodec(Codec):
    """A codec of libavcodec. Subclasses say which, and how it is set up; they have no code.

    encoder, decoder: FFmpeg's names. has: the operating points, nominal kbit/s.
    rates: sampling rates that it codes, Hz, rising; the lowest that keeps the source's band is
        taken. wide_rates: further, higher ones, for `wide_from` kbit/s or more.
    settings: FFmpeg's options of the encoder.
    grain: 0 if it codes frames; otherwise it codes sample by sample, and so many samples make
        whole bytes.
    frame_ms: of codecs whose frames have a fixed number of bits, filled up to whole bytes: their
        milliseconds. What fills up is not counted, nor are the `header_bits` of each packet.
    """

    encoder: ClassVar[str]
    decoder: ClassVar[str]
    has: ClassVar[tuple[float, ...]]
    rates: ClassVar[tuple[int, ...]]
    wide_rates: ClassVar[tuple[int, ...]] = ()
    wide_from: ClassVar[float] = 0
    settings: ClassVar[Mapping[str, str]] = {}
    grain: ClassVar[int] = 0
    frame_ms: ClassVar[float] = 0
    header_bits: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        cls.requires = (Requirement("av", check=partial(_missing, cls.encoder, cls.decoder)),)

    @property
    def points(self) -> tuple[float, ...]:
        return self.has

    @property
    def weights(self) -> str:
        """The samples change with the libraries' version."""
        return digest("libavcodec", av.__version__, av.library_versions["libavcodec"])

    def coded_rate(self, rate: int) -> int:
        rates = self.rates + (self.wide_rates if self.kbps >= self.wide_from else ())
        return next((own for own in rates if own >= rate), rates[-1])

    def _decoder_settings(self) -> dict[str, str]:
        """FFmpeg's options of the decoder: what a container would have told it."""
        return {}

    def _encode(self, samples: Samples, rate: int) -> Payload:
        try:
            context = self._context("w", rate)
            context.bit_rate = round(self.kbps * 1000)
            context.options = dict(self.settings)
            taken = [form.name for form in context.codec.audio_formats or ()]
            form = next(name for name in ("flt", "fltp", "s16", "s16p") if name in taken)
            context.format = form
            context.open()
            grain = self.grain or context.frame_size
            # Some encoders drop a frame that is not full.
            samples = fit(samples, -(-len(samples) // grain) * grain)
            values = samples if form.startswith("flt") else pcm16(samples)
            frame = av.AudioFrame.from_ndarray(values[None], format=form, layout="mono")
            frame.sample_rate = rate
            packets = tuple(
                bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]
            )
        except av.error.FFmpegError as error:
            raise AudioError(f"{self.encoder} cannot encode this ({error.strerror})") from error
        spare = self.header_bits + -round(self.kbps * self.frame_ms) % 8
        return Payload(
            packets,
            bits=sum(8 * len(packet) - spare for packet in packets),
            samples=len(samples) if self.grain else len(packets) * context.frame_size,
        )

    def _decode(self, payload: Payload, rate: int) -> Samples:
        try:
            context = self._context("r", rate)
            context.options = self._decoder_settings()
            frames = [
                frame
                for data in (*payload.data, None)
                for frame in context.decode(None if data is None else av.Packet(data))
            ]
        except av.error.FFmpegError as error:
            raise AudioError(f"{self.decoder} cannot decode this ({error.strerror})") from error
        if not frames:
            raise AudioError(f"{self.decoder} gave no samples")
        samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        if samples.dtype == np.int16:
            samples = samples / np.float32(32768)
        # Opus decodes to 48 kHz whatever went in.
        return (
            Audio(samples.astype(np.float32, copy=False), frames[0].sample_rate)
            .resampled(rate)
            .samples
        )

    def _context(self, mode: Any, rate: int) -> Any:
        context: Any = av.CodecContext.create(self.encoder if mode == "w" else self.decoder, mode)
        context.sample_rate = rate
        context.layout = "mono"
        # Threads would take longer to start than a clip takes.
        context.thread_count = 1
        return context


@dataclass(frozen=True)
class Opus(LibavCodec):
    """Opus (RFC 6716) by libopus, for speech (`voip`), 20 ms frames.

    The bitrate varies within the limits that libopus sets by itself (constrained VBR): a clip's
    measured bitrate is near the nominal one, and silence costs little.
    """

    name: ClassVar[str] = "opus"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "libopus"
    decoder: ClassVar[str] = "libopus"
    has: ClassVar[tuple[float, ...]] = (6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
    rates: ClassVar[tuple[int, ...]] = (8000, 12000, 16000, 24000, 48000)
    settings: ClassVar[Mapping[str, str]] = {"application": "voip", "vbr": "constrained"}


@dataclass(frozen=True)
class AAC(LibavCodec):
    """AAC-LC (ISO/IEC 14496-3) by FFmpeg's encoder; its `fast` search keeps to the bitrate."""

    name: ClassVar[str] = "aac"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "aac"
    decoder: ClassVar[str] = "aac"
    has: ClassVar[tuple[float, ...]] = (16, 24, 32, 48, 64)
    rates: ClassVar[tuple[int, ...]] = (16000, 22050, 24000, 32000)
    wide_rates: ClassVar[tuple[int, ...]] = (44100, 48000)
    wide_from: ClassVar[float] = 24
    settings: ClassVar[Mapping[str, str]] = {"aac_coder": "fast"}


@dataclass(frozen=True)
class MP3(LibavCodec):
    """MP3 by LAME at constant bitrate: MPEG-2 (ISO/IEC 13818-3), from 32 kbit/s MPEG-1 also."""

    name: ClassVar[str] = "mp3"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "libmp3lame"
    decoder: ClassVar[str] = "mp3float"
    has: ClassVar[tuple[float, ...]] = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 128)
    rates: ClassVar[tuple[int, ...]] = (16000, 22050, 24000)
    wide_rates: ClassVar[tuple[int, ...]] = (32000, 44100, 48000)
    wide_from: ClassVar[float] = 32


@dataclass(frozen=True)
class AC3(LibavCodec):
    """AC-3 (ATSC A/52), one channel, at the rates that it is defined for."""

    name: ClassVar[str] = "ac3"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "ac3"
    decoder: ClassVar[str] = "ac3"
    has: ClassVar[tuple[float, ...]] = (32, 40, 48, 56, 64, 80, 96, 128)
    rates: ClassVar[tuple[int, ...]] = (32000, 44100, 48000)


@dataclass(frozen=True)
class SBC(LibavCodec):
    """SBC, the codec of Bluetooth audio (A2DP 1.3, appendix B), mono.

    Below 96 kbit/s it has too few bits for more than the 16 kHz of a headset's calls.
    """

    name: ClassVar[str] = "sbc"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "sbc"
    decoder: ClassVar[str] = "sbc"
    has: ClassVar[tuple[float, ...]] = (32, 48, 64, 96, 128)
    rates: ClassVar[tuple[int, ...]] = (16000,)
    wide_rates: ClassVar[tuple[int, ...]] = (32000, 44100, 48000)
    wide_from: ClassVar[float] = 96


@dataclass(frozen=True)
class AMRNarrowband(LibavCodec):
    """AMR-NB (3GPP TS 26.071), all modes, without DTX."""

    name: ClassVar[str] = "amr_nb"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "libopencore_amrnb"
    decoder: ClassVar[str] = "libopencore_amrnb"
    has: ClassVar[tuple[float, ...]] = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)
    rates: ClassVar[tuple[int, ...]] = (8000,)
    frame_ms: ClassVar[float] = 20
    header_bits: ClassVar[int] = 8  # of the storage format, RFC 4867 section 5.3


@dataclass(frozen=True)
class G722(LibavCodec):
    """ITU-T G.722. At 56 and 48 kbit/s the lowest one or two bits of each byte carry other data.

    As the standard has it the encoder is the same in all three modes, and the decoder leaves
    out the bits that are not speech.
    """

    name: ClassVar[str] = "g722"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "g722"
    decoder: ClassVar[str] = "g722"
    has: ClassVar[tuple[float, ...]] = (48, 56, 64)
    rates: ClassVar[tuple[int, ...]] = (16000,)
    grain: ClassVar[int] = 2

    @property
    def _speech_bits(self) -> int:
        return round(self.kbps / 8)

    def _encode(self, samples: Samples, rate: int) -> Payload:
        whole = super()._encode(samples, rate)
        return Payload(whole.data, whole.bits * self._speech_bits // 8, whole.samples)

    def _decoder_settings(self) -> dict[str, str]:
        return {"bits_per_codeword": str(self._speech_bits)}


@dataclass(frozen=True)
class G7231(LibavCodec):
    """ITU-T G.723.1 at its higher rate, the one that FFmpeg encodes."""

    name: ClassVar[str] = "g723_1"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "g723_1"
    decoder: ClassVar[str] = "g723_1"
    has: ClassVar[tuple[float, ...]] = (6.3,)
    rates: ClassVar[tuple[int, ...]] = (8000,)
    frame_ms: ClassVar[float] = 30


@dataclass(frozen=True)
class G726(LibavCodec):
    """ITU-T G.726: 2 to 5 bits a sample.

    FFmpeg's coder is overloaded where speech touches full scale: there its noise is much louder.
    """

    name: ClassVar[str] = "g726"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "g726"
    decoder: ClassVar[str] = "g726"
    has: ClassVar[tuple[float, ...]] = (16, 24, 32, 40)
    rates: ClassVar[tuple[int, ...]] = (8000,)
    grain: ClassVar[int] = 8

    def _decoder_settings(self) -> dict[str, str]:
        return {"bits_per_coded_sample": str(round(self.kbps / 8))}


@dataclass(frozen=True)
class ALaw(LibavCodec):
    """ITU-T G.711 A-law, the telephone of most of the world."""

    name: ClassVar[str] = "alaw"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "pcm_alaw"
    decoder: ClassVar[str] = "pcm_alaw"
    has: ClassVar[tuple[float, ...]] = (64,)
    rates: ClassVar[tuple[int, ...]] = (8000,)
    grain: ClassVar[int] = 1


@dataclass(frozen=True)
class MuLaw(LibavCodec):
    """ITU-T G.711 µ-law, the telephone of North America and Japan."""

    name: ClassVar[str] = "mulaw"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "pcm_mulaw"
    decoder: ClassVar[str] = "pcm_mulaw"
    has: ClassVar[tuple[float, ...]] = (64,)
    rates: ClassVar[tuple[int, ...]] = (8000,)
    grain: ClassVar[int] = 1


@dataclass(frozen=True)
class ADPCM(LibavCodec):
    """IMA ADPCM, 4 bits a sample, at 8 kHz.

    FFmpeg's `ssi` flavour is these bits alone, without the block headers of WAV files.
    """

    name: ClassVar[str] = "adpcm"
    version: ClassVar[int] = 1
    encoder: ClassVar[str] = "adpcm_ima_ssi"
    decoder: ClassVar[str] = "adpcm_ima_ssi"
    has: ClassVar[tuple[float, ...]] = (32,)
    rates: ClassVar[tuple[int, ...]] = (8000,)
    grain: ClassVar[int] = 2
