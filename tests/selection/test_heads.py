"""Heads: how they learn, what they say, their file, and their training on a corpus."""

import dataclasses
import json
import math
import sqlite3
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from emoforge.clip import Clip
from emoforge.config import build
from emoforge.errors import AudioError, ConfigError, CorpusError, RequirementError
from emoforge.label import BASIC4, Label, Scheme
from emoforge.progress import Progress
from emoforge.selection import Encoding
from emoforge.selection.judges import (
    EmbeddedJudge,
    HeadRecipe,
    Heads,
    Judge,
    card_path,
    fit_head,
    read_card,
    train_heads,
)
from emoforge.selection.judges.encoded import encode_clips
from emoforge.selection.judges.heads import class_weights
from emoforge.testing import FakeJudge

QUIET = Progress(quiet=True)
RECIPES = {
    "linear": HeadRecipe(),
    "mlp": HeadRecipe(hidden=8),
    "weights": HeadRecipe(pooling="weights"),
    "attention": HeadRecipe(pooling="attention"),
}
Array = npt.NDArray[np.float32]


def separable(
    count: int = 200, parts: int = 3, width: int = 6, seed: int = 0
) -> tuple[Array, Array]:
    """Embeddings in which one feature a class is high, and the classes, one-hot."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    embeddings = rng.normal(0, 0.5, (count, parts, width))
    embeddings[np.arange(count), :, labels] += 2
    return embeddings.astype(np.float32), np.eye(4, dtype=np.float32)[labels]


# --- learning -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_of_head_learns_and_repeats_itself(name: str) -> None:
    before = torch.get_rng_state(), torch.get_num_threads()
    embeddings, targets = separable()
    unmet, classes = separable(seed=1)
    head, again = (fit_head(embeddings, targets, BASIC4, RECIPES[name], seed=3) for _ in range(2))
    probabilities = head.probabilities(unmet)
    assert (probabilities.argmax(1) == classes.argmax(1)).mean() > 0.95
    assert np.array_equal(probabilities, again.probabilities(unmet))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == torch.get_num_threads()


def test_training_on_the_processor_leaves_the_gpus_seeds_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    embeddings, targets = separable()
    fit_head(embeddings, targets, BASIC4, HeadRecipe(hidden=8, steps=2), seed=3)
    assert seeded == []


def test_a_linear_head_has_one_optimum() -> None:
    embeddings, targets = separable()
    one, other = (fit_head(embeddings, targets, BASIC4, HeadRecipe(), seed=s) for s in (0, 1))
    assert np.array_equal(one.logits(embeddings), other.logits(embeddings))
    order = np.random.default_rng(0).permutation(len(embeddings))
    shuffled = fit_head(embeddings[order], targets[order], BASIC4, HeadRecipe())
    np.testing.assert_allclose(shuffled.logits(embeddings), one.logits(embeddings), atol=0.01)


@pytest.mark.parametrize("name", ["weights", "attention"])
def test_the_part_that_tells_nothing_does_no_harm(name: str) -> None:
    embeddings, targets = separable(parts=2)
    embeddings[:, 1] = np.random.default_rng(2).normal(0, 100, embeddings[:, 1].shape)
    head = fit_head(embeddings, targets, BASIC4, RECIPES[name])
    assert (head.probabilities(embeddings).argmax(1) == targets.argmax(1)).mean() > 0.9


def test_five_clips_a_class_give_no_certainty_about_noise() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(0, 1, (20, 1, 1000)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[np.arange(20) % 4]
    head = fit_head(embeddings, targets, BASIC4, HeadRecipe())
    unmet = rng.normal(0, 1, (100, 1, 1000)).astype(np.float32)
    assert head.probabilities(unmet).max(1).mean() < 0.6


def test_constant_and_wild_features_do_not_decide() -> None:
    embeddings, targets = separable()
    embeddings[:, :, 5] = 7.0
    head = fit_head(embeddings, targets, BASIC4, HeadRecipe())
    other, wild = embeddings.copy(), embeddings.copy()
    other[:, :, 5] = -1e6
    wild[:, 0, 4] = 1e6
    assert np.array_equal(head.logits(other), head.logits(embeddings))
    assert (head.probabilities(wild).argmax(1) == targets.argmax(1)).mean() > 0.9


def test_soft_labels_stay_soft() -> None:
    embeddings = np.random.default_rng(0).normal(size=(400, 1, 3)).astype(np.float32)
    target = np.float32([0.5, 0.3, 0.1, 0.1])
    head = fit_head(embeddings, np.tile(target, (400, 1)), BASIC4, HeadRecipe(beta=0))
    np.testing.assert_allclose(head.probabilities(embeddings).mean(0), target, atol=0.01)


@given(
    st.lists(st.floats(1, 1e5), min_size=2, max_size=8),
    st.floats(0, 0.99999),
)
def test_class_weights_are_those_of_the_paper(counts: list[float], beta: float) -> None:
    found = class_weights(np.array(counts), beta)
    expected = [(1 - beta) / (1 - math.pow(beta, n)) for n in counts]
    assert found.mean() == pytest.approx(1)
    np.testing.assert_allclose(found * np.mean(expected), expected, rtol=1e-6)


def test_rare_classes_are_heard_more_often_when_they_weigh_more() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 1000, p=[0.85, 0.05, 0.05, 0.05])
    embeddings = rng.normal(0, 1, (1000, 1, 4)).astype(np.float32)
    embeddings[np.arange(1000), 0, labels] += 1
    targets = np.eye(4, dtype=np.float32)[labels]
    recipes = (HeadRecipe(beta=0), HeadRecipe(beta=0.999))
    heads = [fit_head(embeddings, targets, BASIC4, recipe) for recipe in recipes]
    rare = [(head.logits(embeddings).argmax(1) > 0).mean() for head in heads]
    assert rare[1] > rare[0] * 1.5


def test_a_class_without_examples_is_named() -> None:
    embeddings, targets = separable()
    rows = targets[:, 1] == 0
    with pytest.raises(
        CorpusError, match="no clip to learn happy from: every class of scheme basic4"
    ):
        fit_head(embeddings[rows], targets[rows], BASIC4, HeadRecipe())
    head = fit_head(embeddings[rows], targets[rows], BASIC4, HeadRecipe(), partial=True)
    probabilities = head.probabilities(embeddings)
    assert (probabilities[:, 1] == 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_embeddings_that_are_not_finite_are_refused(bad: float) -> None:
    embeddings, targets = separable()
    embeddings[3, 1, 2] = bad
    with pytest.raises(CorpusError, match="not finite"):
        fit_head(embeddings, targets, BASIC4, HeadRecipe())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"penalty": 0}, "recipe: penalty must be above 0"),
        ({"beta": 1}, r"recipe: beta must lie in \[0, 1\)"),
        ({"schemes": ["basic5"]}, "recipe: known schemes are full, wide8, basic4"),
        ({"pooling": "max"}, "recipe.pooling='max'"),
        ({"stepps": 3}, "there is no setting 'recipe.stepps': did you mean 'steps'"),
    ],
)
def test_a_recipe_that_cannot_be_is_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build(HeadRecipe, options, prefix="recipe.")


# --- saying -------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sorted(RECIPES))
def heads(request: pytest.FixtureRequest) -> Heads:
    recipe = dataclasses.replace(RECIPES[request.param], steps=20)
    embeddings, targets = separable(60)
    head = dataclasses.replace(fit_head(embeddings, targets, BASIC4, recipe), temperature=1.7)
    return Heads("fake-0", {"basic4": head}, recipe, {"licences": ["CC0-1.0"]})


@given(st.integers(0, 40), st.floats(0.01, 1e4), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_probabilities_are_distributions_of_each_clip_alone(
    heads: Heads, count: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    embeddings = (scale * rng.normal(size=(count, 3, 6))).astype(np.float32)
    found = heads.distributions(embeddings)["basic4"]
    assert found.shape == (count, 4)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    order = rng.permutation(count)
    np.testing.assert_allclose(
        heads.distributions(embeddings[order])["basic4"], found[order], atol=1e-6
    )
    for i in range(0, count, 7):
        alone = heads.distributions(embeddings[i : i + 1])["basic4"]
        np.testing.assert_allclose(alone[0], found[i], atol=1e-6)


def test_memory_is_bounded_and_chunks_do_not_show(
    heads: Heads, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings, _ = separable(100)
    whole = heads.distributions(embeddings)["basic4"]
    monkeypatch.setattr("emoforge.selection.judges.heads._VALUES", 3 * 6 * 7)
    np.testing.assert_allclose(heads.distributions(embeddings)["basic4"], whole, atol=1e-6)


# --- the file -----------------------------------------------------------------------------------


def test_a_file_gives_back_the_same_heads(heads: Heads, tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    heads.save(path)
    back = Heads.load(path)
    embeddings, _ = separable(50, seed=2)
    assert np.array_equal(
        back.distributions(embeddings)["basic4"], heads.distributions(embeddings)["basic4"]
    )
    assert (back.encoder, back.recipe, back.about) == ("fake-0", heads.recipe, heads.about)
    assert back.digest == heads.digest
    back.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    embeddings, targets = separable(40)
    path = tmp_path / "head.safetensors"
    head = fit_head(embeddings, targets, BASIC4, HeadRecipe())
    Heads("fake-0", {"basic4": head}, HeadRecipe(), {}).save(path)
    return path


def rewrite(file: Path, header: dict[str, object], **weights: Array | None) -> None:
    """Change parts of a head's file."""
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    old = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["head"])
    kept = {k: v for k, v in (load(data) | weights).items() if v is not None}
    file.write_bytes(save(kept, {"head": json.dumps(old | header)}))


