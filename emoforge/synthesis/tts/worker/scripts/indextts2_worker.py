"""Worker for IndexTTS 2, written for `indextts.infer_v2.IndexTTS2` in index-tts/index-tts.

Code and weights: bilibili Model Use License Agreement (LicenseRef-Bilibili-IndexTTS); read it
before you use or pass on what it makes. The engine's `uv sync` makes the interpreter.

model: the folder of the weights, with `config.yaml`.
settings: fp16 (on a GPU).

The voice is the reference's. The emotion is the reference's too, and on top of it the engine's own
emotion vector, where it has one for the emotion: as strong as `strength` says, up to 1.
"""

from pathlib import Path
from typing import Any

from worker_protocol import (  # type: ignore[import-not-found]
    engine_version,
    files_digest,
    known_settings,
    model_files,
    serve,
)

AXES = ("happy", "angry", "sad", "fearful", "disgusted", "melancholic", "surprised", "calm")
"""The order of the engine's emotion vector, by emoforge's names where it has them."""
MOST = 0.8
"""The engine's own limit of the vector's sum."""


def describe(model: str, settings: dict[str, Any]) -> dict[str, Any]:
    known_settings(settings, fp16=False)
    config = model_files(model, "config.yaml")
    return {
        "engine": "IndexTTS 2",
        "version": engine_version("indextts", "indextts", "give its checkout as pythonpath"),
        "weights": files_digest([*config, *model_files(model, "*.pth"), *Path(model).glob("*.pt")]),
        "licence": "LicenseRef-Bilibili-IndexTTS",
        "languages": ["zh", "en"],
        "clones": True,
    }


def load(model: str, settings: dict[str, Any], device: str) -> Any:
    import huggingface_hub  # type: ignore[import-not-found,unused-ignore] # noqa: F401

    # The import above fixes the hub's cache before the engine moves it to the current folder.
    from indextts.infer_v2 import IndexTTS2  # type: ignore[import-not-found]

    engine = IndexTTS2(
        cfg_path=str(Path(model) / "config.yaml"),
        model_dir=model,
        use_fp16=known_settings(settings, fp16=False)["fp16"],
        device=device,
    )

    def speak(item: dict[str, Any]) -> tuple[Any, int]:
        rate, samples = engine.infer(
            spk_audio_prompt=item["references"][0]["path"],
            text=item["text"],
            output_path=None,
            emo_vector=vector(item["emotion"], item["strength"]),
        )
        return samples / 32768.0, rate

    return speak


def vector(emotion: str, strength: float) -> list[float] | None:
    """The engine's emotion vector; None leaves the emotion to the reference."""
    axis = "calm" if emotion == "neutral" else emotion
    if axis not in AXES:
        return None
    return [MOST * min(1.0, strength) if axis == one else 0.0 for one in AXES]


if __name__ == "__main__":
    serve(describe, load)
