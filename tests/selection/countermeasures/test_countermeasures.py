"""The light CNN, its training and the gated ensemble, on patterns that can be learnt."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emoforge.errors import ConfigError, RequirementError
from emoforge.progress import Progress
from emoforge.selection.countermeasures import (
    Countermeasure,
    CountermeasureRecipe,
    Examples,
    eer,
    gate,
    train_countermeasure,
    train_gated,
    training,
)
from emoforge.selection.countermeasures.lcnn import LCNN, MaxFeatureMap

QUIET = Progress(quiet=True)
RECIPE = CountermeasureRecipe(seconds=0.5, epochs=3, more=2, rate=3e-3, batch=4)


def clips(count: int, seed: int, name: str = "a") -> Examples:
    """Noise, in which the static coefficients of spoofs are higher; of different lengths."""
    rng = np.random.default_rng(seed)
    spoof = np.arange(count) % 2 == 1
    frames = [rng.normal(0, 1, (int(rng.integers(20, 80)), 60)) for _ in range(count)]
    for one, fake in zip(frames, spoof, strict=True):
        one[:, :20] += 2.0 * fake
    ids = [f"{name}{seed}-{i}" for i in range(count)]
    return Examples(ids, [one.astype(np.float16) for one in frames], spoof)


def trained(out: Path, **more: Any) -> Countermeasure:
    given = {"recipe": RECIPE, "progress": QUIET} | more
    recipe = given.pop("recipe")
    return train_countermeasure("test", clips(48, 1), clips(16, 2), recipe, out, **given)


def test_the_larger_of_two_maps_and_its_gradient() -> None:
    maps = torch.randn(3, 8, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = MaxFeatureMap()(maps)
    wanted = torch.maximum(*maps.chunk(2, 1))
    torch.testing.assert_close(found, wanted)
    (slope,) = torch.autograd.grad(found.square().sum(), maps)
    (other,) = torch.autograd.grad(wanted.square().sum(), maps)
    torch.testing.assert_close(slope, other)


def test_the_network_is_light() -> None:
    with torch.device("meta"):
        count = sum(values.numel() for values in LCNN().parameters())
    assert 200_000 <= count <= 400_000


def test_it_learns_and_comes_back_from_its_file(tmp_path: Path) -> None:
    made = trained(tmp_path / "c.safetensors")
    new = clips(40, 3)
    scores = made.scores(new.frames)
    assert eer(scores[~new.spoof], scores[new.spoof]) < 0.1
    again = Countermeasure.load(tmp_path / "c.safetensors")
    assert np.array_equal(again.scores(new.frames), scores)
    about = json.loads((tmp_path / "c.json").read_text())["about"]
    assert about == again.about
    assert about["clips"] == {"bonafide": 24, "spoof": 24}
    assert 1 <= about["best_epoch"] <= about["epochs"] <= 3
    assert not (tmp_path / "c.part").exists()


def test_a_clip_has_its_score_in_any_company(tmp_path: Path) -> None:
    made = trained(tmp_path / "c.safetensors")
    new = clips(12, 4).frames
    together = made.scores(new)
    alone = np.array([made.scores([one])[0] for one in new])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    # A clip that is repeated to the length is its repetition.
    short = new[0][:25]
    assert made.scores([short])[0] == pytest.approx(
        made.scores([np.concatenate([short, short])])[0], abs=1e-4
    )
    # A clip of two lengths is the mean of both.
    double = np.concatenate([new[0][:20]] * 5)
    halves = made.scores([double[:50], double[50:]])
    assert made.scores([double])[0] == pytest.approx(halves.mean(), abs=1e-4)


def test_the_same_seed_gives_the_same_weights_and_no_global_state_moves(tmp_path: Path) -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    new = clips(8, 5).frames
    first = trained(tmp_path / "a.safetensors").scores(new)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert np.array_equal(trained(tmp_path / "b.safetensors").scores(new), first)
    assert not np.array_equal(trained(tmp_path / "c.safetensors", seed=1).scores(new), first)


def test_a_training_that_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(tmp_path / "whole.safetensors")
    epoch, done = training._epoch, []

    def stopped(*given: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(epoch(*given))

    monkeypatch.setattr(training, "_epoch", stopped)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "c.safetensors")
    assert (tmp_path / "c.part").exists()
    done.pop()  # one epoch is left
    resumed = trained(tmp_path / "c.safetensors")
    assert len(done) == 2
    new = clips(8, 6).frames
    assert np.array_equal(resumed.scores(new), whole.scores(new))
    # What is there is read; another recipe is another countermeasure.
    assert np.array_equal(trained(tmp_path / "c.safetensors").scores(new), whole.scores(new))
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "c.safetensors", recipe=replace(RECIPE, rate=0.01))


def test_files_and_settings_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(RequirementError, match="cannot be read"):
        Countermeasure.load(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"no weights")
    with pytest.raises(RequirementError, match="not a countermeasure, or damaged"):
        Countermeasure.load(bad)
    with pytest.raises(ValueError, match=r"seconds=0\.1: must be 0\.5 or more"):
        CountermeasureRecipe(seconds=0.1)
    with pytest.raises(ValueError, match="epochs=0: must be 1 or more"):
        CountermeasureRecipe(epochs=0)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device 'cuda' cannot be used here"):
            trained(tmp_path / "c.safetensors", device="cuda")


def test_a_gate_mixes_by_the_distribution() -> None:
    scores = np.array([[1.0, -1.0], [2.0, 4.0], [3.0, 5.0]])
    probabilities = np.array([[1.0, 0.0], [0.1, 0.3], [0.0, 0.0]])
    assert gate(scores, probabilities) == pytest.approx([1.0, 3.5, 4.0])


def test_experts_begin_where_the_pooled_one_does(tmp_path: Path) -> None:
    """Two emotions whose spoofs differ in opposite ways: only an expert can know both."""
    rng = np.random.default_rng(0)
    count = 160
    spoof, emotions = np.arange(count) % 2 == 1, np.arange(count) // 2 % 2
    frames = [rng.normal(0, 1, (50, 60)) for _ in range(count)]
    for one, fake, emotion in zip(frames, spoof, emotions, strict=True):
        one[:, :20] += 1.5 * (1 if fake else -1) * (1 if emotion else -1)
    examples = Examples(
        [f"x{i}" for i in range(count)], [one.astype(np.float16) for one in frames], spoof
    )
    part = np.arange(count) // 4 % 4  # half to train, a quarter each to choose and to test
    train, dev, test = part < 2, part == 2, part == 3
    recipe = replace(RECIPE, epochs=1, more=5, more_rate=3e-3, batch=8)
    found = train_gated(
        examples, emotions, ("calm", "angry"), train, dev, recipe, tmp_path, progress=QUIET
    )
    own = examples.take(test)
    experts = np.stack([one.scores(own.frames) for one in found.experts], axis=1)
    gated = gate(experts, np.eye(2)[emotions[test]])
    pooled = found.pooled.scores(own.frames)
    rates = [eer(s[~own.spoof], s[own.spoof]) for s in (gated, pooled)]
    assert rates[0] < 0.1 < rates[1]
    assert [one.about["clips"]["spoof"] for one in found.experts] == [20, 20]
    assert found.pooled.about["clips"] == {"bonafide": 40, "spoof": 40}
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "angry.safetensors", "calm.safetensors", "pooled.safetensors", "start.safetensors",
    ]  # fmt: skip
