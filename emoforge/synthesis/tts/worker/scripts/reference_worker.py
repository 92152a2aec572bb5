"""A complete worker, to read and to copy; docs/worker.md explains its messages.

Its engine is a formant synthesiser that babbles, one sound a letter, in two voices and four
emotions. It needs Python, numpy and nothing else.
"""

import json
import os
import sys
import wave
from typing import Any

import numpy as np

# Messages leave by a copy of standard output; what an engine prints goes to standard error.
ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

RATE = 16000
PITCH = {"anna": 210.0, "ben": 115.0}  # Hz
# Pitch, its range, speed and level of an emotion, relative to neutral speech.
STYLES = {
    "neutral": (1.0, 1.0, 1.0, 1.0),
    "angry": (1.3, 1.8, 1.15, 2.0),
    "happy": (1.4, 2.0, 1.1, 1.5),
    "sad": (0.9, 0.5, 0.8, 0.6),
}
FORMANTS = {"a": (750, 1200), "e": (450, 1900), "i": (300, 2200), "o": (450, 850), "u": (320, 750)}
HELLO = {
    "protocol": 1,
    "engine": "babble",
    "version": "1",  # change it whenever the same item would give another sound
    "weights": "",  # a digest of the files of the weights; this engine has none
    "licence": "CC0-1.0",
    "languages": ["en", "de", "es", "pl"],
    "voices": [
        {"name": "anna", "gender": "female", "emotions": list(STYLES)},
        {"name": "ben", "gender": "male", "emotions": list(STYLES)},
    ],
    "max_batch": 8,
}


def say(item: dict[str, Any]) -> Any:
    """The item's text as samples in [-1, 1]; raises ValueError for what cannot be said."""
    if item["emotion"] not in STYLES:
        raise ValueError(f"there is no emotion '{item['emotion']}'")
    # Strength goes from neutral (0) to the emotion (1) and beyond.
    pitch, span, speed, level = np.array(STYLES[item["emotion"]]) ** item["strength"]
    rng = np.random.default_rng(item["seed"])
    sounds = [letter for letter in item["text"].lower() if letter.isalnum() or letter in ",.;:!?"]
    size = int(0.065 * RATE / speed)
    # The voice's pitch falls over the sentence, with a movement at every letter.
    moves = np.linspace(0.12, -0.12, len(sounds)) + 0.06 * rng.standard_normal(len(sounds))
    contour = np.repeat(PITCH[item["voice"]] * pitch * np.exp(span * moves), size)
    phase = np.cumsum(contour) / RATE
    parts = []
    for i, sound in enumerate(sounds):
        own = phase[i * size : (i + 1) * size]
        if sound in ",.;:!?":
            parts.append(np.zeros(size))
        elif sound in "cfhkpstxz":
            parts.append(0.1 * rng.standard_normal(size) * np.hanning(size))
        else:
            first, second = FORMANTS.get(sound, (280, 1400))
            # Every period of the voice rings at the formants and dies away.
            ring = (own % 1) / contour[i * size : (i + 1) * size]
            tone = np.sin(2 * np.pi * first * ring) + 0.5 * np.sin(2 * np.pi * second * ring)
            parts.append(tone * np.exp(-250 * ring) * (0.7 + 0.3 * np.hanning(size)))
    return np.clip(0.3 * level * np.concatenate(parts), -1, 1)


def write(path: str, samples: Any) -> None:
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((32767 * samples).astype("<i2").tobytes())


def answer(kind: str, **fields: Any) -> None:
    ANSWERS.write(json.dumps({"type": kind, **fields}) + "\n")
    ANSWERS.flush()


for line in sys.stdin:  # it ends when emoforge does
    message = json.loads(line)
    if message["type"] == "hello":  # comes with "model" and "settings"
        answer("hello", **HELLO)
    elif message["type"] == "load":  # here weights go to message["device"]
        answer("ready")
    elif message["type"] == "speak":
        for item in message["items"]:
            try:
                write(item["out"], say(item))
                answer("item", id=item["id"])
            except Exception as error:  # this item fails, the others do not
                answer("item", id=item["id"], error=str(error))
        answer("done", id=message["id"])
