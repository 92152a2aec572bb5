"""The codecs of libavcodec, on real speech."""

from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio, fit, read
from emoforge.codecs.libav import (
    AC3,
    G722,
    G726,
    MP3,
    SBC,
    ALaw,
    AMRNarrowband,
    LibavCodec,
    MuLaw,
    Opus,
    _missing,
)
from emoforge.errors import AudioError


@pytest.fixture(scope="module")
def speech(shared: Path) -> Audio:
    loud = read(sorted((shared / "corpora" / "emodb").rglob("*.flac"))[5])
    # Full scale overloads G.726.
    return Audio(loud.samples / 2, loud.rate)


def snr(codec: LibavCodec, source: Audio) -> float:
    """Of a round trip, dB, against the source as the codec's sampling rate leaves it."""
    rate = codec.coded_rate(source.rate)
    heard = fit(source.resampled(rate).resampled(source.rate).samples, len(source.samples))
    error = codec.roundtrip(source).audio.samples - heard
    return float(10 * np.log10(np.sum(np.square(heard)) / np.sum(np.square(error))))


@pytest.mark.parametrize("codec", [ALaw(kbps=64), MuLaw(kbps=64)])
def test_g711_has_the_noise_of_8_bits(codec: LibavCodec, speech: Audio) -> None:
    # 38 dB at full load; speech comes near it.
    assert 32 < snr(codec, speech) < 40


@pytest.mark.parametrize(
    ("kind", "rising"), [(G726, (16, 24, 32, 40)), (G722, (48, 56, 64)), (AC3, (32, 48, 64, 96))]
)
def test_more_bits_are_closer_to_the_source(
    kind: type[LibavCodec], rising: tuple[float, ...], speech: Audio
) -> None:
    values = [snr(kind(kbps=kbps), speech) for kbps in rising]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.5


def test_amr_packets_are_those_of_the_standard(speech: Audio) -> None:
    codec = AMRNarrowband(kbps=12.2)
    stream = codec.encode(speech)
    assert {len(packet) for packet in stream.payload.data} == {32}
    # Mode 7 in the header's frame type, quality bit set (RFC 4867, 4.3.2).
    assert {bytes(packet)[0] for packet in stream.payload.data} == {7 << 3 | 4}
    assert stream.payload.bits == 244 * len(stream.payload.data)


def test_g722_at_48_does_not_use_the_two_lowest_bits(speech: Audio) -> None:
    codec = G722(kbps=48)
    payload = codec.encode(speech).payload
    other = type(payload)(
        tuple(bytes(byte ^ 3 for byte in packet) for packet in payload.data),
        payload.bits,
        payload.samples,
    )
    assert np.array_equal(codec._decode(payload, 16000), codec._decode(other, 16000))
    full = G722(kbps=64)
    assert not np.array_equal(full._decode(payload, 16000), full._decode(other, 16000))


@pytest.mark.parametrize(
    ("codec", "source", "coded"),
    [
        (Opus(kbps=16), 16000, 16000),
        (Opus(kbps=16), 22050, 24000),
        (Opus(kbps=16), 96000, 48000),
        (MP3(kbps=16), 48000, 24000),
        (MP3(kbps=32), 48000, 48000),
        (SBC(kbps=64), 48000, 16000),
        (SBC(kbps=96), 44100, 44100),
        (AC3(kbps=32), 8000, 32000),
    ],
)
def test_it_codes_at_the_lowest_rate_that_keeps_the_band(
    codec: LibavCodec, source: int, coded: int
) -> None:
    assert codec.coded_rate(source) == coded


def test_a_damaged_packet_is_an_audio_error(speech: Audio) -> None:
    codec = AC3(kbps=64)
    payload = codec.encode(speech).payload
    broken = type(payload)((b"\x00" * 40,), 320, 1536)
    with pytest.raises(AudioError, match="ac3 cannot decode this"):
        codec._decode(broken, 32000)


def test_a_library_without_the_encoder_is_said() -> None:
    assert _missing("libopus", "libopus") is None
    assert "encoder 'libnosuch' (pip install" in str(_missing("libnosuch", "libopus"))
    assert "decoder 'libnosuch' (pip install" in str(_missing("libopus", "libnosuch"))
