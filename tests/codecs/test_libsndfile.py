"""The codecs of libsndfile, on real speech."""

from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio, read
from emoforge.codecs.libsndfile import GSM, Vorbis
from emoforge.codecs.ogg import packet_sizes


@pytest.fixture(scope="module")
def clips(shared: Path) -> list[Audio]:
    files = sorted((shared / "corpora" / "nemo").rglob("*.flac"))
    return [read(file) for file in files[:: len(files) // 6][:6]]


def test_vorbis_points_rise(clips: list[Audio]) -> None:
    kbps = [
        np.median([Vorbis(kbps=point).encode(clip).kbps for clip in clips])
        for point in Vorbis.qualities
    ]
    assert kbps == sorted(kbps)
    assert kbps[-1] > 2 * kbps[0]


def test_the_headers_of_vorbis_are_not_counted(clips: list[Audio]) -> None:
    payload = Vorbis(kbps=43).encode(clips[0]).payload
    stream = bytes(payload.data[0])
    sizes = packet_sizes(stream)
    assert sizes[0] == 30  # the identification header (Vorbis I, 4.2.2)
    assert payload.bits == 8 * sum(sizes[3:])
    # Between the packets there are only pages' headers: less than 2 % of a stream.
    assert 0.98 * len(stream) < sum(sizes) < len(stream)


def test_gsm_has_13_kbit_in_frames_of_260_bits(clips: list[Audio]) -> None:
    payload = GSM(kbps=13).encode(clips[0]).payload
    frames = payload.samples // 160
    assert payload.bits == 260 * frames
    stream = np.frombuffer(bytes(payload.data[0]), np.uint8).reshape(frames, 33)
    assert np.all(stream[:, 0] >> 4 == 0xD)
