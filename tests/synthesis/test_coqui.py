"""The engines `coqui` and `yourtts` with small random checkpoints in the official formats."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tiny_coqui
import torch
from numpy.typing import NDArray

from emoforge.audio import Audio
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Outcome, Params, create, rng_for
from emoforge.errors import ConfigError, RequirementError, SkipClip
from emoforge.hub import read_json
from emoforge.licence import forbidden
from emoforge.synthesis.tts import vits
from emoforge.synthesis.tts.checkpoint import Checkpoint, language_name, official_licence
from emoforge.synthesis.tts.coqui import Coqui
from emoforge.synthesis.tts.engine import Utterance
from emoforge.synthesis.tts.network import NetworkEngine
from emoforge.synthesis.tts.yourtts import YourTts

TEXTS = ("Kids are talking by the door.", "Dogs!", "Are dogs sitting by the door?")
SPEAKERS = ("alice_Angry", "alice_Neutral", "bob_Angry", "bob_Neutral", "carol_x")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    here = tmp_path_factory.mktemp("coqui")
    return {
        "many": tiny_coqui.vits(here / "many", speakers=SPEAKERS),
        "one": tiny_coqui.vits(here / "one"),
        "yourtts": tiny_coqui.yourtts(here / "yourtts"),
        "glow": tiny_coqui.glow_tts(here / "glow"),
        "hifigan": tiny_coqui.hifigan(here / "hifigan"),
    }


def coqui(folder: Path, **options: Any) -> Coqui:
    return cast(Coqui, create("generator", "coqui", {"model": str(folder), **options}))


@pytest.fixture(scope="module")
def emotional(folders: dict[str, Path]) -> Coqui:
    made = coqui(folders["many"], speakers="{voice}_{emotion}")
    made.check_requirements()
    made.setup()
    return made


@pytest.fixture(scope="module")
def cloning(folders: dict[str, Path]) -> YourTts:
    made = create("generator", "yourtts", {"model": str(folders["yourtts"])})
    made.check_requirements()
    return cast(YourTts, made)


@pytest.fixture(scope="module")
def actor(clips: list[Clip]) -> list[Clip]:
    return [replace(clip, digest=clip.id) for clip in clips if clip.speaker == "ravdess_02"]


def line(text: str, like: Clip, speaker: str, language: str = "en") -> Clip:
    """A text without audio."""
    return replace(like, id=text, path="", text=text, speaker=speaker, language=language)


def utterance(params: Params, references: tuple[Clip, ...] = ()) -> Utterance:
    fields = ("text", "language", "voice", "emotion", "strength", "seed")
    return Utterance(
        **{name: params[name] for name in fields}, references=references, params=params
    )


def said(engine: NetworkEngine, *utterances: Utterance) -> list[NDArray[np.float32]]:
    found = engine.speak(utterances)
    assert all(isinstance(one, Audio) for one in found), found
    return [cast(Audio, one).samples for one in found]


def plans(engine: NetworkEngine, actor: list[Clip], speaker: str) -> list[Utterance]:
    angry = next(clip for clip in actor if clip.emotion == "angry")
    return [utterance(engine.plan(line(t, angry, speaker), rng_for(t))) for t in TEXTS]


def samples(outcome: Outcome) -> NDArray[np.float32]:
    assert outcome.audio is not None, outcome.detail
    return outcome.audio.samples


# --- VITS ---------------------------------------------------------------------------------------


def test_vits_speaks_as_the_package_does(emotional: Coqui, actor: list[Clip]) -> None:
    """But in its last 13 frames: there the package's decoder is at an edge, ours at silence."""
    own = plans(emotional, actor, "bob")[0]
    network = emotional._network().tts_model
    tokens = torch.tensor([network.tokenizer.text_to_ids(own.text, language="en-us")])
    with torch.random.fork_rng([]):
        torch.manual_seed(own.seed)
        wave = network.inference(
            tokens,
            {"speaker_ids": torch.tensor([SPEAKERS.index("bob_Angry")])},
        )["model_outputs"][0, 0].numpy()
    (ours,) = said(emotional, own)
    edge = 13 * network.config.audio.hop_length
    assert len(ours) == len(wave) > 2 * edge
    assert wave[:-edge].std() > 1e-5
    np.testing.assert_allclose(ours[:-edge], wave[:-edge], atol=1e-7)


