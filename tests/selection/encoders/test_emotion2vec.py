"""The judge `emotion2vec`: weights in the published format, in any company, and what is refused."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import yaml
from torch.nn import functional

from emoforge.component import rng_for
from emoforge.errors import AudioError, RequirementError
from emoforge.selection.judges import Scores
from emoforge.selection.judges.encoders.emotion2vec import Emotion2VecJudge
from emoforge.selection.judges.encoders.emotion2vec_network import Emotion2Vec, Shape

Samples = npt.NDArray[np.float32]

TOKENS = (
    "生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral", "其他/other",
    "难过/sad", "吃惊/surprised", "<unk>",
)  # fmt: skip

# The keys of the published configuration, and what surrounds those that are read; smaller.
CONFIG: dict[str, Any] = {
    "model": "Emotion2vec",
    "model_conf": {
        "_name": "data2vec_multi",
        "depth": 2,
        "num_heads": 3,
        "norm_eps": "1e-05",  # as YAML 1.1 reads the published 1e-05
        "norm_affine": True,
        "embed_dim": 48,
        "mlp_ratio": 4.0,
        "layer_norm_first": False,
        "average_top_k_layers": 16,
        "encoder_dropout": 0.1,
        "layerdrop": 0.05,
        "normalize": True,
        "modalities": {
            "audio": {
                "type": "AUDIO",
                "prenet_depth": 1,
                "num_extra_tokens": 10,
                "use_alibi_encoder": True,
                "alibi_scale": 1.0,
                "learned_alibi": False,
                "learned_alibi_scale": True,
                "learned_alibi_scale_per_head": True,
                "learned_alibi_scale_per_layer": False,
                "num_alibi_heads": 3,
                "decoder": {"decoder_dim": 384},
                "extractor_mode": "layer_norm",
                "feature_encoder_spec": (
                    "[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16,2,2)] + [(16,2,2)]"
                ),
                "conv_pos_width": 95,
                "conv_pos_groups": 16,
                "conv_pos_depth": 5,
                "conv_pos_pre_ln": False,
            }
        },
    },
    "tokenizer": "CharTokenizer",
    "scope_map": ["d2v_model.", "none"],
}


def noise(length: int, seed: int = 0) -> Samples:
    return (0.1 * rng_for("emotion2vec", seed).standard_normal(length)).astype(np.float32)


def weights(conf: dict[str, Any] = CONFIG["model_conf"]) -> dict[str, torch.Tensor]:
    """Random weights by their published names, the same on every machine."""
    network = Emotion2Vec(Shape.of(conf), 9)
    return {
        ("" if key.startswith("proj.") else "d2v_model.") + key: torch.from_numpy(
            rng_for("emotion2vec", key).normal(0, 0.2, values.shape).astype(np.float32)
        )
        for key, values in network.state_dict().items()
    }


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of emotion2vec+: the optimiser's state stands beside the model."""
    folder = tmp_path_factory.mktemp("emotion2vec_plus_tiny")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    (folder / "tokens.txt").write_text("\n".join(TOKENS), encoding="utf-8")
    checkpoint = {"model": weights(), "last_optimizer_state": {"step": 3}}
    torch.save(checkpoint, folder / "model.pt")
    return folder


@pytest.fixture(scope="session")
def judge(published: Path) -> Emotion2VecJudge:
    judge = Emotion2VecJudge(str(published))
    judge.setup()
    return judge


def heard(judge: Emotion2VecJudge, audios: list[Samples]) -> list[Scores]:
    answers = judge.score(audios)
    assert all(isinstance(answer, Scores) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Scores)]


def assert_same(one: Scores, other: Scores) -> None:
    scale = np.linalg.norm(one.embedding)
    np.testing.assert_allclose(one.embedding / scale, other.embedding / scale, atol=1e-4)
    for name, values in one.distributions.items():
        np.testing.assert_allclose(values, other.distributions[name], atol=1e-4)


