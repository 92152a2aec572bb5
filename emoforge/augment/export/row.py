"""A clip as plain values, the same in every export, and names that are safe in files."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from emoforge.audio import Audio
from emoforge.augment.export.disclosure import Disclosure, encode, tag, watermarked
from emoforge.clip import Clip, Split
from emoforge.errors import ExportError

REAL = "real"
"""Origin of a recording; a generated clip's origin is the name of its generator."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One clip on its way into an export.

    name: its file name without suffix: ASCII, no dot, no space, one name an id.
    columns: what travels along with the audio, plain JSON values (see `columns`).
    comment: what the audio file is to say about itself, "" for nothing.
    """

    name: str
    split: Split
    columns: dict[str, Any]
    audio: Audio
    comment: str = ""

    def flac(self) -> bytes:
        """The audio as a 16-bit FLAC file, with the comment."""
        return encode(self.audio, "FLAC", self.comment)

    def wav(self) -> bytes:
        """The audio as a 16-bit WAV file, with the comment."""
        return encode(self.audio, "WAV", self.comment)


def row(clip: Clip, audio: Audio, disclosure: Disclosure = "none") -> Row:
    """The row of a clip, disclosed if it is synthetic.

    Raises ExportError for a clip that no format could hold.
    """
    if clip.split is None:
        raise ExportError("it belongs to no split; give it train, dev or test")
    disclosure = disclosure if clip.lineage else "none"
    values = {**columns(clip, audio), "disclosure": disclosure}
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ExportError("its texts hold a broken character (half a surrogate pair)") from error
    if disclosure in ("watermark", "both"):
        audio = watermarked(audio, clip.id)
    tagged = disclosure in ("tag", "both")
    comment = tag(clip.id, values["origin"]) if tagged else ""
    return Row(file_name(clip.id), clip.split, values, audio, comment)


def columns(clip: Clip, audio: Audio) -> dict[str, Any]:
    """Everything known about a clip but its samples and where they came from.

    distribution, votes: {class: probability or count}; votes, valence, arousal and dominance
    are None where nobody rated. origin: `real`, or the generator. duration in seconds and rate
    in Hz are those of the exported audio. digest is that of the clip in its workspace, so that
    lineage can be followed. lineage: its fields as a dict, None for a recording. A row adds
    `disclosure`: how the exported audio says that it is synthetic; `none` for recordings.
    """
    label = clip.label
    classes = label.scheme.classes
    valence, arousal, dominance = label.vad or (None, None, None)
    return {
        "id": clip.id,
        "split": clip.split,
        "emotion": label.hard,
        "scheme": label.scheme.name,
        "distribution": dict(zip(classes, label.distribution, strict=True)),
        "votes": dict(zip(classes, label.votes, strict=True)) if label.votes else None,
        "valence": valence,
        "arousal": arousal,
        "dominance": dominance,
        "modality": label.modality,
        "speaker": clip.speaker,
        "gender": clip.gender,
        "language": clip.language,
        "text": clip.text,
        "corpus": clip.corpus,
        "licence": clip.licence,
        "consent": clip.consent,
        "origin": clip.lineage.component if clip.lineage else REAL,
        "duration": audio.duration,
        "rate": audio.rate,
        "digest": clip.digest,
        "lineage": dataclasses.asdict(clip.lineage) if clip.lineage else None,
    }


def file_name(text: str, plain: bytes = b"-") -> str:
    """Turn any text into a name of ASCII letters, digits and `_`, `=`, `~`, `-`.

    Different texts give different names. `/` becomes `~`; any other byte of the UTF-8 form that
    is neither a letter nor a digit nor `_` nor in `plain` becomes `=` and two hex digits; a
    name beyond 80 characters keeps its beginning and ends in `==` and a digest of the text; the
    empty text is `=`. No dot: readers take what follows one for the suffix, and `..` for a
    folder.
    """
    data = text.encode("utf-8", "surrogatepass")
    name = "".join(
        chr(byte) if byte in _PLAIN or byte in plain else "~" if byte == 0x2F else f"={byte:02X}"
        for byte in data
    )
    if len(name) > _LONGEST:
        mark = "==" + hashlib.blake2b(data, digest_size=16).hexdigest()
        name = name[: _LONGEST - len(mark)] + mark
    return name or "="
