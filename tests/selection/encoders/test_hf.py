"""The judge `hf` against transformers' own forward pass, on tiny checkpoints that it saved."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emoforge.config import build
from emoforge.errors import AudioError, ConfigError, RequirementError
from emoforge.selection.judges.encoders.hf import HFJudge
from emoforge.selection.judges.encoders.layers import Attention, Layout, Place, Tensors
from emoforge.selection.judges.judge import Encoding

transformers = pytest.importorskip("transformers")
# Reading a checkpoint for comparison must not draw its progress bar over the tests' output.
transformers.utils.logging.disable_progress_bar()

Samples = npt.NDArray[np.float32]

EMOTIONS = ("neu", "hap", "ang", "sad")
ORDER = [EMOTIONS.index(name) for name in ("ang", "hap", "neu", "sad")]  # as in basic4
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "id2label": dict(enumerate(EMOTIONS)),
    "label2id": {name: i for i, name in enumerate(EMOTIONS)},
}
LARGE = SMALL | {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_source_positions": 100,
    "vocab_size": 50,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "id2label": SMALL["id2label"],
    "label2id": SMALL["label2id"],
}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "wav2vec2-base": ("Wav2Vec2ForSequenceClassification", "Wav2Vec2Config", SMALL),
    "wav2vec2-large": ("Wav2Vec2ForSequenceClassification", "Wav2Vec2Config", LARGE),
    "wav2vec2-layer-sum": (
        "Wav2Vec2ForSequenceClassification",
        "Wav2Vec2Config",
        LARGE | {"use_weighted_layer_sum": True},
    ),
    "wavlm-base": ("WavLMForSequenceClassification", "WavLMConfig", SMALL),
    "wavlm-large": ("WavLMModel", "WavLMConfig", LARGE),
    "hubert-base": ("HubertModel", "HubertConfig", SMALL),
    "hubert-batch-norm": (
        "HubertForSequenceClassification",
        "HubertConfig",
        SMALL | {"conv_pos_batch_norm": True, "feat_proj_layer_norm": False},
    ),
    "unispeech-sat": ("UniSpeechSatModel", "UniSpeechSatConfig", SMALL),
    "data2vec-audio": (
        "Data2VecAudioForSequenceClassification",
        "Data2VecAudioConfig",
        SMALL | {"num_conv_pos_embeddings": 2},
    ),
    "whisper": ("WhisperForAudioClassification", "WhisperConfig", WHISPER),
    "whisper-layer-sum": (
        "WhisperForAudioClassification",
        "WhisperConfig",
        WHISPER | {"use_weighted_layer_sum": True},
    ),
}


def checkpoint(folder: Path, name: str, **changes: Any) -> Any:
    """Save a tiny model with random weights as transformers does, and return it."""
    model_class, config_class, values = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = getattr(transformers, config_class)(**(values | changes))
        model = getattr(transformers, model_class)(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():  # biases and norms are 0 and 1 before
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    extractor(name).save_pretrained(folder)
    return model


def extractor(name: str) -> Any:
    if name.startswith("whisper"):
        return transformers.WhisperFeatureExtractor(chunk_length=2)
    return transformers.Wav2Vec2FeatureExtractor(do_normalize=name != "wavlm-base")


def speech(*lengths: int) -> list[Samples]:
    """Noise that swells, as speech does: another in every part of the clip."""
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal(n) * np.linspace(0.02, 0.2, n)).astype(np.float32) for n in lengths
    ]


LENGTHS = (400, 719, 720, 1600, 8000, 16000, 23200)
CLIPS = speech(*LENGTHS)


def heard(judge: HFJudge, clips: Sequence[Samples]) -> list[Encoding]:
    encodings = judge.encode(clips)
    assert all(isinstance(encoding, Encoding) for encoding in encodings), encodings
    return [encoding for encoding in encodings if isinstance(encoding, Encoding)]


def statistics(frames: torch.Tensor) -> Samples:
    """Mean and standard deviation over the frames of [t, width]."""
    found: Samples = torch.cat([frames.mean(0), frames.std(0, correction=0)]).numpy()
    return found


def distance(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models as small as these are slower on two threads, and far slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small wav2vec2-base with a classifier, whose group norm hears padding in transformers."""
    folder = tmp_path_factory.mktemp("base")
    checkpoint(folder, "wav2vec2-base")
    return folder


