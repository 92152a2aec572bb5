"""Worker for F5-TTS: `pip install f5-tts`, written for the API of 1.1.22.

Code: MIT. Weights: CC-BY-NC-4.0, for they were trained on Emilia.

model: a folder with a checkpoint (`model_*.safetensors` or `.pt`) and, if it is not the package's
own, `vocab.txt`; with `vocos/` in it the vocoder is taken from there, else from the hub.
settings: config (name of the model's configuration in the package), nfe_step, cfg_strength,
sway_sampling_coef, speed: as in `F5TTS.infer`.

The emotion is the reference's; strength is not used.
"""

from pathlib import Path
from typing import Any

from worker_protocol import (  # type: ignore[import-not-found]
    WorkerError,
    engine_version,
    files_digest,
    known_settings,
    model_files,
    reference_within,
    serve,
)

LONGEST = 12.0
"""The engine cuts longer references, and their text would no longer be theirs; seconds."""


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    return known_settings(  # type: ignore[no-any-return]
        given,
        config="F5TTS_v1_Base",
        nfe_step=32,
        cfg_strength=2.0,
        sway_sampling_coef=-1.0,
        speed=1.0,
    )


def checkpoint(model: str) -> Path:
    found = model_files(model, "model_*.*")
    if len(found) != 1:
        raise WorkerError(f"{model}: holds {len(found)} checkpoints, it should hold one")
    return found[0]  # type: ignore[no-any-return]


def describe(model: str, settings: dict[str, Any]) -> dict[str, Any]:
    settings_of(settings)
    files = [checkpoint(model), *Path(model).glob("vocab.txt"), *Path(model).glob("vocos/*")]
    return {
        "engine": "F5-TTS",
        "version": engine_version("f5_tts", "f5-tts", "pip install f5-tts"),
        "weights": files_digest(files),
        "licence": "CC-BY-NC-4.0",
        "languages": ["en", "zh"],
        "clones": True,
    }


def load(model: str, settings: dict[str, Any], device: str) -> Any:
    from f5_tts.api import F5TTS  # type: ignore[import-not-found]

    options = settings_of(settings)
    vocab, vocos = Path(model) / "vocab.txt", Path(model) / "vocos"
    engine = F5TTS(
        model=options.pop("config"),
        ckpt_file=str(checkpoint(model)),
        vocab_file=str(vocab) if vocab.exists() else "",
        vocoder_local_path=str(vocos) if vocos.is_dir() else None,
        device=device,
    )

    def speak(item: dict[str, Any]) -> tuple[Any, int]:
        reference = reference_within(item, LONGEST)
        if not reference["text"]:
            raise WorkerError("its reference has no text, which F5-TTS needs")
        samples, rate, _ = engine.infer(
            ref_file=reference["path"],
            ref_text=reference["text"],
            gen_text=item["text"],
            seed=item["seed"],
            **options,
        )
        return samples, rate

    return speak


if __name__ == "__main__":
    serve(describe, load)
