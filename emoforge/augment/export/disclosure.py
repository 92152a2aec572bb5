"""Saying in the audio itself that it is synthetic, and finding out whether a file says so."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import soundfile

from emoforge.audio import Audio, pcm16, read
from emoforge.component import digest
from emoforge.watermark import Detection, detect, embed

Disclosure = Literal["none", "tag", "watermark", "both"]
"""How synthetic clips are marked: a comment in the file, a mark in the sound, both, or not."""

_TAG = "Synthetic speech made with emoforge"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file says about itself; tag: its comment, "" where it does not say so."""

    path: Path
    tag: str
    watermark: Detection

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        mark = self.watermark
        return {
            "path": str(self.path),
            "tag": self.tag or None,
            "watermark": mark.marked,
            "p": mark.p,
            "payload": None if mark.payload is None else f"{mark.payload:08x}",
        }


def tag(clip_id: str, generator: str) -> str:
    """The comment in the file of a synthetic clip."""
    return f"{_TAG} by its generator '{generator}', clip {clip_id}"


def payload(clip_id: str) -> int:
    """What a clip's watermark carries: the first 32 bits of its id.

    A candidate's id is a digest; of any other id it is that of its digest.
    """
    known = clip_id if re.fullmatch("[0-9a-f]{32}", clip_id) else digest(clip_id)
    return int(known[:8], 16)


def watermarked(audio: Audio, clip_id: str) -> Audio:
    """The audio with a watermark that carries the clip's `payload`."""
    return embed(audio, payload(clip_id))


def encode(audio: Audio, container: Literal["FLAC", "WAV"], comment: str) -> bytes:
    """A 16-bit file with a comment: `COMMENT` of Vorbis in FLAC, `ICMT` of RIFF in WAV.

    Without a comment the file has no such field; equal arguments give equal bytes.
    """
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", audio.rate, 1, "PCM_16", format=container) as file:
        if comment:
            file.comment = " ".join(comment.replace("\0", " ").split())
        file.write(pcm16(audio.samples))
    return buffer.getvalue()


def check_disclosure(path: Path) -> Checked:
    """Whether a file is tagged or watermarked by emoforge; raises AudioError if it is no audio."""
    audio = read(path)
    try:
        with soundfile.SoundFile(path) as file:
            comment = str(file.comment)
    except soundfile.LibsndfileError:  # a format that only FFmpeg reads
        comment = ""
    return Checked(path, comment if comment.startswith(_TAG) else "", detect(audio))
