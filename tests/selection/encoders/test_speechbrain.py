"""The judge `speechbrain`: the published format read without SpeechBrain, and equal to it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

pytest.importorskip("transformers")

from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from emoforge.component import rng_for
from emoforge.errors import AudioError, ConfigError, RequirementError
from emoforge.selection.judges import Scores
from emoforge.selection.judges.encoders.speechbrain import (
    Hyperparams,
    SpeechBrainJudge,
    read_labels,
)

Samples = npt.NDArray[np.float32]

LABELS = """'neu' => 0
'ang' => 1
'hap' => 2
'sad' => 3
================
'starting_index' => 0
"""

HYPERPARAMS = """# ####
# Model: WAV2VEC base for Emotion Recognition
# ####
HPARAMS_NEEDED: ["encoder_dim", "out_n_neurons", "label_encoder", "softmax"]
MODULES_NEEDED: ["wav2vec2", "avg_pool", "output_mlp"]

wav2vec2_hub: {source}
pretrained_path: {folder}

encoder_dim: 32
out_n_neurons: 4

wav2vec2: !new:speechbrain.lobes.models.huggingface_transformers.wav2vec2.Wav2Vec2
    source: !ref <wav2vec2_hub>
    output_norm: True
    freeze: True
    save_path: wav2vec2_checkpoints

avg_pool: !new:speechbrain.nnet.pooling.StatisticsPooling
    return_std: False

output_mlp: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <encoder_dim>
    n_neurons: !ref <out_n_neurons>
    bias: False

model: !new:torch.nn.ModuleList
    - [!ref <output_mlp>]

modules:
    wav2vec2: !ref <wav2vec2>
    output_mlp: !ref <output_mlp>
    avg_pool: !ref <avg_pool>

softmax: !new:speechbrain.nnet.activations.Softmax

label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        wav2vec2: !ref <wav2vec2>
        model: !ref <model>
        label_encoder: !ref <label_encoder>
    paths:
        wav2vec2: !ref <pretrained_path>/wav2vec2.ckpt
        model: !ref <pretrained_path>/model.ckpt
        label_encoder: !ref <pretrained_path>/label_encoder.txt
"""

# SpeechBrain's own path from a folder to scores, one clip at a time, as its interface goes.
REFERENCE = """
import sys
import numpy as np, torch
from speechbrain.inference.interfaces import Pretrained

class Classifier(Pretrained):
    MODULES_NEEDED = ["wav2vec2", "avg_pool", "output_mlp"]
    HPARAMS_NEEDED = ["softmax", "label_encoder"]

folder = sys.argv[1]
model = Classifier.from_hparams(source=folder, savedir=folder + "/saved")
found = {}
for name, samples in np.load(folder + "/clips.npz").items():
    with torch.no_grad():
        frames = model.mods.wav2vec2(torch.from_numpy(samples)[None])
        pooled = model.mods.avg_pool(frames, torch.ones(1)).view(1, -1)
        found["e" + name] = pooled[0].numpy()
        found["p" + name] = model.hparams.softmax(model.mods.output_mlp(pooled))[0].numpy()