def refusal(file: Path) -> str:
    with pytest.raises(RequirementError, match=r"head\.safetensors") as caught:
        Heads.load(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refusal(tmp_path / "head.safetensors")


@pytest.mark.parametrize("size", [0, 5, 100, 500])
def test_a_file_that_is_cut_off(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    assert "not a judge's head, or damaged" in refusal(file)


def test_a_file_of_another_format(file: Path) -> None:
    rewrite(file, {"format": 99})
    assert refusal(file).endswith("a head of format 99, this emoforge reads 1")


@pytest.mark.parametrize(
    ("header", "weights"),
    [
        ({"recipe": {"schemes": ["basic4"], "unknown": 1}}, {}),
        ({"recipe": 3}, {}),
        ({"temperatures": {"basic4": -1.0}}, {}),
        ({"temperatures": {}}, {}),
        ({"schemes": {"other": ["a", "b"]}}, {}),
        ({}, {"basic4.layers.0.weight": np.zeros((4, 5), np.float32)}),
        ({}, {"basic4.layers.0.weight": None}),
        ({}, {"basic4.mean": np.zeros(3, np.float32)}),
        ({}, {"basic4.scale": np.full((3, 6), np.nan, np.float32)}),
    ],
)
def test_a_file_with_other_contents(
    file: Path, header: dict[str, object], weights: dict[str, Array | None]
) -> None:
    rewrite(file, header, **weights)
    assert "not a judge's head, or damaged" in refusal(file)


def test_a_file_of_another_set_of_classes(file: Path) -> None:
    rewrite(file, {"schemes": {"basic4": ["angry", "happy", "sad", "neutral"]}})
    assert "basic4 has the classes angry, happy, sad, neutral" in refusal(file)


def test_a_whole_judge_is_no_head(file: Path) -> None:
    file.write_bytes(EmbeddedJudge().place.read_bytes())
    assert refusal(file).endswith("use it as judge.path")


def test_a_head_of_another_encoder_is_refused(file: Path) -> None:
    with pytest.raises(
        ConfigError, match="trained on embeddings of fake-0, the judge's are embedded-"
    ):
        _ = EmbeddedJudge(head=str(file)).schemes


def test_embeddings_of_another_shape_are_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"takes embeddings of shape \(3, 6\), got \(1, 6\)"):
        Heads.load(file).distributions(np.zeros((2, 1, 6), np.float32))


# --- training on a corpus -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Counting(FakeJudge):
    """Encodes a clip as its mean power and its peak; notes how many it was given."""

    seen: list[int] = dataclasses.field(default_factory=list, metadata={"incidental": True})
    fault: str = ""

    def encode(self, audios: object) -> list[Encoding | AudioError]:
        assert isinstance(audios, list)
        self.seen.append(len(audios))
        value = np.float32("nan") if self.fault else np.float32(1)
        return [
            Encoding(np.array([[np.square(a).mean() * value, abs(a).max()]], np.float32))
            for a in audios
        ]


@pytest.fixture
def clips(few: Path) -> list[Clip]:
    import csv

    with few.open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    names = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}
    return [
        Clip(
            id=row["path"],
            path=str(few.parent / row["path"]),
            duration=2.0 + i / 10,
            rate=16000,
            label=Label.of(names[row["emotion"]]),
            speaker=row["speaker"],
            corpus="emodb",
            gender=row["gender"],
            licence=row["licence"],
            digest=f"digest {i}",
        )
        for i, row in enumerate(rows)
    ]


