"""Worker for CosyVoice 2 and 3, written for `AutoModel` in FunAudioLLM/CosyVoice.

Code and weights: Apache-2.0.

The engine is a checkout, not a package: with its requirements installed, give the folders
`CosyVoice` and `CosyVoice/third_party/Matcha-TTS` as `pythonpath`.

model: the folder of the weights, with `cosyvoice2.yaml` or `cosyvoice3.yaml`.
settings: emotion: `reference` speaks as the reference does; `instruct` is told the emotion in
words, and how strongly where strength is 1 or more. speed: 1 is normal. fp16.
"""

from pathlib import Path
from typing import Any

import numpy as np
from worker_protocol import (  # type: ignore[import-not-found]
    WorkerError,
    engine_version,
    files_digest,
    known_settings,
    model_files,
    reference_within,
    serve,
)

LONGEST = 30.0
"""The engine refuses longer references, seconds."""
LANGUAGES = {
    "cosyvoice2.yaml": ["zh", "en", "ja", "ko"],
    "cosyvoice3.yaml": ["zh", "en", "ja", "ko", "de", "es", "fr", "it", "ru"],
}
WORDS = {"angry": "生气", "fearful": "恐惧", "happy": "开心", "sad": "伤心", "surprised": "惊讶"}
END = "<|endofprompt|>"


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = known_settings(given, emotion="reference", speed=1.0, fp16=False)
    if options["emotion"] not in ("reference", "instruct"):
        raise WorkerError(f"emotion={options['emotion']}: known: reference, instruct")
    return options


def generation(model: str) -> str:
    for name in LANGUAGES:
        if (Path(model) / name).exists():
            return name
    raise WorkerError(f"{model}: no {' or '.join(LANGUAGES)} in this folder, so it is no CosyVoice")


def describe(model: str, settings: dict[str, Any]) -> dict[str, Any]:
    settings_of(settings)
    name = generation(model)
    files = model_files(model, name, "llm.pt", "flow.pt", "hift.pt", "*.onnx")
    return {
        "engine": "CosyVoice",
        "version": engine_version("cosyvoice", "cosyvoice", "give its checkout as pythonpath"),
        "weights": files_digest(files),
        "licence": "Apache-2.0",
        "languages": LANGUAGES[name],
        "clones": True,
    }


def load(model: str, settings: dict[str, Any], device: str) -> Any:
    from cosyvoice.cli.cosyvoice import AutoModel  # type: ignore[import-not-found]

    options = settings_of(settings)
    # It takes a GPU if it sees one: emoforge shows it the one that it is to take.
    engine = AutoModel(model_dir=model, fp16=options["fp16"])
    # CosyVoice 3 wants a system prompt before everything else.
    system = "You are a helpful assistant." if generation(model) == "cosyvoice3.yaml" else ""
    shared = {"stream": False, "speed": options["speed"]}

    def parts(item: dict[str, Any]) -> Any:
        text, reference = item["text"], reference_within(item, LONGEST)
        path, said = reference["path"], reference["text"]
        if options["emotion"] == "instruct" and item["emotion"] != "neutral":
            return engine.inference_instruct2(
                text, system + instruction(item) + END, path, **shared
            )
        prefix = system + END if system else ""
        if not said:
            return engine.inference_cross_lingual(prefix + text, path, **shared)
        return engine.inference_zero_shot(text, prefix + said, path, **shared)

    def speak(item: dict[str, Any]) -> tuple[Any, int]:
        # Long texts come in several parts.
        samples = np.concatenate([np.asarray(part["tts_speech"]) for part in parts(item)], axis=1)
        return samples, engine.sample_rate

    return speak


def instruction(item: dict[str, Any]) -> str:
    if item["emotion"] not in WORDS:
        raise WorkerError(
            f"there is no instruction for '{item['emotion']}': known: {', '.join(sorted(WORDS))}"
        )
    very = "非常" if item["strength"] >= 1 else ""
    return f"请{very}{WORDS[item['emotion']]}地说一句话。"


if __name__ == "__main__":
    serve(describe, load)