found["labels"] = np.array(model.hparams.label_encoder.decode_ndim(torch.arange(4)))
np.savez(folder + "/reference.npz", **found)
"""


def noise(length: int, seed: int = 0) -> Samples:
    return (0.1 * rng_for("speechbrain", seed).standard_normal(length)).astype(np.float32)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as SpeechBrain publishes it, with the encoder's settings in a folder in it."""
    folder = tmp_path_factory.mktemp("speechbrain")
    config = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        conv_dim=[24] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    encoder = Wav2Vec2Model(config)
    for key, values in encoder.state_dict().items():
        centre = 1.0 if "norm.weight" in key else 0.0
        drawn = rng_for("speechbrain", key).normal(centre, 0.1, values.shape)
        values.copy_(torch.from_numpy(drawn.astype(np.float32)))
    # SpeechBrain asks for a model to load, before it loads the weights of its own.
    encoder.save_pretrained(folder / "encoder")
    Wav2Vec2FeatureExtractor().save_pretrained(folder / "encoder")
    state = {f"model.{key}": values for key, values in encoder.state_dict().items()}
    assert "model.masked_spec_embed" in state
    # The names that PyTorch gave to the parts of a normalised weight when it was published.
    names = {"parametrizations.weight.original0": "weight_g"}
    names["parametrizations.weight.original1"] = "weight_v"
    for new, old in names.items():
        place = next(key for key in state if key.endswith(new))
        state[place.replace(new, old)] = state.pop(place)
    torch.save(state, folder / "wav2vec2.ckpt")
    last = rng_for("speechbrain", "last").standard_normal((4, 32)).astype(np.float32)
    torch.save({"0.w.weight": torch.from_numpy(last)}, folder / "model.ckpt")
    (folder / "label_encoder.txt").write_text(LABELS, encoding="utf-8")
    text = HYPERPARAMS.format(source=folder / "encoder", folder=folder)
    (folder / "hyperparams.yaml").write_text(text, encoding="utf-8")
    # Nothing may run this.
    (folder / "custom_interface.py").write_text("raise SystemExit(1)", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def judge(published: Path) -> SpeechBrainJudge:
    judge = SpeechBrainJudge(str(published))
    judge.setup()
    return judge


def heard(judge: SpeechBrainJudge, audios: list[Samples]) -> list[Scores]:
    answers = judge.score(audios)
    assert all(isinstance(answer, Scores) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Scores)]


def assert_same(one: Scores, other: Scores, most: float = 1e-4) -> None:
    scale = np.linalg.norm(one.embedding)
    np.testing.assert_allclose(one.embedding / scale, other.embedding / scale, atol=most)
    for name, values in one.distributions.items():
        np.testing.assert_allclose(values, other.distributions[name], atol=most)