# --- the same as transformers -----------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_heard_as_transformers_hears_each_clip_alone(name: str, tmp_path: Path) -> None:
    model = checkpoint(tmp_path, name)
    own = heard(HFJudge(model=str(tmp_path)), CLIPS)
    layers = heard(HFJudge(model=str(tmp_path), layer="all"), CLIPS)
    prepare = extractor(name)
    for clip, last, every in zip(CLIPS, own, layers, strict=True):
        inputs = dict(prepare([clip], sampling_rate=16000, return_tensors="pt"))
        inputs.pop("attention_mask", None)
        with torch.inference_mode():
            encoder = model if not hasattr(model, "classifier") else model.base_model
            if name.startswith("whisper"):
                encoder = model.encoder
            states = encoder(**inputs, output_hidden_states=True)
            frames = -(-len(clip) // 320) if name.startswith("whisper") else None
            wanted = [*states.hidden_states[:-1], states.last_hidden_state]
            assert len(every.embedding) == len(wanted)
            for found, state in zip(every.embedding, wanted, strict=True):
                assert distance(found, statistics(state[0, :frames])) < 1e-5
            assert np.array_equal(last.embedding, every.embedding[-1:])
            if hasattr(model, "classifier"):
                wanted_posteriors = model(**inputs).logits[0].softmax(0).numpy()[ORDER]
                assert last.native["basic4"] == pytest.approx(wanted_posteriors, abs=1e-5)
            else:
                assert last.native == {}


def test_a_clip_through_transformers_own_pipeline(base: Path) -> None:
    pipe = transformers.pipeline(
        "audio-classification", model=str(base), feature_extractor=str(base), top_k=None
    )
    wanted = {row["label"]: row["score"] for row in pipe(CLIPS[5])}
    [found] = heard(HFJudge(model=str(base)), CLIPS[5:6])
    assert found.native["basic4"] == pytest.approx([wanted[EMOTIONS[i]] for i in ORDER], abs=1e-5)


@pytest.mark.parametrize("biased", [True, False])
def test_all_ways_of_attending_are_the_same(biased: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Head by head (long clips), densely, and padded with a mask (on a GPU)."""
    rng = torch.Generator().manual_seed(0)
    tensors = {
        f"{name}_proj.{part}": torch.randn(*shape, generator=rng) / 8
        for name in ("q", "k", "v", "out")
        for part, shape in (("weight", (64, 64)), ("bias", (64,)))
    }
    relative = torch.randn(4, 300, 300, generator=rng) if biased else None
    gate = torch.randn(400, 4, generator=rng) if biased else None
    frames = torch.randn(400, 64, generator=rng)
    place = Place(torch.device("cpu"))
    attention = Attention(place, Tensors(tensors, "W"), 4)
    found = []
    with torch.inference_mode():
        for packs, pads in ((True, False), (False, False), (False, True)):
            monkeypatch.setattr(attention, "_packs", packs)
            monkeypatch.setattr(Place, "pads", pads)
            layout = Layout([300, 100], place)
            found.append(attention(attention.project(frames), layout, gate, relative).numpy())
    assert distance(found[1], found[0]) < 1e-5
    assert distance(found[2], found[0]) < 1e-5


@pytest.mark.parametrize("name", ["wav2vec2-base", "wavlm-large", "whisper"])
def test_the_way_of_a_gpu_is_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path, name)
    wanted = heard(HFJudge(model=str(tmp_path)), CLIPS)
    monkeypatch.setattr(Place, "pads", True)
    monkeypatch.setattr(Place, "packs", False)
    for found, own in zip(heard(HFJudge(model=str(tmp_path)), CLIPS), wanted, strict=True):
        assert distance(found.embedding, own.embedding) < 1e-5


def test_the_hidden_layer_that_is_asked_for(base: Path) -> None:
    every = heard(HFJudge(model=str(base), layer="all"), CLIPS[3:5])
    for layer, place in ((0, 0), (1, 1), (-2, 2), (3, 3), (-1, 3), (-4, 0)):
        for found, parts in zip(
            heard(HFJudge(model=str(base), layer=layer), CLIPS[3:5]), every, strict=True
        ):
            assert np.array_equal(found.embedding[0], parts.embedding[place])
            assert found.native == parts.native


def test_a_layer_that_the_model_does_not_have(base: Path) -> None:
    for layer in (4, -5):
        with pytest.raises(ConfigError, match=f"layer={layer}: .* has 3 layers; 0 to 3, -4 to -1"):
            HFJudge(model=str(base), layer=layer).setup()


# --- batches ----------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(st.integers(400, 12000), min_size=1, max_size=6), st.sampled_from([0.1, 0.5, 2.0]))
def test_a_clip_alone_and_in_any_batch_are_the_same(
    base: Path, lengths: list[int], batch_s: float
) -> None:
    clips = speech(*lengths)
    judge = HFJudge(model=str(base), batch_s=batch_s)
    for clip, together in zip(clips, heard(judge, clips), strict=True):
        [alone] = heard(judge, [clip])
        assert distance(together.embedding, alone.embedding) < 1e-5
        assert together.native["basic4"] == pytest.approx(alone.native["basic4"], abs=1e-6)


def test_no_clip_at_all(base: Path) -> None:
    assert HFJudge(model=str(base)).encode([]) == []


def test_two_replicas_hear_what_one_hears(base: Path) -> None:
    one = heard(HFJudge(model=str(base)), CLIPS)
    two = heard(HFJudge(model=str(base), device="cpu,cpu", batch_s=0.5), CLIPS)
    for a, b in zip(one, two, strict=True):
        assert distance(b.embedding, a.embedding) < 1e-5


def test_bad_clips_fail_alone(base: Path) -> None:
    broken = CLIPS[4].copy()
    broken[7] = np.nan
    clips = [CLIPS[4], broken, CLIPS[0][:399], np.zeros((2, 800), np.float32), CLIPS[3]]
    answers = HFJudge(model=str(base)).encode(clips)
    assert [type(answer) for answer in answers] == [
        Encoding, AudioError, AudioError, AudioError, Encoding,
    ]  # fmt: skip
    assert "1 of 8000 samples are not finite" in str(answers[1])
    assert "the judge needs 400 (25 ms) or more" in str(answers[2])


def test_silence_is_heard(base: Path) -> None:
    [silent] = heard(HFJudge(model=str(base)), [np.zeros(8000, np.float32)])
    assert np.isfinite(silent.embedding).all()


def test_memory_that_runs_out_halves_the_batch(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = HFJudge(model=str(base), batch_s=60)
    judge.setup()
    wanted = heard(judge, CLIPS)
    [replica] = judge._replicas

    class Cramped:
        """The network on a device with room for a second of audio."""

        def __init__(self) -> None:
            self.sizes: list[int] = []

        def __getattr__(self, name: str) -> Any:
            return getattr(replica.network, name)

        def states(self, clips: Sequence[torch.Tensor]) -> Any:
            self.sizes.append(len(clips))
            if len(clips) > 1 and sum(len(clip) for clip in clips) > 16000:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return replica.network.states(clips)

    cramped = Cramped()
    monkeypatch.setitem(
        judge.__dict__, "_replicas", [dataclasses.replace(replica, network=cramped)]
    )
    for found, own in zip(heard(judge, CLIPS), wanted, strict=True):
        assert distance(found.embedding, own.embedding) < 1e-5
    assert max(cramped.sizes) > 1


def test_a_long_clip_is_heard_in_parts_and_averaged(base: Path) -> None:
    [long] = speech(70 * 16000)
    judge = HFJudge(model=str(base))
    [whole] = heard(judge, [long])
    normed = (long - long.mean()) / np.sqrt(long.var() + 1e-7)
    # Parts of one clip: normalised together, so the judge must not do it again.
    plain = json.loads((base / "preprocessor_config.json").read_text())
    other = base.parent / "plain"
    other.mkdir()
    for file in ("config.json", "model.safetensors"):
        (other / file).symlink_to(base / file)
    (other / "preprocessor_config.json").write_text(json.dumps(plain | {"do_normalize": False}))
    parts = heard(HFJudge(model=str(other)), np.array_split(normed, 3))
    mean = np.mean([part.embedding for part in parts], 0)
    assert distance(whole.embedding, mean) < 1e-5
    posteriors = np.mean([part.native["basic4"] for part in parts], 0)
    assert whole.native["basic4"] == pytest.approx(posteriors, abs=1e-6)
    assert sum(whole.native["basic4"]) == pytest.approx(1, abs=1e-9)


# --- segments ---------------------------------------------------------------------------------


def test_segments_are_statistics_of_equal_stretches_of_time(tmp_path: Path) -> None:
    model = checkpoint(tmp_path, "hubert-base")
    [found] = heard(HFJudge(model=str(tmp_path), segments=3), CLIPS[6:])
    inputs = extractor("hubert-base")([CLIPS[6]], sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        frames = model(inputs["input_values"]).last_hidden_state[0]
    assert len(frames) == 72
    wanted = np.stack([statistics(frames[i : i + 24]) for i in (0, 24, 48)])
    assert distance(found.embedding, wanted) < 1e-5


def test_segments_of_clips_shorter_and_longer_than_them(base: Path) -> None:
    judge = HFJudge(model=str(base), segments=5)
    short, long = heard(judge, [CLIPS[0], speech(70 * 16000)[0]])
    assert short.embedding.shape == long.embedding.shape == (5, 64)
    assert (short.embedding == short.embedding[0]).all()  # one frame serves all
    # The noise swells from start to end, so what is heard must move on with it.
    steps = np.linalg.norm(np.diff(long.embedding, axis=0), axis=1)
    assert (steps > 0).all()


def test_options_that_exclude_each_other(base: Path) -> None:
    with pytest.raises(ConfigError, match="choose one"):
        HFJudge(model=str(base), layer="all", segments=2)
    with pytest.raises(ConfigError, match="compile=true works on one device"):
        HFJudge(model=str(base), device="cpu,cpu", compile=True)
    with pytest.raises(ConfigError, match="segments must be 1 or more"):
        HFJudge(model=str(base), segments=0)
    with pytest.raises(ConfigError, match="batch_s must be 0 or more seconds"):
        HFJudge(model=str(base), batch_s=float("nan"))


# --- precision, devices -----------------------------------------------------------------------


def test_a_lower_precision_hears_nearly_the_same(tmp_path: Path) -> None:
    checkpoint(tmp_path, "wavlm-base")
    exact = heard(HFJudge(model=str(tmp_path)), CLIPS[3:])
    rough = heard(HFJudge(model=str(tmp_path), precision="bfloat16"), CLIPS[3:])
    for found, wanted in zip(rough, exact, strict=True):
        assert found.embedding.dtype == np.float32
        assert 0 < distance(found.embedding, wanted.embedding) < 0.05
        assert found.native["basic4"] == pytest.approx(wanted.native["basic4"], abs=0.02)


def test_what_makes_another_embedding_makes_another_key(base: Path) -> None:
    plain = HFJudge(model=str(base))
    for same in ({"device": "cpu,cpu"}, {"batch_s": 3.0}, {"compile": True}):
        assert HFJudge(model=f"{base}/", **same).encoder == plain.encoder
    others = [
        HFJudge(model=str(base), layer="all"),
        HFJudge(model=str(base), segments=2),
        HFJudge(model=str(base), precision="bfloat16"),
    ]
    assert len({judge.encoder for judge in (plain, *others)}) == 4


def test_a_device_that_is_not_there(base: Path) -> None:
    with pytest.raises(ConfigError, match="device 'cuda:99' cannot be used here"):
        HFJudge(model=str(base), device="cpu,cuda:99").setup()


def test_options_come_from_a_configuration(base: Path) -> None:
    judge = build(HFJudge, {"model": str(base), "layer": "all", "precision": "float16"})
    assert (judge.layer, judge.precision) == ("all", "float16")
    assert build(HFJudge, {"layer": 3}).layer == 3
    with pytest.raises(ConfigError):
        build(HFJudge, {"precision": "int8"})


# --- checkpoints that others wrote ------------------------------------------------------------


def test_what_is_known_of_a_judge_before_its_weights_are_read(base: Path) -> None:
    judge = HFJudge(model=str(base))
    assert (judge.rate, judge.native_schemes, judge.place) == (16000, ("basic4",), base)
    assert len(judge.encoder_weights) == 32
    assert "_replicas" not in judge.__dict__


def test_the_module_is_imported_without_torch() -> None:
    script = "import sys, emoforge.selection.judges.encoders.hf; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_checkpoint_of_dimensions_tells_them_and_has_no_classes(tmp_path: Path) -> None:
    """audeering's wav2vec2-large-robust-12-ft-emotion-msp-dim: pickled, with a head of its own."""
    model = checkpoint(tmp_path, "wav2vec2-large")
    state = {f"wav2vec2.{k}": v for k, v in model.wav2vec2.state_dict().items()}
    # Weight norm had other names when it was saved.
    middle = "wav2vec2.encoder.pos_conv_embed.conv"
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        state[f"{middle}.{old}"] = state.pop(f"{middle}.parametrizations.weight.{new}")
    rng = torch.Generator().manual_seed(1)
    dense, last = torch.randn(32, 32, generator=rng), torch.randn(3, 32, generator=rng) / 32
    for name, weight in (("dense", dense), ("out_proj", last)):
        state |= {
            f"classifier.{name}.weight": weight,
            f"classifier.{name}.bias": torch.full((len(weight),), 0.5),
        }
    config = json.loads((tmp_path / "config.json").read_text())
    dimensions = ("arousal", "dominance", "valence")
    config |= {
        "architectures": ["Wav2Vec2ForSpeechClassification"],
        "id2label": dict(enumerate(dimensions)),
        "label2id": {name: i for i, name in enumerate(dimensions)},
        "problem_type": "regression",
    }
    wanted = heard(HFJudge(model=str(tmp_path)), CLIPS[4:])
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.save(state, tmp_path / "pytorch_model.bin")
    judge = HFJudge(model=str(tmp_path))
    assert judge.native_schemes == ()
    for found, own in zip(heard(judge, CLIPS[4:]), wanted, strict=True):
        assert np.array_equal(found.embedding, own.embedding)
        assert found.native == {}
        mean = torch.from_numpy(found.embedding[0, :32])
        told = (last @ (dense @ mean + 0.5).tanh() + 0.5).clamp(0, 1).tolist()
        assert list(found.dimensions) == ["arousal", "dominance", "valence"]
        assert list(found.dimensions.values()) == pytest.approx(told, abs=1e-5)


def test_the_older_custom_classifier_is_computed(tmp_path: Path) -> None:
    """Mean, dense, tanh, output: what many wav2vec2 emotion checkpoints carry."""
    model = checkpoint(tmp_path, "wav2vec2-large")
    rng = torch.Generator().manual_seed(1)
    dense, last = torch.randn(32, 32, generator=rng), torch.randn(4, 32, generator=rng)
    state = {f"wav2vec2.{k}": v for k, v in model.wav2vec2.state_dict().items()} | {
        "classifier.dense.weight": dense,
        "classifier.dense.bias": torch.ones(32),
        "classifier.output.weight": last,
        "classifier.output.bias": torch.ones(4),
    }
    (tmp_path / "model.safetensors").unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")
    [found] = heard(HFJudge(model=str(tmp_path)), CLIPS[5:6])
    mean = torch.from_numpy(found.embedding[0, :32])
    wanted = ((dense @ mean + 1).tanh() @ last.t() + 1).softmax(0).numpy()[ORDER]
    assert found.native["basic4"] == pytest.approx(wanted, abs=1e-5)


def test_weights_in_shards_and_in_half_precision_are_read(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "whole", "hubert-base").half()
    model.save_pretrained(tmp_path / "half")
    model.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
    for folder in ("half", "shards"):
        source = tmp_path / "whole" / "preprocessor_config.json"
        (tmp_path / folder / source.name).write_bytes(source.read_bytes())
    one, other = (heard(HFJudge(model=str(tmp_path / f)), CLIPS[4:5]) for f in ("half", "shards"))
    assert np.array_equal(one[0].embedding, other[0].embedding)


def test_a_whisper_that_transcribes_lends_its_encoder(tmp_path: Path) -> None:
    config = transformers.WhisperConfig(**WHISPER)
    model = transformers.WhisperForConditionalGeneration(config).eval()
    model.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor(chunk_length=2).save_pretrained(tmp_path)
    judge = HFJudge(model=str(tmp_path))
    assert judge.native_schemes == ()
    short, long = heard(judge, [CLIPS[5], speech(5 * 16000)[0]])  # of 2 s windows
    inputs = extractor("whisper")([CLIPS[5]], sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        frames = model.model.encoder(inputs["input_features"]).last_hidden_state[0, :50]
    assert distance(short.embedding[0], statistics(frames)) < 1e-5
    assert long.embedding.shape == (1, 64)


def changed(folder: Path, **values: Any) -> str:
    """Change config.json; the folder's name."""
    config = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"model_type": "bert", "architectures": ["BertForSequenceClassification"]},
            r"BertForSequenceClassification is no audio encoder.*supported are wav2vec2",
        ),
        ({"model_type": None, "architectures": None}, r"None is no audio encoder"),
        (
            {"model_type": "vit", "architectures": ["ViTModel"]},
            r"ViTModel is no audio encoder that emoforge knows",
        ),
        ({"add_adapter": True}, r"sets add_adapter, and encoders with adapters"),
        ({"id2label": {"0": "yes", "1": "no"}}, r"classes \(yes, no\) cover no scheme"),
        ({"id2label": None}, r"do not name their classes \(LABEL_0, LABEL_1\)"),
        ({"hidden_act": "mish"}, r"names the activation 'mish'"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    checkpoint(tmp_path, "wav2vec2-base")
    judge = HFJudge(model=changed(tmp_path, **values))

    def used() -> None:
        assert judge.native_schemes
        judge.setup()

    with pytest.raises(ConfigError, match=message) as raised:
        used()
    assert "\n" not in str(raised.value)


def test_classes_that_fit_no_scheme_leave_the_embedding_for_a_head(tmp_path: Path) -> None:
    checkpoint(tmp_path, "wav2vec2-base")
    folder = changed(tmp_path, id2label={"0": "yes", "1": "no"})
    [found] = heard(HFJudge(model=folder), CLIPS[5:6])
    assert found.embedding.shape == (1, 64)
    assert found.native == {}


def test_weights_that_config_json_does_not_describe(tmp_path: Path) -> None:
    checkpoint(tmp_path, "wav2vec2-base")
    with pytest.raises(
        RequirementError, match=r"have no 'wav2vec2.encoder.layers.3.attention.q_proj.weight'"
    ):
        HFJudge(model=changed(tmp_path, num_hidden_layers=4)).setup()
    more = dict(enumerate((*EMOTIONS, "other")))
    with pytest.raises(RequirementError, match=r"has 4 outputs, id2label of config.json names 5"):
        HFJudge(model=changed(tmp_path, num_hidden_layers=3, id2label=more)).setup()


def test_nothing_is_printed(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    judge = HFJudge(model=str(base))
    judge.setup()
    judge.encode(CLIPS[:2])
    assert capfd.readouterr() == ("", "")
