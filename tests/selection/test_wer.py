"""The gate `wer` with a tiny random Whisper in both formats that it reads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from emoforge.audio import Audio
from emoforge.component import Promise, rng_for
from emoforge.errors import ConfigError, RequirementError
from emoforge.label import Label
from emoforge.selection.gates import Given
from emoforge.selection.gates.wer import WordErrorRate, error_rate

transformers = pytest.importorskip("transformers")
pytest.importorskip("faster_whisper")

import tiny_whisper  # noqa: E402 - needs both

TEXT = "Kids are talking by the door."
FORMATS = ("transformers", "ctranslate2")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in FORMATS}
    transformers.utils.logging.disable_progress_bar()
    tiny_whisper.save(folders["transformers"])
    tiny_whisper.convert(folders["transformers"], folders["ctranslate2"])
    return folders


@pytest.fixture(scope="module", params=FORMATS)
def gate(request: pytest.FixtureRequest, models: dict[str, Path]) -> WordErrorRate:
    made = WordErrorRate(model=str(models[request.param]))
    made.setup()
    return made


@pytest.fixture(scope="module")
def sound() -> Audio:
    return Audio(rng_for("wer").normal(0, 0.1, 24000).astype(np.float32), 16000)


def given(text: str | None = TEXT, language: str | None = "en-US") -> Given:
    return Given(Promise(Label.of("neutral"), "s", 1.5, text, language))


def test_what_the_model_hears_is_compared_with_the_text(gate: WordErrorRate, sound: Audio) -> None:
    heard = gate._transcribe(sound.samples, "en")
    assert heard
    value = gate.measure(sound, given())
    assert value == error_rate(TEXT, heard, "en") > 0
    assert gate.measure(sound, given()) == value
    assert gate.measure(sound.resampled(48000), given()) is not None
    assert gate.measure(sound, given(heard)) in (0.0, None)  # None: it heard digits or no word


def test_what_it_hears_is_what_the_library_hears(models: dict[str, Path], sound: Audio) -> None:
    from faster_whisper import WhisperModel

    folder = models["ctranslate2"]
    segments, _ = WhisperModel(str(folder), "cpu", cpu_threads=1).transcribe(
        sound.samples, "en", temperature=0.0, condition_on_previous_text=False
    )
    heard = WordErrorRate(model=str(folder))._transcribe(sound.samples, "en")
    assert heard == " ".join(segment.text for segment in segments)


@pytest.mark.parametrize(
    ("text", "language"),
    [(None, "en"), ("", "en"), ("…", "en"), (TEXT, None), ("Room 7.", "en"), (TEXT, "xx")],
)
def test_what_cannot_be_compared_is_not_measured(
    gate: WordErrorRate, sound: Audio, text: str | None, language: str | None
) -> None:
    assert gate.measure(sound, given(text, language)) is None


def test_sounds_at_the_edge(gate: WordErrorRate) -> None:
    assert gate.measure(Audio(np.zeros(0, np.float32), 16000), given()) == 1
    for samples in (np.zeros(1, np.float32), np.zeros(16000, np.float32)):
        value = gate.measure(Audio(samples, 16000), given())
        assert value is not None
        assert np.isfinite(value)


def test_longer_sounds_are_heard_in_parts(models: dict[str, Path]) -> None:
    gate = WordErrorRate(model=str(models["transformers"]))
    samples = rng_for("long").normal(0, 0.1, 40 * 16000).astype(np.float32)
    halves = [gate._transcribe(half, "en") for half in np.split(samples, 2)]
    assert gate._transcribe(samples, "en") == " ".join(str(half) for half in halves)


def test_the_weights_count_and_nothing_else(models: dict[str, Path], tmp_path: Path) -> None:
    one, other = (WordErrorRate(model=str(models[name])) for name in FORMATS)
    assert one.key == f"wer@{one.weights[:8]}" != other.key
    copy = tmp_path / "copy"
    shutil.copytree(models["ctranslate2"], copy)
    assert WordErrorRate(model=str(copy), device="cuda").signature() == other.signature()


def test_a_model_that_cannot_be_used_is_one_sentence(
    models: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"add gates\.wer\.model="):
        _ = WordErrorRate().key
    with pytest.raises(RequirementError, match=r"no model\.bin or model\.safetensors"):
        _ = WordErrorRate(model=str(tmp_path)).key
    for name, file in (("ctranslate2", "model.bin"), ("transformers", "model.safetensors")):
        broken = tmp_path / name
        shutil.copytree(models[name], broken)
        (broken / file).write_bytes(b"no weights")
        with pytest.raises(RequirementError, match="Whisper cannot be loaded") as caught:
            WordErrorRate(model=str(broken)).setup()
        assert "\n" not in str(caught.value)
    (broken / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    with pytest.raises(RequirementError, match="'wav2vec2', not Whisper"):
        WordErrorRate(model=str(broken)).setup()