@pytest.mark.parametrize("name", ["coqui", "yourtts"])
def test_vits_sounds_the_same_alone_and_in_company(
    name: str,
    emotional: Coqui,
    cloning: YourTts,
    actor: list[Clip],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name == "coqui":
        engine: NetworkEngine = emotional
        lines = [*plans(emotional, actor, "bob")[:2], plans(emotional, actor, "alice")[2]]
    else:
        engine = cloning
        shown = tuple(clip for clip in actor if clip.emotion == "angry")[:1]
        clip = replace(shown[0], references=shown)
        lines = [
            utterance(cloning.plan(replace(clip, text=text), rng_for(text)), shown)
            for text in TEXTS
        ]
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    together = said(engine, *lines)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], legacy)  # type: ignore[index,arg-type] # noqa: NPY002
    monkeypatch.setitem(vits.AT_ONCE, "cpu", 3)  # as on a GPU
    batched = said(engine, *lines)
    for one, alone, own in zip(lines, together, batched, strict=True):
        assert len(alone) == len(own)
        np.testing.assert_allclose(own, alone, atol=1e-4 * np.abs(alone).max())
        monkeypatch.setitem(vits.AT_ONCE, "cpu", 1)
        assert np.array_equal(said(engine, one)[0], alone)
    (other,) = said(engine, replace(lines[0], seed=lines[0].seed + 1))
    assert not np.array_equal(other[:1000], together[0][:1000])


def test_names_of_speakers_can_carry_emotions(emotional: Coqui, actor: list[Clip]) -> None:
    found = {voice.name: voice.emotions for voice in emotional.voices("en")}
    assert found == {
        "alice": ("angry", "neutral"),
        "bob": ("angry", "neutral"),
        "carol_x": (),  # x is no emotion
    }
    angry = next(clip for clip in actor if clip.emotion == "angry")
    own = emotional.plan(line(TEXTS[0], angry, "alice"), rng_for(0))
    assert "controls" not in own
    assert emotional.promise(line(TEXTS[0], angry, "alice"), own).speaker == "coqui:alice"
    neutral = said(emotional, replace(utterance(own), emotion="neutral"))[0]
    embedded = emotional._prepare(emotional._network(), utterance(own)).voice
    weights = emotional._network().tts_model.emb_g.weight
    assert torch.equal(embedded[0, :, 0], weights[SPEAKERS.index("alice_Angry")])
    assert not np.array_equal(said(emotional, utterance(own))[0][:500], neutral[:500])
    # A voice without emotions is shaped by the profile.
    assert "controls" in emotional.plan(line(TEXTS[0], angry, "carol_x"), rng_for(0))
    with pytest.raises(SkipClip, match="no voice 'dave'"):
        emotional.plan(line(TEXTS[0], angry, "dave"), rng_for(0))


@pytest.mark.parametrize("pattern", ["{voice}", "{emotion}_{emotion}_{voice}", "angry"])
def test_a_pattern_without_its_fields_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="speakers is a pattern"):
        Coqui(speakers=pattern)


def test_a_checkpoint_of_one_voice_is_shaped_by_the_profile(
    folders: dict[str, Path], actor: list[Clip]
) -> None:
    engine = coqui(folders["one"])
    assert [voice.name for voice in engine.voices("en")] == ["tiny"]
    angry = next(clip for clip in actor if clip.emotion == "angry")
    params = engine.plan(angry, rng_for(0))
    (outcome,) = engine.apply_batch([angry], [params])
    assert params["controls"]
    assert outcome.audio is not None
    assert outcome.audio.rate == angry.rate
    assert np.abs(samples(outcome)).max() > 1e-3


def test_texts_that_the_checkpoint_cannot_read_fail_alone(
    emotional: Coqui, actor: list[Clip]
) -> None:
    good = plans(emotional, actor, "bob")[0]
    bad = [replace(good, text=text) for text in ("Кто там?", "naïve dogs")]
    outcomes = emotional.speak([bad[0], good, bad[1]])
    assert "does not know" in str(outcomes[0])
    assert "'ï'" in str(outcomes[2])
    assert np.array_equal(cast(Audio, outcomes[1]).samples, said(emotional, good)[0])


