"""The judge `clap`: zero-shot scores as transformers gives them, the same each time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

pytest.importorskip("transformers")

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapProcessor,
    PreTrainedTokenizerFast,
)

from emoforge.component import rng_for
from emoforge.config import build
from emoforge.errors import AudioError, ConfigError, LabelError, RequirementError
from emoforge.label import BASIC4, FULL, WIDE8
from emoforge.selection.judges import Scores
from emoforge.selection.judges.encoders.clap import ClapJudge
from emoforge.selection.judges.encoders.clap_network import input_features

Samples = npt.NDArray[np.float32]

SECOND = 48000
PROMPT = "a person speaking in a {emotion} voice"


def noise(length: int, seed: int = 0) -> Samples:
    return (0.1 * rng_for("clap", seed).standard_normal(length)).astype(np.float32)


def tokenizer() -> PreTrainedTokenizerFast:
    """Words of the sentences, with the marks of RoBERTa around them."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *PROMPT.split(), *FULL.classes, "an", "furious"]
    known = {word: i for i, word in enumerate(dict.fromkeys(words))}
    inner = Tokenizer(models.WordLevel(known, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", None, [("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def made(folder: Path, fused: bool) -> Path:
    """A folder in the format of the published ones, of one second instead of ten."""
    words = tokenizer()
    width = 12
    config = ClapConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 64,
            "projection_dim": width,
        },
        audio_config={
            "hidden_size": 64,
            "patch_embeds_hidden_size": 8,
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 1, 1, 1],
            "projection_dim": width,
            "enable_fusion": fused,
        },
        projection_dim=width,
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        model = ClapModel(config)
        for key, values in model.state_dict().items():
            if values.is_floating_point() and "batch_norm" not in key and "logit" not in key:
                values += 0.1 * torch.randn(values.shape)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    ClapFeatureExtractor(
        max_length_s=1, truncation="fusion" if fused else "rand_trunc"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("clap"), fused=False)


@pytest.fixture(scope="session")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("clap_fused"), fused=True)


@pytest.fixture(scope="session")
def judge(published: Path) -> ClapJudge:
    judge = ClapJudge(str(published))
    judge.setup()
    return judge


def heard(judge: ClapJudge, audios: list[Samples]) -> list[Scores]:
    answers = judge.score(audios)
    assert all(isinstance(answer, Scores) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Scores)]


def assert_same(one: Scores, other: Scores) -> None:
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-4)
    for name, values in one.distributions.items():
        np.testing.assert_allclose(values, other.distributions[name], atol=1e-4)