@pytest.fixture(autouse=True)
def whole_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durations of `clips` are made up."""
    from emoforge.audio import Audio, read

    def whole(clip: Clip, rate: int | None = None) -> Audio:
        return read(clip.path)

    monkeypatch.setattr(Clip, "read", whole)


def test_a_head_is_trained_measured_and_used(clips: list[Clip], tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    judge = EmbeddedJudge()
    measured = train_heads(
        clips, judge, HeadRecipe(), out, runs=tmp_path / "runs", folds=5, progress=QUIET
    )
    assert measured["folds"] == 2  # there are no more speakers
    assert measured["familiar"] == ["emodb"]
    table = measured["basic4"]["held_out_speakers"]["emodb"]
    assert table["clips"] == 16
    low, high = table["recall_interval"]["angry"]
    assert 0 <= low <= table["recall"]["angry"] <= high <= 1
    assert "multilabel_macro_f1" not in table

    own = dataclasses.replace(judge, head=str(out))
    samples = [clip.read().samples for clip in clips]
    answers = own.score(samples)
    right = [
        max(zip(a.distributions["basic4"], BASIC4.classes, strict=True))[1] == clip.emotion  # type: ignore[union-attr]
        for a, clip in zip(answers, clips, strict=True)
    ]
    assert sum(right) >= 15  # they are the ones it was trained on
    assert card_path(own) == tmp_path / "mine.card.json"
    card = read_card(tmp_path / "mine.card.json")
    assert card is not None
    assert (card["digest"], card["key"], card["encoder"]) == (own.weights, own.key, own.encoder)
    assert card["evaluation"] == measured
    temperature = measured["basic4"]["calibration"]["temperature"]
    assert card["temperatures"] == {"basic4": temperature}
    assert Heads.load(out).heads["basic4"].temperature == temperature
    assert Heads.load(out).about["licences"] == ["CC0-1.0"]


def test_embeddings_are_kept_for_the_next_training(clips: list[Clip], tmp_path: Path) -> None:
    judge = Counting()
    runs = tmp_path / "runs"
    first = encode_clips(judge, clips[:10], runs, QUIET)
    assert sum(judge.seen) == 10
    whole = encode_clips(judge, clips, runs, QUIET)
    assert sum(judge.seen) == 16
    assert np.array_equal(whole.embeddings[:10], first.embeddings)
    again = encode_clips(judge, clips[::-1], runs, QUIET)
    assert sum(judge.seen) == 16
    assert np.array_equal(again.embeddings[::-1], whole.embeddings)
    other = Counting(emotion="sad")  # another key: another file
    encode_clips(other, clips, runs, QUIET)
    assert sum(other.seen) == 16
    assert len(list(runs.iterdir())) == 2


def test_clips_that_cannot_be_encoded_are_left_out(
    clips: list[Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(clips[3].path).write_bytes(b"RIFF, no more")
    found = encode_clips(Counting(), clips, tmp_path, Progress())
    assert [clip.id for clip in found.clips] == [c.id for c in clips if c is not clips[3]]
    assert len(found.embeddings) == 15
    assert f"{clips[3].path}: " in capsys.readouterr().err
    with pytest.raises(CorpusError, match="none of 16 clips could be encoded"):
        encode_clips(Counting(fault="nan"), clips, tmp_path, QUIET)


@pytest.mark.parametrize("damage", ["cut off", "not finite", "other shape", "no database"])
def test_a_damaged_cache_says_so(clips: list[Clip], tmp_path: Path, damage: str) -> None:
    judge = Counting()
    encode_clips(judge, clips, tmp_path, QUIET)
    path = tmp_path / f"{judge.encoder}.sqlite"
    if damage == "no database":
        path.write_bytes(b"no database, and longer than its header" * 10)
    else:
        blob = {
            "cut off": b"\0" * 5,
            "not finite": np.float32([np.nan, 1]).tobytes(),
            "other shape": np.float32([1, 2, 3]).tobytes(),
        }[damage]
        with sqlite3.connect(path) as file:
            file.execute("UPDATE encoding SET embedding = ? WHERE clip = ?", (blob, "digest 3"))
        file.close()
    with pytest.raises(ConfigError, match="delete the file to encode the clips again") as caught:
        encode_clips(judge, clips, tmp_path, QUIET)
    assert str(path) in str(caught.value)


def trained(
    clips: list[Clip], folder: Path, recipe: HeadRecipe = RECIPES["linear"], **options: bool
) -> Judge:
    out = folder / "mine.safetensors"
    train_heads(clips, Counting(), recipe, out, runs=folder, progress=QUIET, **options)
    return Counting(head=str(out))


def test_one_speaker_cannot_be_measured_on(clips: list[Clip], tmp_path: Path) -> None:
    alone = [clip for clip in clips if clip.speaker == "emodb_03"]
    with pytest.raises(
        CorpusError, match=r"all 8 clips are of one speaker \(emodb_03\).*evaluate=false"
    ):
        trained(alone, tmp_path)
    assert not (tmp_path / "mine.safetensors").exists()
    trained(alone, tmp_path, evaluate=False)
    assert Heads.load(tmp_path / "mine.safetensors").about["calibrated"] is False
    assert not (tmp_path / "mine.card.json").exists()


def test_a_class_that_the_corpus_lacks_is_named(clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"calm, disgusted, fearful, surprised from.*wide8"):
        trained(clips, tmp_path, HeadRecipe(schemes=("wide8",)))


def test_a_class_of_one_speaker_can_still_be_measured(clips: list[Clip], tmp_path: Path) -> None:
    some = [c for c in clips if c.speaker == "emodb_03" or c.emotion != "sad"]
    trained(some, tmp_path)
    card = read_card(tmp_path / "mine.card.json")
    assert card is not None
    assert card["evaluation"]["basic4"]["calibration"]["temperature"] > 0


def test_soft_labels_are_measured_as_several_emotions(clips: list[Clip], tmp_path: Path) -> None:
    scheme: Scheme = BASIC4
    soft = [
        dataclasses.replace(
            clip,
            label=Label(
                scheme, tuple(0.6 if name == clip.emotion else 0.4 / 3 for name in scheme.classes)
            ),
        )
        for clip in clips
    ]
    trained(soft, tmp_path)
    card = read_card(tmp_path / "mine.card.json")
    assert card is not None
    found = card["evaluation"]["basic4"]["held_out_speakers"]["emodb"]["multilabel_macro_f1"]
    assert 0 <= found["interval"][0] <= found["value"] <= found["interval"][1] <= 1


def test_a_corpus_left_out_is_measured_on_the_classes_that_the_others_have(
    clips: list[Clip], tmp_path: Path
) -> None:
    two = [
        dataclasses.replace(c, corpus="other" if c.speaker == "emodb_03" else "emodb")
        for c in clips
        if c.speaker == "emodb_03" or c.emotion != "sad"
    ]
    trained(two, tmp_path)
    card = read_card(tmp_path / "mine.card.json")
    assert card is not None
    left_out = card["evaluation"]["basic4"]["left_out_corpus"]
    assert left_out["other"]["classes"] == ["angry", "happy", "neutral"]
    assert left_out["other"]["uar"]["interval"] is None  # one speaker
    assert left_out.keys() == {"emodb", "other"}