@pytest.mark.timeout(600)
def test_it_computes_what_speechbrain_does(published: Path, tmp_path: Path) -> None:
    pytest.importorskip("hyperpyyaml")
    folder = shutil.copytree(published, tmp_path / "copy")
    clips = {str(n): noise(n, n) for n in (400, 16000, 40001)}
    np.savez(folder / "clips.npz", **clips)
    # In a process of its own: modules that SpeechBrain imports lazily break other tests.
    subprocess.run(
        [sys.executable, "-c", REFERENCE, str(folder)],
        check=True,
        capture_output=True,
        env={"PATH": "", "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)},
    )
    with np.load(folder / "reference.npz") as file:
        expected = dict(file)
    assert tuple(expected["labels"]) == ("neu", "ang", "hap", "sad")
    # basic4 is angry, happy, neutral, sad.
    order = [1, 2, 0, 3]
    for name, answer in zip(
        clips, heard(SpeechBrainJudge(str(folder)), list(clips.values())), strict=True
    ):
        # SpeechBrain adds noise of up to 9e-5 to a mean over time.
        np.testing.assert_allclose(answer.embedding[0], expected[f"e{name}"], atol=1e-4)
        # Its weights of up to 3 carry that on to the classes.
        np.testing.assert_allclose(
            answer.distributions["basic4"], expected[f"p{name}"][order], atol=1e-3
        )


def test_company_does_not_matter(judge: SpeechBrainJudge) -> None:
    assert tuple(judge.schemes) == ("basic4",)
    lengths = (400, 401, 5000, 16000, 16000, 40001, 31 * 16000)
    audios = [noise(length, length) for length in lengths]
    for alone, together in zip(audios, heard(judge, audios), strict=True):
        assert_same(heard(judge, [alone])[0], together)


def test_an_answer_has_the_shape_that_the_classifier_takes(judge: SpeechBrainJudge) -> None:
    answer = heard(judge, [noise(16000)])[0]
    assert answer.embedding.shape == (1, 32)
    assert answer.embedding.dtype == np.float32
    assert sum(answer.distributions["basic4"]) == pytest.approx(1)


def test_what_cannot_be_heard_fails_alone(judge: SpeechBrainJudge) -> None:
    broken = noise(16000)
    broken[3] = np.nan
    stereo = np.zeros((2, 16000), np.float32)
    answers = judge.score([noise(399), broken, stereo, noise(16000), np.zeros(8000, np.float32)])
    assert [type(a) for a in answers] == [AudioError] * 3 + [Scores] * 2
    assert "the judge needs 400 (25 ms)" in str(answers[0])
    assert judge.score([]) == []


def test_labels_decide_the_order(published: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published, tmp_path / "turned")
    turned = LABELS.replace("'neu' => 0", "'sad' => 0").replace("'sad' => 3", "'neu' => 3")
    (folder / "label_encoder.txt").write_text(turned, encoding="utf-8")
    samples = [noise(16000)]
    one = heard(SpeechBrainJudge(str(published)), samples)[0].distributions["basic4"]
    other = heard(SpeechBrainJudge(str(folder)), samples)[0].distributions["basic4"]
    np.testing.assert_allclose(other, np.array(one)[[0, 1, 3, 2]])


def test_settings_of_the_encoder_are_found_or_given(published: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published, tmp_path / "model")
    elsewhere = shutil.move(folder / "encoder", tmp_path / "elsewhere")

    def name(source: str) -> None:
        text = HYPERPARAMS.format(source=source, folder=folder)
        (folder / "hyperparams.yaml").write_text(text, encoding="utf-8")

    name("somebody/wav2vec2-other")
    with pytest.raises(RequirementError, match=r"no config.json of 'somebody/wav2vec2-other'"):
        _ = SpeechBrainJudge(str(folder)).weights
    given = SpeechBrainJudge(str(folder), wav2vec2=str(elsewhere))
    samples = [noise(16000)]
    expected = heard(SpeechBrainJudge(str(published)), samples)[0]
    assert_same(expected, heard(given, samples)[0])
    with pytest.raises(RequirementError, match=r"no config\.json"):
        SpeechBrainJudge(str(folder), wav2vec2=str(tmp_path)).setup()
    # The settings of the usual encoder are known; these weights are not of its size.
    name("facebook/wav2vec2-base")
    with pytest.raises(RequirementError, match=r"not those of the wav2vec 2\.0 of 'facebook/"):
        SpeechBrainJudge(str(folder)).setup()


def test_the_input_is_normalised_as_the_encoders_settings_say(
    published: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(published, tmp_path / "plain")
    text = HYPERPARAMS.format(source="encoder", folder=folder)
    (folder / "hyperparams.yaml").write_text(text, encoding="utf-8")
    file = folder / "encoder" / "preprocessor_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "do_normalize": False}))
    quiet = 0.001 * noise(16000)
    plain, normalised = SpeechBrainJudge(str(folder)), SpeechBrainJudge(str(published))
    assert plain.encoder != normalised.encoder
    one, other = (heard(judge, [quiet])[0].embedding for judge in (plain, normalised))
    assert np.abs(one - other).max() > 1e-3


def test_the_published_settings_are_read_as_data() -> None:
    found = Hyperparams.read(HYPERPARAMS.format(source="facebook/wav2vec2-base", folder="x"))
    assert found == Hyperparams("facebook/wav2vec2-base", output_norm=True)
    older = HYPERPARAMS.format(source="facebook/wav2vec2-base", folder="x").replace(
        "huggingface_transformers.wav2vec2.Wav2Vec2", "huggingface_wav2vec.HuggingFaceWav2Vec2"
    )
    assert Hyperparams.read(older) == found
    # Whatever else it names is neither imported nor called.
    assert Hyperparams.read(older + "\nbang: !apply:os.abort []\nbig: !name:os.abort\n") == found


def other_class(folder: Path) -> None:
    replace(folder, "wav2vec2.Wav2Vec2", "wavlm.WavLM")


def foreign_class(folder: Path) -> None:
    replace(folder, "!new:speechbrain.nnet.pooling.StatisticsPooling", "!new:os.StatisticsPooling")


def with_deviation(folder: Path) -> None:
    replace(folder, "return_std: False", "return_std: True")


def no_yaml(folder: Path) -> None:
    (folder / "hyperparams.yaml").write_text("a: [", encoding="utf-8")


def no_table(folder: Path) -> None:
    (folder / "hyperparams.yaml").write_text("- 1", encoding="utf-8")


def without_source(folder: Path) -> None:
    replace(folder, "source: !ref <wav2vec2_hub>", "source: !ref <nothing>")


def of_itself(folder: Path) -> None:
    replace(folder, "wav2vec2_hub: encoder", "wav2vec2_hub: !ref <wav2vec2_hub>")


def replace(folder: Path, old: str, new: str) -> None:
    text = HYPERPARAMS.format(source="encoder", folder=folder)
    assert old in text
    (folder / "hyperparams.yaml").write_text(text.replace(old, new), encoding="utf-8")


def fewer_labels(folder: Path) -> None:
    (folder / "label_encoder.txt").write_text("'neu' => 0\n'ang' => 1\n", encoding="utf-8")


def gap_in_labels(folder: Path) -> None:
    (folder / "label_encoder.txt").write_text("'neu' => 0\n'ang' => 2\n", encoding="utf-8")


def no_labels(folder: Path) -> None:
    (folder / "label_encoder.txt").write_text("neutral, angry", encoding="utf-8")


def no_file(folder: Path) -> None:
    (folder / "model.ckpt").unlink()


def cut_off(folder: Path) -> None:
    with (folder / "wav2vec2.ckpt").open("r+b") as file:
        file.truncate(1000)


def other_encoder(folder: Path) -> None:
    file = folder / "encoder" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_type": "hubert"}))
    replace(folder, "freeze: True", "freeze: True")


def wider_encoder(folder: Path) -> None:
    file = folder / "encoder" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "intermediate_size": 64}))
    replace(folder, "freeze: True", "freeze: True")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (other_class, "wav2vec2 is not SpeechBrain's Wav2Vec2"),
        (foreign_class, "avg_pool is not SpeechBrain's StatisticsPooling"),
        (with_deviation, "more than the mean"),
        (no_yaml, "not YAML"),
        (no_table, "not a table of settings"),
        (without_source, "names no source"),
        (of_itself, "names no source"),
        (fewer_labels, "classifier of the 2 labels"),
        (gap_in_labels, r"numbers are \[0, 2\]"),
        (no_labels, "is not a label and its number"),
        (no_file, r"no model\.ckpt"),
        (cut_off, "damaged"),
        (other_encoder, "a hubert, this judge takes wav2vec2"),
        (wider_encoder, "not those of the wav2vec 2.0"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    published: Path, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    folder = shutil.copytree(published, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(RequirementError, match=says) as caught:
        SpeechBrainJudge(str(folder)).setup()
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_labels_that_cover_no_scheme_need_a_head(published: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published, tmp_path / "accents")
    text = "'us' => 0\n'england' => 1\n'wales' => 2\n'ireland' => 3\n"
    (folder / "label_encoder.txt").write_text(text, encoding="utf-8")
    judge = SpeechBrainJudge(str(folder))
    with pytest.raises(ConfigError, match="cover no scheme"):
        _ = judge.schemes
    encoding = judge.encode([noise(16000)])[0]
    assert not isinstance(encoding, AudioError)
    assert encoding.native == {}


@pytest.mark.parametrize(
    "text", ["", "'a' => x", "'a' => 0\n'b' => 0", "__import__('os') => 0", "(' => 0"]
)
def test_other_label_files_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_labels(text)


def test_labels_end_at_the_line_of_equals_signs() -> None:
    assert read_labels(LABELS) == ("neu", "ang", "hap", "sad")
    assert read_labels("\"it's\" => 1\n'a => b' => 0\n====") == ("a => b", "it's")
