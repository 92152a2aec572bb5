"""Synthesise the starter corpus again: `python tools/make_starter_corpus.py VOICES OUT`.

VOICES is a folder with the HTS voices that emoforge/starter/SOURCE.md names. With the pinned
versions of constraints.txt the files come out bit-identical.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyopenjtalk import extract_fullcontext
from pyopenjtalk.htsengine import HTSEngine

from emoforge.audio import Audio, encode_flac, loudness

RATE = 16_000
LUFS = -23.0
PAUSE = 0.1
"""Silence kept before and after the speech, in seconds."""

EMOTIONS = ("angry", "happy", "neutral", "sad")

# Kana only, so that a synthesiser without a Japanese dictionary can read them, and without the
# particles that are spelt otherwise than spoken (は, へ).
SENTENCES = (
    "あしたのあさえきのまえであいましょう。",
    "つくえのうえにほんがあります。",
    "まどのそとであめがふっています。",
    "ここからうみまであるいてごふんです。",
    "でんわがさんかいなりました。",
)


@dataclass(frozen=True)
class Speaker:
    """One speaker: the voice files' name, and that voice's word for neutral."""

    name: str
    gender: str
    file: str
    neutral: str
    licence: str
    split: str

    def voice(self, emotion: str) -> str:
        return self.file.format(self.neutral if emotion == "neutral" else emotion)


SPEAKERS = (
    Speaker("mei", "female", "mei_v1.5/mei_{}.htsvoice", "normal", "CC BY 3.0", "train"),
    Speaker("takumi", "male", "takumi_v1.0/takumi_{}.htsvoice", "normal", "CC BY 3.0", "train"),
    Speaker(
        "tohoku", "female", "tohoku-f01/tohoku-f01-{}.htsvoice", "neutral", "CC BY 4.0", "test"
    ),
)


def synthesise(voice: Path) -> list[Audio]:
    """Every sentence in one voice, trimmed, at the voice's own scale."""
    engine = HTSEngine(str(voice).encode())
    rate = engine.get_sampling_frequency()
    spoken = [engine.synthesize(extract_fullcontext(text)) for text in SENTENCES]
    return [trimmed(Audio(s.astype(np.float32), rate).resampled(RATE)) for s in spoken]


def trimmed(audio: Audio) -> Audio:
    """Without the silence around the speech, but for `PAUSE`; speech: within 50 dB of the peak."""
    envelope = np.abs(audio.samples)
    loud = np.flatnonzero(envelope > envelope.max() * 10 ** (-50 / 20))
    pause = round(PAUSE * RATE)
    return Audio(audio.samples[max(0, loud[0] - pause) : loud[-1] + pause], RATE)


def level_gain(neutral: list[Audio]) -> np.float32:
    """One gain a speaker: the emotions keep the levels that the voices give them."""
    return np.float32(10 ** ((LUFS - np.mean([loudness(audio) for audio in neutral])) / 20))


def levelled(audio: Audio, gain: np.float32) -> bytes:
    """FLAC of the audio with that gain; raises ValueError where it would clip."""
    samples = audio.samples * gain
    if np.abs(samples).max() >= 1:
        raise ValueError("would clip: choose another sentence")
    return encode_flac(Audio(samples, RATE))


def file_name(speaker: Speaker, emotion: str, number: int) -> str:
    return f"{speaker.name}_{emotion}_{number}.flac"


def main() -> None:
    voices, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = []
    for speaker in SPEAKERS:
        clips = {emotion: synthesise(voices / speaker.voice(emotion)) for emotion in EMOTIONS}
        gain = level_gain(clips["neutral"])
        for emotion, audios in clips.items():
            for number, audio in enumerate(audios, start=1):
                path = file_name(speaker, emotion, number)
                (out / path).write_bytes(levelled(audio, gain))
                rows.append(
                    {
                        "path": path,
                        "speaker": speaker.name,
                        "gender": speaker.gender,
                        "emotion": emotion,
                        "text": SENTENCES[number - 1],
                        "language": "ja",
                        "licence": speaker.licence,
                        "split": speaker.split,
                    }
                )
    with open(out / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
