"""Legacy round trips in process against one FFmpeg process a clip, on the same real clips.

    python benchmarks/codecs.py

Each row is the median over clips of RAVDESS, EmoDB and nEMO of the time for one clip, everything
included: resampling there and back, encoding, decoding. FFmpeg encodes in one process and decodes
in another, from file to file, at the same rate, bitrate and options. Both do a clip in turn, so
that a busy machine slows both. Codecs that this FFmpeg cannot encode have no row.
"""

import os

# One thread, so that a row says what a worker process would take.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import csv
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from emoforge.audio import read
from emoforge.codecs import Codec
from emoforge.codecs.libav import LibavCodec
from emoforge.component import create

CLIPS = 24
SHARED = Path(os.environ.get("EMOFORGE_SHARED", Path(__file__).parents[2] / "shared"))

# A file that FFmpeg writes and reads without being told more.
CONTAINERS = {
    "opus": "ogg", "aac": "mp4", "mp3": "mp3", "ac3": "ac3", "sbc": "sbc", "amr_nb": "amr",
    "g722": "g722", "g723_1": "wav", "g726": "wav", "alaw": "wav", "mulaw": "wav", "adpcm": "wav",
    "vorbis": "ogg", "gsm": "wav",
}  # fmt: skip
# What FFmpeg's own encoder is called, and told, where it is not what libav.py says.
OTHERS = {
    "adpcm": ["-c:a", "adpcm_ima_wav"],
    "g726": ["-c:a", "g726"],
    "vorbis": ["-c:a", "libvorbis", "-q:a", "6"],
    "gsm": ["-c:a", "libgsm_ms"],
}
POINTS = {
    "opus": 16, "aac": 32, "mp3": 32, "ac3": 64, "sbc": 64, "amr_nb": 12.2, "g722": 64,
    "g723_1": 6.3, "g726": 32, "alaw": 64, "mulaw": 64, "adpcm": 32, "vorbis": 43, "gsm": 13,
}  # fmt: skip


def clips() -> list[Path]:
    """Clips of all corpora, emotions and speakers, spread over the manifest."""
    with (SHARED / "corpora" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    step = len(rows) // CLIPS
    return [SHARED / "corpora" / row["path"] for row in rows[::step][:CLIPS]]


def encoder(codec: Codec, rate: int) -> list[str]:
    """FFmpeg's options for the same codec at the same point."""
    options = ["-ar", str(codec.coded_rate(rate)), "-ac", "1"]
    if codec.name not in OTHERS:
        assert isinstance(codec, LibavCodec)
        options += ["-c:a", codec.encoder]
        for name, value in codec.settings.items():
            options += [f"-{name}", value]
    options += OTHERS.get(codec.name, [])
    return options if codec.name == "vorbis" else [*options, "-b:a", f"{1000 * codec.kbps:.0f}"]


def by_ffmpeg(program: str, codec: Codec, clip: Path, folder: Path) -> None:
    rate = 16000
    coded, back = folder / f"coded.{CONTAINERS[codec.name]}", folder / "back.flac"
    quiet = [program, "-nostdin", "-v", "error", "-y"]
    subprocess.run([*quiet, "-i", clip, *encoder(codec, rate), coded], check=True)
    subprocess.run([*quiet, "-i", coded, "-ar", str(rate), back], check=True)


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        sys.exit("needs an FFmpeg program on the PATH (apt-get install ffmpeg)")
    files = clips()
    can = subprocess.run(
        [program, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True
    ).stdout
    print(f"{f'ms per clip, {len(files)} clips':24}{'in process':>12}{'FFmpeg':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, kbps in POINTS.items():
            codec = cast(Codec, create("codec", name, {"kbps": kbps}))
            if f" {encoder(codec, 16000)[5]} " not in can:
                print(f"{name}@{kbps:g}: this FFmpeg has no encoder")
                continue
            codec.roundtrip(read(files[0]))  # the delay is measured once in a process
            here, there = [], []
            for file in files:
                here.append(milliseconds(lambda c=codec, f=file: c.roundtrip(read(f))))
                there.append(
                    milliseconds(lambda c=codec, f=file: by_ffmpeg(program, c, f, Path(folder)))
                )
            a, b = statistics.median(here), statistics.median(there)
            print(f"{f'{name}@{kbps:g}':24}{a:12.1f}{b:10.1f}{b / a:8.1f}")


if __name__ == "__main__":
    main()
