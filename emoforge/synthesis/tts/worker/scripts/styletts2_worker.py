"""Worker for StyleTTS 2: `pip install styletts2`, written for the API of 0.1.6.

Code and weights: MIT. Who uses the pretrained weights agrees to tell listeners that the speech is
synthetic, or to clone only voices whose speakers permit it.

model: a folder with one checkpoint (`*.pth`) and `config.yml`; the package fetches its aligner,
pitch and text models once by itself.
settings: alpha, diffusion_steps, embedding_scale: as in `StyleTTS2.inference`.

The emotion is the reference's: its prosody is taken to the share that strength says (the engine's
beta is 1 - strength), the rest is what the text suggests.
"""

from typing import Any

from worker_protocol import (  # type: ignore[import-not-found]
    WorkerError,
    engine_version,
    files_digest,
    known_settings,
    model_files,
    serve,
)

RATE = 24000


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    return known_settings(  # type: ignore[no-any-return]
        given, alpha=0.3, diffusion_steps=5, embedding_scale=1.0
    )


def files(model: str) -> tuple[str, str]:
    checkpoint, *others = model_files(model, "*.pth")
    if others:
        raise WorkerError(f"{model}: holds {1 + len(others)} checkpoints, it should hold one")
    return str(checkpoint), str(model_files(model, "config.yml")[0])


def describe(model: str, settings: dict[str, Any]) -> dict[str, Any]:
    settings_of(settings)
    files(model)
    return {
        "engine": "StyleTTS 2",
        "version": engine_version("styletts2", "styletts2", "pip install styletts2"),
        "weights": files_digest(model_files(model, "*.pth", "config.yml")),
        "licence": "MIT",
        "languages": ["en"],
        "clones": True,
    }


def load(model: str, settings: dict[str, Any], device: str) -> Any:
    from styletts2.tts import StyleTTS2  # type: ignore[import-not-found]

    options = settings_of(settings)
    checkpoint, config = files(model)
    # It takes a GPU if it sees one: emoforge shows it the one that it is to take.
    engine = StyleTTS2(model_checkpoint_path=checkpoint, config_path=config)

    def speak(item: dict[str, Any]) -> tuple[Any, int]:
        samples = engine.inference(
            item["text"],
            target_voice_path=item["references"][0]["path"],
            output_sample_rate=RATE,
            beta=max(0.0, 1.0 - item["strength"]),
            **options,
        )
        return samples, RATE

    return speak


if __name__ == "__main__":
    serve(describe, load)
