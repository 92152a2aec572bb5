"""The codecs of FFmpeg programs; without a program, what the doctor says of them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio, read
from emoforge.codecs import Coded, ffmpeg
from emoforge.codecs.ffmpeg import AMRWideband, Codec2, FFmpegCodec, Speex
from emoforge.errors import AudioError, RequirementError


@pytest.fixture(scope="module")
def speech(shared: Path) -> Audio:
    return read(sorted((shared / "corpora" / "ravdess").rglob("*.flac"))[7])


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ffmpeg._programs.cache_clear()
    yield
    ffmpeg._programs.cache_clear()


def here(codec: FFmpegCodec) -> FFmpegCodec:
    try:
        codec.check_requirements()
    except RequirementError as error:
        pytest.skip(str(error))
    return codec


@pytest.mark.usefixtures("no_program")
@pytest.mark.parametrize(
    ("codec", "remedy"),
    [
        (Speex(kbps=9.8), "apt-get install ffmpeg"),
        (Codec2(kbps=1.2), "apt-get install ffmpeg"),
        (AMRWideband(kbps=12.65), "pip install imageio-ffmpeg==0.6.0"),
    ],
)
def test_without_a_program_it_says_what_gets_one(codec: FFmpegCodec, remedy: str) -> None:
    with pytest.raises(RequirementError, match=f"encoder '{codec.encoder}' .*{remedy}"):
        codec.check_requirements()
    with pytest.raises(RequirementError, match=codec.encoder):
        codec._encode(np.zeros(160, np.float32), codec.rate)
    assert codec.weights == ""


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (Codec2, {0.7: 28, 1.2: 48, 1.3: 52, 1.4: 56, 1.6: 64, 2.4: 48, 3.2: 64}),
        (AMRWideband, {6.6: 132, 12.65: 253, 23.85: 477}),
        (Speex, {3.95: 80, 9.8: 200, 42.2: 848}),
    ],
)
def test_frames_have_the_bits_of_their_mode(
    kind: type[FFmpegCodec], sizes: dict[float, int], speech: Audio
) -> None:
    for kbps, bits in sizes.items():
        codec = here(kind(kbps=kbps))
        payload = codec.encode(speech).payload
        seconds = 0.04 if kind is Codec2 and kbps < 2 else 0.02
        frames = payload.samples / codec.rate / seconds
        assert payload.bits == bits * frames
        assert frames * seconds >= speech.duration


def test_a_batch_takes_fewer_processes_than_clips(
    speech: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = here(Speex(kbps=12.8))
    codec.delay(codec.rate)
    started: list[list[str]] = []
    run = subprocess.run

    def counted(command: list[str], **options: object) -> object:
        started.append(command)
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    short = Audio(speech.samples[16000:24000], 16000)
    made = codec.roundtrip_batch([short] * (ffmpeg.TOGETHER + 3))
    assert all(isinstance(one, Coded) for one in made)
    assert len(started) == 4


def test_a_broken_stream_is_an_audio_error(speech: Audio) -> None:
    codec = here(Speex(kbps=12.8))
    payload = codec.encode(speech).payload
    with pytest.raises(AudioError, match="FFmpeg cannot code this"):
        codec._decode(type(payload)((b"no Ogg",), 48, 320), 16000)