# --- YourTTS ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what the package reads files with
def test_yourtts_hears_a_voice_as_the_package_does(cloning: YourTts, actor: list[Clip]) -> None:
    network = cloning._network()
    shown = actor[:2]
    expected = network.speaker_manager.compute_embedding_from_clip([one.path for one in shown])
    (heard,) = cloning._of_clips(shown)
    np.testing.assert_allclose(heard[0].numpy(), expected, atol=1e-6)


def test_yourtts_speaks_with_the_references_in_its_languages(
    cloning: YourTts, actor: list[Clip]
) -> None:
    assert [one for one in ("en", "fr", "pt-PT", "de") if cloning.supports(one)] == [
        "en", "fr", "pt-PT",
    ]  # fmt: skip
    clip = next(clip for clip in actor if clip.emotion == "angry")
    clip = replace(clip, references=cloning.references(clip, Cast.of(actor), rng_for(0)))
    assert {one.emotion for one in clip.references} == {"angry"}
    params = {**cloning.plan(clip, rng_for(0)), "language": "fr"}
    (outcome,) = cloning.apply_batch([clip], [params])
    assert outcome.audio is not None
    assert outcome.audio.rate == clip.rate
    prepared = cloning._prepare(cloning._network(), utterance(params, clip.references))
    assert prepared.language == 1  # fr-fr
    assert prepared.voice is not None
    assert float(prepared.voice.norm()) == pytest.approx(1, abs=1e-5)
    assert cloning.promise(clip, params).speaker == "ravdess_02"
    assert "forbids commercial" in (forbidden(cloning.licence(params), "commercial") or "")


def test_yourtts_speaks_with_its_own_voices_through_coqui(
    folders: dict[str, Path], actor: list[Clip]
) -> None:
    engine = coqui(folders["yourtts"])
    assert [voice.name for voice in engine.voices("en")] == ["female-en-5", "male-en-2"]
    (wave,) = said(engine, plans(engine, actor, "male-en-2")[0])
    assert np.abs(wave).max() > 1e-3
    voice = engine._prepare(engine._network(), plans(engine, actor, "male-en-2")[0]).voice
    torch.testing.assert_close(voice[0, :, 0], torch.full((64,), 0.125))  # [1.05] * 64 to norm 1


# --- other networks -----------------------------------------------------------------------------


def test_spectrograms_are_heard_through_a_vocoder_or_griffin_lim(
    folders: dict[str, Path], actor: list[Clip]
) -> None:
    neutral = next(clip for clip in actor if clip.emotion == "neutral")
    legacy = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    waves = []
    for vocoder in ("", str(folders["hifigan"])):
        engine = coqui(folders["glow"], vocoder=vocoder)
        assert not engine.supports("en")
        own = utterance(
            engine.plan(line("Hola, niño, y otra vez hola.", neutral, "", "es"), rng_for(0))
        )
        first, second = said(engine, own, replace(own, text="Hola, niño."))
        assert np.array_equal(said(engine, own)[0], first)
        assert len(first) > len(second) > 0
        waves.append(first)
    assert not np.array_equal(waves[0][:500], waves[1][:500])
    assert np.array_equal(np.random.get_state()[1], legacy)  # type: ignore[index,arg-type] # noqa: NPY002
    plain = coqui(folders["glow"])
    assert plain.weights != engine.weights


# --- folders ------------------------------------------------------------------------------------


def copied(folder: Path, place: Path, **changes: Any) -> Path:
    """A copy of a checkpoint with other values at the top of its configuration."""
    shutil.copytree(folder, place)
    config = {**read_json(place / "config.json"), **changes}
    (place / "config.json").write_text(json.dumps(config))
    return place


def test_what_it_speaks_with_is_in_the_digest(folders: dict[str, Path], tmp_path: Path) -> None:
    same = copied(folders["many"], tmp_path / "same")
    assert read_json(same / "config.json")["model_args"]["speakers_file"].startswith("/somewhere")
    text = (folders["many"] / "config.json").read_text()
    (same / "config.json").write_text(text)
    assert coqui(same).weights == coqui(folders["many"]).weights
    (same / "speaker_ids.json").write_text(json.dumps(dict.fromkeys(SPEAKERS, 0)))
    assert coqui(same).weights != coqui(folders["many"]).weights