def test_scores_are_those_of_transformers(published: Path, judge: ClapJudge) -> None:
    assert tuple(judge.schemes) == ("wide8", "basic4")
    model = ClapModel.from_pretrained(published).eval()
    prepare = ClapProcessor(ClapFeatureExtractor.from_pretrained(published), tokenizer())
    audios = [noise(SECOND // 3), noise(SECOND, 1)]
    for scheme in (WIDE8, BASIC4):
        texts = [PROMPT.replace("{emotion}", emotion) for emotion in scheme.classes]
        texts[0] = "a person speaking in an angry voice"
        for samples, answer in zip(audios, heard(judge, audios), strict=True):
            inputs = prepare(
                text=texts, audio=samples, sampling_rate=SECOND, return_tensors="pt", padding=True
            )
            with torch.inference_mode():
                expected = model(**{k: v for k, v in inputs.items() if k != "token_type_ids"})
            np.testing.assert_allclose(
                answer.distributions[scheme.name],
                expected.logits_per_audio[0].softmax(0),
                atol=1e-5,
            )
            np.testing.assert_allclose(answer.embedding, expected.audio_embeds, atol=1e-5)


@pytest.mark.parametrize("truncation", ["fusion", "rand_trunc"])
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_spectrograms_are_those_of_the_feature_extractor(truncation: str, padding: str) -> None:
    extractor = ClapFeatureExtractor(max_length_s=1, truncation=truncation, padding=padding)
    for length in (1, 1024, 20000, 24000, 24001, 47999, 48000):
        samples = noise(length)
        own = input_features(torch.from_numpy(samples), extractor)
        expected = extractor(samples, sampling_rate=SECOND, return_tensors="pt")
        np.testing.assert_allclose(own, expected["input_features"][0], atol=1e-4)


def test_company_does_not_matter(judge: ClapJudge) -> None:
    audios = [noise(n, n) for n in (1024, 5000, 24000, 48000, 48000, 48001, 130000)]
    for alone, together in zip(audios, heard(judge, audios), strict=True):
        assert_same(heard(judge, [alone])[0], together)


def test_models_of_fusion_hear_the_same_in_any_company(fused: Path) -> None:
    judge = ClapJudge(str(fused))
    audios = [noise(n, n) for n in (5000, 48000, 130000)]
    for alone, together in zip(audios, heard(judge, audios), strict=True):
        assert_same(heard(judge, [alone])[0], together)


def test_long_clips_are_heard_in_parts_and_nothing_is_drawn(judge: ClapJudge) -> None:
    samples = noise(2 * SECOND - 10, 4)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - it is what must not change
    whole, *halves = heard(judge, [samples, *np.array_split(samples, 2)])
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    np.testing.assert_allclose(
        whole.embedding, np.mean([half.embedding for half in halves], 0), atol=1e-5
    )
    for name, values in whole.distributions.items():
        np.testing.assert_allclose(
            values, np.mean([half.distributions[name] for half in halves], 0), atol=1e-5
        )


def test_words_and_prompt_change_the_sentences(published: Path) -> None:
    judge = build(
        ClapJudge,
        {
            "model": str(published),
            "prompt": "A {emotion} voice",
            "words": {"angry": ["furious", "enraged"]},
            "native_schemes": ["basic4"],
        },
    )
    assert judge.sentences() == {
        "angry": ("An angry voice", "A furious voice", "An enraged voice"),
        "happy": ("A happy voice",),
        "neutral": ("A neutral voice",),
        "sad": ("A sad voice",),
    }
    assert tuple(judge.schemes) == ("basic4",)
    plain = ClapJudge(str(published), native_schemes=("basic4",))
    samples = [noise(SECOND)]
    one, other = heard(judge, samples)[0], heard(plain, samples)[0]
    assert one.distributions != other.distributions
    np.testing.assert_array_equal(one.embedding, other.embedding)
    assert judge.encoder != plain.encoder
    assert judge.encoder_weights == plain.encoder_weights


def test_a_class_in_several_words_is_the_mean_of_its_sentences(published: Path) -> None:
    """Twice the same sentence is one."""
    once = ClapJudge(str(published), native_schemes=("basic4",))
    twice = ClapJudge(str(published), words={"angry": ("angry",)}, native_schemes=("basic4",))
    samples = [noise(SECOND)]
    assert_same(heard(once, samples)[0], heard(twice, samples)[0])


def test_what_cannot_be_heard_fails_alone(judge: ClapJudge) -> None:
    broken = noise(SECOND)
    broken[3] = np.nan
    stereo = np.zeros((2, SECOND), np.float32)
    answers = judge.score(
        [noise(1023), broken, stereo, noise(SECOND), np.zeros(SECOND, np.float32)]
    )
    assert [type(a) for a in answers] == [AudioError] * 3 + [Scores] * 2
    assert "the judge needs 1024 (21 ms)" in str(answers[0])
    assert judge.score([]) == []


def test_older_weights_files_are_read(published: Path, tmp_path: Path) -> None:
    """A pickle of tensors, with the tables of positions that older versions stored."""
    folder = shutil.copytree(published, tmp_path / "older")
    (folder / "model.safetensors").unlink()
    state = dict(ClapModel.from_pretrained(published).state_dict())
    state["text_model.embeddings.position_ids"] = torch.arange(64)[None]
    torch.save(state, folder / "pytorch_model.bin")
    one, other = ClapJudge(str(published)), ClapJudge(str(folder))
    samples = [noise(SECOND)]
    assert_same(heard(one, samples)[0], heard(other, samples)[0])
    assert one.encoder != other.encoder


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prompt": "a voice"}, "has no place for the emotion"),
        ({"prompt": "{emotion} {emotion}"}, "has no place for the emotion"),
        ({"native_schemes": []}, "native_schemes is empty"),
        ({"native_schemes": ["basic5"]}, "did you mean 'basic4'"),
        ({"words": {"angri": ["cross"]}}, "did you mean 'angry'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises((ConfigError, LabelError), match=says):
        build(ClapJudge, options)


def other_model(folder: Path) -> None:
    change(folder / "config.json", model_type="clip")


def other_size(folder: Path) -> None:
    change(folder / "config.json", projection_dim=16)


def other_rate(folder: Path) -> None:
    change(folder / "preprocessor_config.json", sampling_rate=44100)


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_off(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(1000)


def other_tensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.zeros(3)}, folder / "pytorch_model.bin")


def no_json(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text("{")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def change(file: Path, **settings: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (other_model, "a model of type 'clip', this judge takes clap"),
        (other_size, "not of the sizes"),
        (other_rate, "a CLAP of 44100 Hz"),
        (no_weights, r"no model\.safetensors or pytorch_model\.bin"),
        (cut_off, "damaged"),
        (other_tensors, "not those of a CLAP"),
        (no_json, r"preprocessor_config\.json"),
        (no_tokenizer, "its tokenizer cannot be read"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    published: Path, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    folder = shutil.copytree(published, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(RequirementError, match=says) as caught:
        ClapJudge(str(folder)).setup()
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
