"""The engine `xtts` with small random weights in the released format, and real references."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
import tiny_coqui
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from TTS.config import load_config
from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer
from TTS.tts.models.xtts import Xtts as Package

from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Outcome, create, rng_for
from emoforge.errors import ConfigError, RequirementError, SkipClip
from emoforge.licence import forbidden
from emoforge.synthesis.tts import network as shared_network
from emoforge.synthesis.tts import racing, xtts
from emoforge.synthesis.tts.xtts import Xtts

TEXTS = ("Kids are talking by the door.", "Dogs!", "Are dogs sitting by the door, or are they not?")
Task = tuple[Clip, dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_coqui.xtts(tmp_path_factory.mktemp("xtts"), as_released=True)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Xtts:
    made = cast(Xtts, create("generator", "xtts", {"model": str(folder)}))
    made.check_requirements()
    made.setup()
    return made


@pytest.fixture(scope="module")
def graded(engine: Xtts) -> Xtts:
    return replace(engine, strength=(0.0, 2.0))


@pytest.fixture(scope="module")
def voices(clips: list[Clip]) -> Cast:
    """Two actors of RAVDESS."""
    own = [clip for clip in clips if clip.speaker in ("ravdess_01", "ravdess_02")]
    return Cast.of([replace(clip, digest=clip.id) for clip in own])


@pytest.fixture(scope="module")
def plan(voices: Cast) -> Callable[..., Task]:
    """A text for a speaker in an emotion, with its references and parameters."""

    def planned(engine: Xtts, text: str, speaker: str, emotion: str, **given: Any) -> Task:
        clip = replace(voices.clips(speaker, emotion)[-1], text=text)
        shown = engine.references(clip, voices, rng_for(0))
        clip = replace(clip, references=shown)
        return clip, {**engine.plan(clip, rng_for(1, text)), **given}

    return planned


@pytest.fixture(scope="module")
def tasks(engine: Xtts, plan: Callable[..., Task]) -> list[Task]:
    speakers = ("ravdess_01", "ravdess_01", "ravdess_02")
    emotions = ("angry", "sad", "angry")
    return [plan(engine, *one) for one in zip(TEXTS, speakers, emotions, strict=True)]


@pytest.fixture(scope="module")
def batch(engine: Xtts, tasks: list[Task]) -> list[NDArray[np.float32]]:
    return [samples(one) for one in run(engine, tasks)]


def run(engine: Xtts, tasks: list[Task]) -> list[Outcome]:
    return engine.apply_batch([clip for clip, _ in tasks], [params for _, params in tasks])


def samples(outcome: Outcome) -> NDArray[np.float32]:
    assert outcome.audio is not None, outcome.detail
    return outcome.audio.samples


def test_it_speaks_as_the_package_does(
    engine: Xtts, folder: Path, tasks: list[Task], tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "own")  # the package rewrites the file that it loads
    original = Package(load_config(folder / "config.json"))
    original.load_checkpoint(original.config, checkpoint_dir=tmp_path / "own", eval=True)
    clip, params = tasks[0]
    files = []
    for number, one in enumerate(clip.references):
        files.append(tmp_path / f"{number}.wav")
        soundfile.write(files[-1], one.read(22050).samples, 22050, subtype="FLOAT")
    config = original.config
    latents, timbre = original.get_conditioning_latents(
        files, config.max_ref_len, config.gpt_cond_len, config.gpt_cond_chunk_len
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(params["seed"])
        wave = original.inference(
            TEXTS[0],
            "en",
            latents,
            timbre,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            repetition_penalty=config.repetition_penalty,
        )["wav"]
    (said,) = engine.speak([utterance(engine, clip, params)])
    assert not isinstance(said, Exception)
    assert said.rate == 24000
    assert np.abs(wave).max() > 1e-3
    np.testing.assert_allclose(said.samples, wave, atol=1e-6)


def utterance(engine: Xtts, clip: Clip, params: dict[str, Any]) -> Any:
    from emoforge.synthesis.tts.engine import Utterance

    fields = ("text", "language", "voice", "emotion", "strength", "seed")
    own = {name: params[name] for name in fields}
    return Utterance(**own, references=clip.references, params=params)


def test_a_text_sounds_the_same_alone_and_in_company(
    engine: Xtts, tasks: list[Task], batch: list[NDArray[np.float32]]
) -> None:
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    for task, together in zip(tasks, batch, strict=True):
        assert np.array_equal(samples(run(engine, [task])[0]), together)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], legacy)  # type: ignore[index,arg-type] # noqa: NPY002
    clip, params = tasks[0]
    other = run(engine, [(clip, {**params, "seed": params["seed"] + 1})])[0]
    assert not np.array_equal(samples(other)[:4000], batch[0][:4000])


def test_what_rounding_could_decide_is_drawn_alone(
    engine: Xtts,
    tasks: list[Task],
    batch: list[NDArray[np.float32]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    draw = xtts._codes

    def counted(network: Any, lines: Any) -> Any:
        sizes.append(len(lines))
        return draw(network, lines)

    monkeypatch.setattr(racing, "PHOTO_FINISH", 1.0)  # every draw is close
    monkeypatch.setattr(xtts, "_codes", counted)
    again = run(engine, tasks)
    assert sizes == [3, 1, 1, 1]
    for one, together in zip(again, batch, strict=True):
        assert np.array_equal(samples(one), together)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(2, 60))
def test_a_race_is_what_multinomial_draws_from_each_row(seed: int, rows: int, tokens: int) -> None:
    rng = np.random.default_rng(seed)
    chances = torch.from_numpy(rng.dirichlet(np.full(tokens, 0.3), rows).astype(np.float32))
    seeds = [int(one) for one in rng.integers(2**31, size=rows)]
    alone = [torch.Generator().manual_seed(one) for one in seeds]
    with racing.race(seeds, stop=0):
        drawn = [torch.multinomial(chances, num_samples=1) for _ in range(3)]
    for together in drawn:
        own = [
            torch.multinomial(row, 1, generator=g) for row, g in zip(chances, alone, strict=True)
        ]
        assert torch.equal(together, torch.stack(own))


def test_close_finishes_are_named_until_the_row_ends() -> None:
    with racing.race([1, 2, 3], stop=1) as drawing:
        sure = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        torch.multinomial(sure, num_samples=1)  # ends the second row
        assert drawing.doubtful == []
        drawing.generators[0].manual_seed(9)
        drawing.generators[1].manual_seed(9)
        delays = torch.empty(2).exponential_(generator=torch.Generator().manual_seed(9))
        tie = delays / delays.sum()
        torch.multinomial(torch.stack([tie, tie, sure[2]]), num_samples=1)
    assert drawing.doubtful == [0]


def test_strength_goes_from_the_neutral_to_the_emotional_voice(
    graded: Xtts, plan: Callable[..., Task]
) -> None:
    network = graded._network()
    heard = {}
    for strength in (0.0, 0.5, 1.0, 1.5):
        clip, params = plan(graded, TEXTS[0], "ravdess_01", "angry", strength=strength)
        heard[strength] = graded._voice_of(network, utterance(graded, clip, params))
    shown = [one.emotion for one in clip.references]
    assert shown == ["angry"] * 3 + ["neutral"] * 3
    emotional = graded._of_clips(clip.references[:3])
    neutral = graded._of_clips(clip.references[3:])
    for kind in range(2):
        plain, own = neutral[kind], emotional[kind]
        assert (own - plain).abs().max() > 1e-4
        assert torch.equal(heard[0.0][kind], plain)
        assert torch.equal(heard[1.0][kind], own)
        torch.testing.assert_close(heard[0.5][kind], (plain + own) / 2)
        torch.testing.assert_close(heard[1.5][kind], 1.5 * own - 0.5 * plain)
    clip, params = plan(graded, TEXTS[0], "ravdess_01", "neutral", strength=0.3)
    assert {one.emotion for one in clip.references} == {"neutral"}
    own = graded._voice_of(network, utterance(graded, clip, params))
    assert torch.equal(own[0], graded._of_clips(clip.references)[0])


def test_references_that_cannot_show_the_emotion_are_declined(
    engine: Xtts, graded: Xtts, voices: Cast
) -> None:
    angry = voices.clips("ravdess_01", "angry")
    neutral = voices.clips("ravdess_01", "neutral")
    clip = replace(angry[0], references=tuple(angry[1:3]))
    assert engine.plan(clip, rng_for(0))["strength"] == 1
    with pytest.raises(SkipClip, match="no 'neutral' clip of its speaker"):
        graded.plan(clip, rng_for(0))
    with pytest.raises(SkipClip, match="no 'angry' clip of its speaker"):
        engine.plan(replace(clip, references=tuple(neutral[:1])), rng_for(0))
    without = Cast.of(neutral)
    assert graded.references(clip, without, rng_for(0)) == ()


def test_an_emotion_that_no_reference_shows_is_not_drawn() -> None:
    with pytest.raises(ConfigError, match="emotion must be 'keep'"):
        create("generator", "xtts", {"emotion": "random"})


def test_a_voice_is_heard_once(engine: Xtts, tasks: list[Task]) -> None:
    heard = shared_network._heard_once
    run(engine, tasks[:1])
    before = heard.cache_info()
    clip, params = tasks[0]
    network = engine._network()
    for text in TEXTS:
        engine._prepare(network, replace(utterance(engine, clip, params), text=text))
    after = heard.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 3)


def test_a_bad_item_fails_alone(
    engine: Xtts, tasks: list[Task], batch: list[NDArray[np.float32]]
) -> None:
    clip, params = tasks[0]
    gone = replace(clip, references=(replace(clip.references[0], path="nowhere.flac"),))
    blip = replace(clip, references=(replace(clip.references[0], duration=0.05),))
    strange = (clip, {**params, "text": "ქართული"})
    long = (clip, {**params, "text": "no " * 79})
    outcomes = run(engine, [(gone, params), tasks[1], strange, long, (blip, params)])
    assert [one.status for one in outcomes] == ["failed", "ok", "failed", "failed", "failed"]
    assert "nowhere.flac" in outcomes[0].detail
    assert "knows no letter" in outcomes[2].detail
    assert "tokens" in outcomes[3].detail
    assert "xtts failed on this text" in outcomes[4].detail
    assert np.array_equal(samples(outcomes[1]), batch[1])


@pytest.mark.skipif(
    importlib.util.find_spec("cutlet") is not None, reason="cutlet is there to read Japanese"
)
def test_a_missing_reader_of_a_language_is_named(engine: Xtts, tasks: list[Task]) -> None:
    clip, params = tasks[0]
    (outcome,) = run(engine, [(clip, {**params, "text": "こんにちは", "language": "ja"})])
    assert outcome.reason == "RequirementError"
    assert "cutlet" in outcome.detail


def test_languages_and_lengths_are_those_of_the_checkpoint(
    engine: Xtts, voices: Cast, folder: Path
) -> None:
    assert [one for one in ("en-GB", "de", "zh", "zh-CN", "fr", "sw") if engine.supports(one)] == [
        "en-GB", "de", "zh", "zh-CN",
    ]  # fmt: skip
    assert VoiceBpeTokenizer().char_limits == xtts._LONGEST
    angry = voices.clips("ravdess_01", "angry")
    long = replace(angry[0], text="Dogs, " * 50, references=tuple(angry[1:2]))
    with pytest.raises(SkipClip, match="longer than the 250"):
        engine.plan(long, rng_for(0))


def test_the_released_file_stays_as_it_is(engine: Xtts, folder: Path) -> None:
    held = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    shared_network._resident.cache_clear()
    before = engine.weights
    engine.setup()
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == held
    assert engine.weights == before


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


def test_weights_that_would_run_code_are_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "vocab.json"):
        shutil.copy(folder / name, tmp_path)
    torch.save({"config": Trap(tmp_path / "sprung"), "model": {}}, tmp_path / "model.pth")
    with pytest.raises(RequirementError, match="unsafe"):
        Xtts(model=str(tmp_path)).setup()
    assert not (tmp_path / "sprung").exists()


def test_missing_weights_say_how_to_get_them_and_their_licence(tmp_path: Path) -> None:
    with pytest.raises(RequirementError, match=r"hf download tts-hub/XTTS-v2 .* Coqui Public"):
        Xtts().check_requirements()
    with pytest.raises(RequirementError, match=r"no config.json in this folder"):
        Xtts(model=str(tmp_path)).check_requirements()
    assert "forbids commercial" in (forbidden(Xtts().licence({}), "commercial") or "")
    assert forbidden(Xtts().licence({}), "research") is None
    assert Xtts(terms="MIT").licence({}) == "MIT"
