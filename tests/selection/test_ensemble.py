"""The ensemble: what it makes of its members' answers, its keys, and what it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.audio import Audio
from emoforge.component import create, rng_for
from emoforge.errors import AudioError, ConfigError
from emoforge.label import BASIC4
from emoforge.selection import Encoding
from emoforge.selection.judges import MEMBER, EmbeddedJudge, HeadRecipe, Heads, Judge, fit_head
from emoforge.selection.judges.ensemble import EnsembleJudge

TWO = [{"name": "embedded"}, {"name": "embedded"}]


def voice(seed: int = 0, length: int = 16000) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (0.1 * rng_for("ensemble", seed).standard_normal(length)).astype(np.float32)


def encoded(judge: Judge, count: int = 3) -> list[Encoding]:
    found = judge.encode([voice(seed) for seed in range(count)])
    assert all(isinstance(encoding, Encoding) for encoding in found)
    return [encoding for encoding in found if isinstance(encoding, Encoding)]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A head for the embedded judge that hears otherwise than the judge itself."""
    judge = EmbeddedJudge()
    embeddings = np.stack([e.embedding for e in encoded(judge, 8)])
    targets = np.eye(4, dtype=np.float32)[np.arange(8) % 4]
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    fitted = fit_head(embeddings, targets, BASIC4, HeadRecipe())
    Heads(judge.encoder, {"basic4": fitted}, HeadRecipe(), {}).save(path)
    return str(path)


def test_members_are_fused_and_can_be_told_apart(head: str) -> None:
    members = [{"name": "embedded"}, {"name": "embedded", "head": head}]
    judge = create("judge", "ensemble", {"members": members, "shares": [3, 1]})
    assert isinstance(judge, EnsembleJudge)
    judge.check_requirements()
    judge.setup()
    assert judge.schemes == ("basic4",)  # wide8 is known to the first only
    first, second = EmbeddedJudge(), EmbeddedJudge(head=head)
    for fused, one, other in zip(encoded(judge), encoded(first), encoded(second), strict=True):
        (a,), (b,) = first.distributions([one]), second.distributions([other])
        assert fused.native[f"basic4{MEMBER}0"] == pytest.approx(a["basic4"], abs=1e-6)
        assert fused.native[f"basic4{MEMBER}1"] == pytest.approx(b["basic4"], abs=1e-6)
        mean = 0.75 * np.array(a["basic4"]) + 0.25 * np.array(b["basic4"])
        assert fused.native["basic4"] == pytest.approx(mean, abs=1e-6)
        assert fused.embedding.shape == (1, 2 * 192)
        np.testing.assert_allclose(fused.embedding[0, :192], one.embedding[0], atol=1e-4)


@given(
    st.lists(st.lists(st.floats(1e-6, 1), min_size=4, max_size=4), min_size=2, max_size=2),
    st.lists(st.floats(0.1, 10), min_size=2, max_size=2),
    st.sampled_from(["mean", "product"]),
)
def test_fusion_gives_distributions_between_its_members(
    odds: list[list[float]], shares: list[float], fusion: Any
) -> None:
    judge = EnsembleJudge(members=TWO, shares=shares, fusion=fusion)
    own = [np.array(row) / sum(row) for row in odds]
    members = [
        (Encoding(np.zeros((2, 3), np.float32)), {"wide8": (1.0, *[0.0] * 7), "basic4": tuple(row)})
        for row in own
    ]
    fused = judge._fused(members)
    assert sum(fused.native["basic4"]) == pytest.approx(1)
    assert fused.embedding.shape == (1, 12)
    if fusion == "mean":
        assert (np.array(fused.native["basic4"]) <= np.maximum(*own) + 1e-9).all()
        assert (np.array(fused.native["basic4"]) >= np.minimum(*own) - 1e-9).all()
    else:
        log = sum(s / sum(shares) * np.log(row) for s, row in zip(shares, own, strict=True))
        expected = np.exp(log) / np.exp(log).sum()
        assert fused.native["basic4"] == pytest.approx(expected, rel=1e-6)


def test_its_keys_depend_on_members_heads_and_fusion(head: str) -> None:
    judge = EnsembleJudge(members=TWO)
    same = [
        EnsembleJudge(members=TWO, shares=[2, 2]),
        EnsembleJudge(members=[{"name": "embedded", "device": "cpu"}, {"name": "embedded"}]),
    ]
    others = [
        EnsembleJudge(members=TWO, shares=[2, 1]),
        EnsembleJudge(members=TWO, fusion="product"),
        EnsembleJudge(members=TWO[:1]),
        EnsembleJudge(members=[{"name": "embedded"}, {"name": "embedded", "head": head}]),
    ]
    assert {(one.encoder, one.key) for one in same} == {(judge.encoder, judge.key)}
    # What it hears natively is kept under the encoder's key.
    assert len({one.encoder for one in [judge, *others]}) == 5
    assert len({one.key for one in [judge, *others]}) == 5


def test_a_head_hears_all_embeddings_side_by_side(tmp_path: Path) -> None:
    judge = EnsembleJudge(members=TWO)
    embeddings = np.stack([e.embedding for e in encoded(judge, 8)])
    targets = np.eye(4, dtype=np.float32)[np.arange(8) % 4]
    path = tmp_path / "head.safetensors"
    heads = {"basic4": fit_head(embeddings, targets, BASIC4, HeadRecipe())}
    Heads(judge.encoder, heads, HeadRecipe(), {}).save(path)
    own = replace(judge, head=str(path))
    assert own.encoder == judge.encoder
    assert own.schemes == ("basic4",)
    (heard,) = own.distributions(encoded(own, 1))
    assert sum(heard["basic4"]) == pytest.approx(1, abs=1e-6)
    assert f"basic4{MEMBER}0" not in heard


def test_members_hear_the_clip_at_their_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = EnsembleJudge(members=TWO)
    monkeypatch.setattr(EnsembleJudge, "rate", 48000)
    audio = Audio(voice(), 16000).resampled(48000).samples
    (found,) = judge.encode([audio])
    (alone,) = EmbeddedJudge().encode([Audio(audio, 48000).resampled(16000).samples])
    assert isinstance(found, Encoding)
    assert isinstance(alone, Encoding)
    np.testing.assert_allclose(found.embedding[0, :192], alone.embedding[0], atol=1e-5)


def test_a_clip_that_a_member_refuses_fails_alone() -> None:
    judge = EnsembleJudge(members=TWO)
    broken = voice()
    broken[5] = np.nan
    answers = judge.encode([voice(), broken, voice(1, 100), voice(2), np.zeros(0, np.float32)])
    assert [type(a) for a in answers] == [Encoding, AudioError, AudioError, Encoding, AudioError]
    assert "100 samples" in str(answers[2])
    assert judge.encode([]) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "an ensemble needs members"),
        (
            {"members": [{"name": "ensemble", "members": TWO}]},
            "judge.members.0: an ensemble cannot",
        ),
        ({"members": [{"name": "embeded"}]}, "no judge 'embeded': did you mean 'embedded'"),
        ({"members": [{"name": "embedded", "hed": ""}]}, "'judge embedded: hed'"),
        ({"members": TWO, "shares": [1]}, "one number above 0 for each of 2 members"),
        ({"members": TWO, "shares": [1, 0]}, "one number above 0 for each of 2 members"),
        ({"members": TWO, "fusion": "sum"}, "fusion='sum'"),
    ],
)
def test_what_cannot_be_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        create("judge", "ensemble", options)
    assert "\n" not in str(caught.value)