def rewritten(published: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the folder with another config.yaml."""
    shutil.copytree(published, folder)
    config = copy.deepcopy(CONFIG)
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def test_scores_are_those_of_the_classifier_under_the_names_of_its_tokens(
    judge: Emotion2VecJudge,
) -> None:
    """Step by step as FunASR: normalise, mean over the frames, project, softmax."""
    assert tuple(judge.schemes) == ("basic4",)
    samples = noise(20000, 1)
    answer = heard(judge, [samples])[0]
    assert answer.embedding.shape == (1, 48)
    assert answer.embedding.dtype == np.float32
    state = weights()
    logits = state["proj.weight"] @ torch.from_numpy(answer.embedding[0]) + state["proj.bias"]
    # basic4 is angry, happy, neutral, sad.
    places = [TOKENS.index(t) for t in ("生气/angry", "开心/happy", "中立/neutral", "难过/sad")]
    expected = functional.softmax(logits[places], 0)
    np.testing.assert_allclose(answer.distributions["basic4"], expected.detach(), atol=1e-5)


def test_level_and_offset_do_not_matter(judge: Emotion2VecJudge) -> None:
    samples = noise(16000, 2)
    one, other = heard(judge, [samples, 0.5 * samples + np.float32(0.1)])
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-2)


def test_company_does_not_matter(judge: Emotion2VecJudge) -> None:
    lengths = (400, 401, 5000, 16000, 16000, 40001, 31 * 16000)
    audios = [noise(length, length) for length in lengths]
    for alone, together in zip(audios, heard(judge, audios), strict=True):
        assert_same(heard(judge, [alone])[0], together)


def test_a_long_clip_is_the_mean_of_its_parts(judge: Emotion2VecJudge) -> None:
    samples = noise(40 * 16000, 3)
    whole, *halves = heard(judge, [samples, samples[: 20 * 16000], samples[20 * 16000 :]])
    assert_same(
        whole,
        Scores(
            {"basic4": np.mean([h.distributions["basic4"] for h in halves], 0).tolist()},
            np.mean([h.embedding for h in halves], 0),
        ),
    )


def test_what_cannot_be_heard_fails_alone(judge: Emotion2VecJudge) -> None:
    broken = noise(16000)
    broken[3] = np.nan
    stereo = np.zeros((2, 16000), np.float32)
    answers = judge.score([noise(399), broken, stereo, noise(16000), np.zeros(8000, np.float32)])
    assert [type(a) for a in answers] == [AudioError] * 3 + [Scores] * 2
    assert "the judge needs 400 (25 ms)" in str(answers[0])
    assert judge.score([]) == []


def test_weights_without_classes_give_embeddings(published: Path, tmp_path: Path) -> None:
    """As emotion2vec_base: another file name, no prefix, teacher and decoder beside the encoder."""
    folder = tmp_path / "base"
    folder.mkdir()
    shutil.copy(published / "config.yaml", folder)
    state = {key.removeprefix("d2v_model."): value for key, value in weights().items()}
    state = {key: value for key, value in state.items() if not key.startswith("proj.")}
    state["modality_encoders.AUDIO.decoder.proj.weight"] = torch.zeros(2, 2)
    state["_ema"] = torch.zeros(2)
    torch.save({"model": state, "cfg": {"seed": 1}}, folder / "emotion2vec_base.pt")
    judge = Emotion2VecJudge(str(folder))
    assert judge.schemes == ()
    samples = noise(16000)
    answer = heard(judge, [samples])[0]
    assert answer.distributions == {}
    assert answer.embedding.shape == (1, 48)
    other = heard(Emotion2VecJudge(str(published)), [samples])[0]
    np.testing.assert_allclose(answer.embedding, other.embedding, atol=1e-5)


def test_classes_that_cover_no_scheme_need_a_head(published: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published, tmp_path / "odd")
    (folder / "tokens.txt").write_text("\n".join(f"unuse_{i}" for i in range(9)))
    judge = Emotion2VecJudge(str(folder))
    with pytest.raises(Exception, match="cover no scheme"):
        _ = judge.schemes
    answer = judge.encode([noise(16000)])[0]
    assert not isinstance(answer, AudioError)
    assert answer.native == {}


def scales_for_each_block(config: dict[str, Any]) -> None:
    """And a kernel of even length."""
    audio = config["model_conf"]["modalities"]["audio"]
    audio["learned_alibi_scale_per_layer"] = True
    audio["conv_pos_width"] = 100


@pytest.mark.parametrize(
    ("change", "embedding", "logits"),
    [
        (
            lambda config: None,
            [0.30439, 0.24277, -0.12425, 0.03054, 0.17563, -0.0323],
            [-0.3003, 0.39576, 0.41097, 0.2022, -0.10711, 0.64197, 0.00117, -0.41517, -0.04768],
        ),
        (
            scales_for_each_block,
            [0.28201, 0.24153, -0.12528, 0.01616, 0.19433, -0.02664],
            [-0.29502, 0.39965, 0.39312, 0.20004, -0.07946, 0.61393, 0.01511, -0.392, -0.03484],
        ),
    ],
    ids=["as published", "other"],
)
def test_it_computes_what_funasr_does(
    published: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    embedding: list[float],
    logits: list[float],
) -> None:
    """Measured with the model of FunASR 1.4.16 and the same weights, on the CPU."""
    folder = rewritten(published, tmp_path / "other", change)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    torch.save({"model": weights(config["model_conf"])}, folder / "model.pt")
    judge = Emotion2VecJudge(str(folder))
    audios = [noise(20000, 1), noise(30000, 2)]
    together = heard(judge, audios)
    np.testing.assert_allclose(together[0].embedding[0, :6], embedding, atol=2e-5)
    chosen = np.exp([logits[i] for i in (0, 3, 4, 6)])
    np.testing.assert_allclose(
        together[0].distributions["basic4"], chosen / chosen.sum(), atol=2e-5
    )
    assert_same(heard(judge, audios[1:])[0], together[1])


def test_the_key_depends_on_all_that_is_read(published: Path, tmp_path: Path) -> None:
    keys = {Emotion2VecJudge(str(published)).encoder}
    same = shutil.copytree(published, tmp_path / "same")
    keys.add(Emotion2VecJudge(str(same), device="cuda").encoder)
    assert len(keys) == 1
    for name, text in (("tokens.txt", "\n".join(TOKENS[::-1])), ("config.yaml", "model: x")):
        folder = shutil.copytree(published, tmp_path / name)
        (folder / name).write_text(text, encoding="utf-8")
        keys.add(Emotion2VecJudge(str(folder)).encoder)
    assert len(keys) == 3


def no_code(folder: Path) -> None:
    spec = "__import__('os').abort()"
    config = copy.deepcopy(CONFIG)
    config["model_conf"]["modalities"]["audio"]["feature_encoder_spec"] = spec
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def other_network(folder: Path) -> None:
    config = copy.deepcopy(CONFIG)
    config["model_conf"]["layer_norm_first"] = True
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def fewer_tokens(folder: Path) -> None:
    (folder / "tokens.txt").write_text("\n".join(TOKENS[:8]), encoding="utf-8")


def no_tokens(folder: Path) -> None:
    (folder / "tokens.txt").unlink()


def other_model(folder: Path) -> None:
    (folder / "config.yaml").write_text("model: Paraformer\n", encoding="utf-8")


def no_yaml(folder: Path) -> None:
    (folder / "config.yaml").write_text("model: [", encoding="utf-8")


def code_in_yaml(folder: Path) -> None:
    text = "model: !!python/object/apply:os.abort []\n"
    (folder / "config.yaml").write_text(text, encoding="utf-8")


def no_settings(folder: Path) -> None:
    (folder / "config.yaml").write_text("model: Emotion2vec\nmodel_conf: {depth: 2}\n")


def cut_off(folder: Path) -> None:
    with (folder / "model.pt").open("r+b") as file:
        file.truncate(1000)


def no_tensors(folder: Path) -> None:
    torch.save({"model": 3}, folder / "model.pt")


def two_files(folder: Path) -> None:
    shutil.copy(folder / "model.pt", folder / "other.pt")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (no_code, "is not a list of convolutions"),
        (other_network, "layer_norm_first is True"),
        (fewer_tokens, "8 classes of tokens.txt"),
        (no_tokens, "0 classes of tokens.txt"),
        (other_model, "it is a Paraformer"),
        (no_yaml, "not the configuration of an emotion2vec"),
        (code_in_yaml, "not the configuration of an emotion2vec"),
        (no_settings, "it has no 'layer_norm_first'"),
        (cut_off, "damaged"),
        (no_tensors, "its weights are not those"),
        (two_files, "2 files of weights"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    published: Path, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    folder = shutil.copytree(published, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(RequirementError, match=says) as caught:
        Emotion2VecJudge(str(folder)).setup()
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_pickle_that_would_run_code_is_refused(published: Path, tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return exec, ("raise SystemExit",)

    folder = shutil.copytree(published, tmp_path / "unsafe")
    torch.save({"model": Program()}, folder / "model.pt")
    with pytest.raises(RequirementError, match=r"model\.pt"):
        Emotion2VecJudge(str(folder)).setup()


@pytest.mark.parametrize(
    ("spec", "layers"),
    [
        ("[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]", 7),
        ("[(8, 4, 2), (8, 2, 2)]", 2),
    ],
)
def test_convolutions_are_read_without_running_code(spec: str, layers: int) -> None:
    config = copy.deepcopy(CONFIG["model_conf"])
    config["modalities"]["audio"]["feature_encoder_spec"] = spec
    shape = Shape.of(config)
    assert len(shape.convolutions) == layers
    samples = torch.tensor([shape.shortest - 1, shape.shortest, 16000])
    assert shape.frames(samples)[:2].tolist() == [0, 1]


@pytest.mark.parametrize("spec", ["", "[", "[(1, 2)]", "[(1, 0, 2)]", "[f()] * 3", "[()] * 999", 7])
def test_other_convolutions_are_refused(spec: str | int) -> None:
    config = copy.deepcopy(CONFIG["model_conf"])
    config["modalities"]["audio"]["feature_encoder_spec"] = spec
    with pytest.raises((ValueError, TypeError)):
        Shape.of(config)
