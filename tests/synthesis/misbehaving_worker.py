"""A worker that misbehaves in the way that it is told: at the start by `model`, at an item by the
first word of its text. An item with another first word is said well: a tone."""

import array
import json
import math
import os
import struct
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

RATE = 16000


def answer(kind: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"type": kind, **fields}) + "\n")
    sys.stdout.flush()


def tone(path: str, channels: int = 1, rate: int = RATE, peak: int = 8000) -> None:
    samples = array.array("h", (int(peak * math.sin(i / 10)) for i in range(RATE // 4 * channels)))
    with wave.open(path, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def floats(path: str, value: float) -> None:
    samples = array.array("f", [0.1] * 100 + [value] + [0.1] * 100)
    with open(path, "wb") as file:
        head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + 4 * len(samples), b"WAVE", b"fmt ", 16,
                           3, 1, RATE, 4 * RATE, 4, 32)  # fmt: skip
        file.write(head + struct.pack("<4sI", b"data", 4 * len(samples)) + samples.tobytes())


def speak(item: dict[str, Any], settings: dict[str, Any]) -> None:
    way, out, key = item["text"].split()[0], item["out"], item["id"]
    folder = Path(settings.get("folder", "."))
    if way == "dies":
        os._exit(3)
    if way == "crashes":
        sys.stderr.write("the last words\n")
        sys.stderr.flush()
        os.abort()
    if way == "once" and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(4)
    if way == "hangs":
        time.sleep(1000)
    if way == "closes":
        os.close(1)
        time.sleep(1000)
    if way == "floods":
        for i in range(300):
            sys.stdout.write(f"progress {i}\n")
        sys.stdout.flush()
    if way == "endless":
        sys.stdout.write("x" * (3 << 20))
        sys.stdout.flush()
    if way == "chats":
        sys.stdout.write('Loading …\n[1, 2]\n{}\nnull\n{"type": 7}\n\xff\n')
    if way == "shouts":
        sys.stderr.write("w" * (1 << 20))
        sys.stderr.flush()
    if way == "silent":
        tone(out, peak=0)
    elif way == "stereo":
        tone(out, channels=2)
    elif way == "slow-rate":
        tone(out, rate=10)
    elif way in ("nan", "inf"):
        floats(out, math.nan if way == "nan" else math.inf)
    elif way == "text":
        Path(out).write_text("no audio")
    elif way == "empty":
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
    elif way == "parents":
        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(1000)  # {folder}"])
        tone(out)
    elif way == "environment":
        (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
        tone(out)
    elif way != "nothing":
        tone(out)
    if way == "refuses":
        return answer("item", id=key, error="I do not like this text")
    if way == "mute":
        return None
    if way == "others":
        answer("item", id="no such id")
        answer("item", id=None)
        answer("surprise", id=key)
    answer("item", id=key)
    if way == "twice":
        answer("item", id=key, error="changed my mind")
    return None


def hello(way: str) -> None:
    known: dict[str, Any] = {
        "protocol": 2 if way == "old" else 1,
        "engine": "tone",
        "version": "1" if way != "changes" else str(time.time()),
        "weights": "w",
        "licence": "CC-BY-NC-4.0",
        "languages": ["en"],
        "voices": [{"name": "v", "emotions": ["neutral", "happy", "sad", "angry"]}],
        "max_batch": 4,
        "unheard-of": 1,
    }
    if way == "nameless":
        del known["engine"]
    if way == "nobody":
        known["voices"] = []
    if way == "no-batch":
        known["max_batch"] = 0
    answer("hello" if way != "rude" else "goodbye", **known)


settings: dict[str, Any] = {}
model = ""
if os.environ.get("MISBEHAVE") == "at once":
    raise ModuleNotFoundError("No module named 'engine'")
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "hello":
        model, settings = message["model"], message["settings"]
        if model == "hangs":
            time.sleep(1000)
        if model == "refuses":
            answer("error", error="there are no weights in /engines: run fetch-weights")
        else:
            hello(model)
    elif message["type"] == "load":
        if model == "dies-loading":
            sys.exit("out of memory")
        if model == "hangs-loading":
            time.sleep(1000)
        answer("ready" if model != "never-ready" else "item")
    elif message["type"] == "speak":
        for item in message["items"]:
            speak(item, settings)
        if "unfinished" not in settings:
            answer("done", id=message["id"])
