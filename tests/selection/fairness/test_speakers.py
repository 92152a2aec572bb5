"""Groups that are inferred: clusters that are there, and real voices."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from emoforge.clip import Clip
from emoforge.errors import ConfigError, RequirementError
from emoforge.label import Label
from emoforge.progress import Progress
from emoforge.selection.fairness import cluster, embed_speakers
from emoforge.selection.fairness.speakers import silhouette

QUIET = Progress(quiet=True)


@pytest.mark.parametrize("groups", [None, 3])
def test_clusters_are_found_and_numbered_from_the_largest(groups: int | None) -> None:
    rng = np.random.default_rng(0)
    of = np.repeat([0, 1, 2], [4, 12, 8])
    vectors = np.eye(8)[of] + rng.normal(0, 0.05, (24, 8))
    labels, score = cluster(vectors, groups)
    np.testing.assert_array_equal(labels, np.array([2, 0, 1])[of])
    assert score > 0.8
    again, _ = cluster(vectors, groups)
    np.testing.assert_array_equal(labels, again)


@given(st.integers(4, 30), st.integers(2, 4), st.integers(0, 99))
def test_the_silhouette_is_that_of_scikit_learn(count: int, k: int, seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 3))
    labels = np.concatenate([np.arange(k), rng.integers(0, k, count - k)])
    if k < count:
        expected = metrics.silhouette_score(vectors, labels)
        assert silhouette(cdist(vectors, vectors), labels) == pytest.approx(expected)


@pytest.mark.parametrize(("count", "groups"), [(2, None), (0, None), (5, 5), (5, 1)])
def test_too_few_voices_cannot_be_divided(count: int, groups: int | None) -> None:
    with pytest.raises(ConfigError, match=f"{count} voices cannot be divided"):
        cluster(np.eye(5)[:count], groups)


def clips(shared: Path, speakers: int) -> list[Clip]:
    with (shared / "corpora" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["corpus"] == "ravdess"]
    names = sorted({row["speaker"] for row in rows})[:speakers]
    return [
        Clip(
            id=row["path"],
            path=str(shared / "corpora" / row["path"]),
            duration=0.0,
            rate=16000,
            label=Label.of("happy"),
            speaker=row["speaker"],
            corpus="ravdess",
            gender=row["gender"],
        )
        for name in names
        for row in [row for row in rows if row["speaker"] == name][::20]
    ]


def test_real_voices_divide_by_gender(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("webrtcvad")
    known = clips(shared, 8)
    broken = Clip(
        id="x", path=str(tmp_path / "none.wav"), duration=0.0, rate=1, label=known[0].label,
        speaker="nobody", corpus="c",
    )  # fmt: skip
    voices = embed_speakers([*known, broken], QUIET)
    assert list(voices) == sorted({clip.speaker for clip in known})
    assert all(np.linalg.norm(vector) == pytest.approx(1) for vector in voices.values())
    labels, score = cluster(np.stack(list(voices.values())), least=3)
    gender = {clip.speaker: clip.gender for clip in known}
    found = {(label, gender[name]) for name, label in zip(voices, labels.tolist(), strict=True)}
    assert len(found) == 2
    assert score > 0.1


def test_without_the_package_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RequirementError, match=r"pip install 'emoforge\[fairness\]'"):
        embed_speakers([], QUIET)