def test_a_language_that_the_checkpoint_does_not_name_is_asked_for(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    mute = copied(folders["one"], tmp_path / "mute", phoneme_language=None)
    with pytest.raises(ConfigError, match=r"add generators\.coqui\.language="):
        coqui(mute).supports("pl")
    assert coqui(mute, language="pl").supports("pl-PL")
    assert not coqui(mute, language="pl").supports("en")


@pytest.mark.parametrize(
    ("tag", "known", "name"),
    [
        ("en-US", ["en", "fr-fr"], "en"),
        ("fr", ["en", "fr-fr"], "fr-fr"),
        ("zh-CN", ["zh-cn"], "zh-cn"),
        ("pt-BR", ["pt-pt", "pt-br"], "pt-br"),
        ("EN", ["de_DE", "en_GB"], "en_GB"),
        ("e", ["en"], None),
    ],
)
def test_a_language_is_found_by_its_tag(tag: str, known: list[str], name: str | None) -> None:
    assert language_name(tag, known) == name


def test_licences_are_those_of_the_official_folder(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    named = copied(folders["one"], tmp_path / "tts_models--en--ljspeech--vits")
    assert official_licence(named) == "apache 2.0"
    assert forbidden(coqui(named).licence({}), "commercial") is None
    unknown = coqui(folders["one"])
    assert "is not stated" in (forbidden(unknown.licence({}), "research") or "")
    assert coqui(folders["one"], terms="MIT").licence({}) == "MIT"
    assert official_licence(tmp_path / "tts_models--en") == ""


class Trap:
    """Leaves a folder where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


def test_folders_that_would_run_code_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    weights = copied(folders["one"], tmp_path / "weights")
    torch.save({"model": Trap(sprung)}, weights / "model_file.pth")
    characters = {**read_json(folders["one"] / "config.json")["characters"]}
    characters["characters_class"] = "antigravity.Class"
    named = copied(folders["one"], tmp_path / "named", characters=characters)
    statistics = copied(folders["glow"], tmp_path / "statistics")
    np.save(statistics / "scale_stats.npy", np.array({"mean": Trap(sprung)}), allow_pickle=True)
    for folder in (weights, named, statistics):
        with pytest.raises(RequirementError, match="refused"):
            coqui(folder).setup()
    assert not sprung.exists()


def test_statistics_that_are_plain_numbers_are_read(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = copied(folders["glow"], tmp_path / "statistics")
    numbers = {"mel_mean": np.zeros(80, np.float32), "mel_std": np.float64(1)}
    np.save(folder / "scale_stats.npy", np.array(numbers), allow_pickle=True)
    with Checkpoint.of(folder).loading() as file:
        assert read_json(file)["audio"]["stats_path"] == str(folder / "scale_stats.npy")


def test_folders_of_something_else_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    other = copied(folders["one"], tmp_path / "xtts", model="xtts")
    with pytest.raises(ConfigError, match=r"generators=\[xtts\]"):
        coqui(other).check_requirements()
    with pytest.raises(RequirementError, match=r"no config_se\.json"):
        YourTts(model=str(folders["one"])).check_requirements()
    broken = copied(folders["one"], tmp_path / "broken", num_chars=3)
    torch.save({"model": {}}, broken / "model_file.pth")
    with pytest.raises(RequirementError, match="cannot load this model"):
        coqui(broken).setup()
    with pytest.raises(RequirementError, match="tts --list_models"):
        Coqui().check_requirements()
    with pytest.raises(RequirementError, match=r"your_tts\.zip; CC BY-NC-ND"):
        YourTts().check_requirements()


def test_a_device_that_is_not_there_is_named(folders: dict[str, Path]) -> None:
    engine = coqui(folders["one"], device="cuda:99")
    assert engine.in_process
    with pytest.raises(ConfigError, match="device 'cuda:99' cannot be used here"):
        engine.setup()
