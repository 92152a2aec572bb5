"""The fairness audit on a workspace of real recordings, through the command line."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emoforge.augment import AugmentConfig, augment
from emoforge.cli import app
from emoforge.config import compose
from emoforge.errors import ConfigError, WorkspaceError
from emoforge.progress import Progress


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RAVDESS, ten speakers, eight clips of each, and what `signal` makes of them."""
    home = tmp_path_factory.mktemp("fairness")
    with (shared / "corpora" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["corpus"] == "ravdess"]
    chosen = []
    for speaker in sorted({row["speaker"] for row in rows})[:10]:
        for emotion in ("anger", "happiness", "neutral", "sadness"):
            own = [r for r in rows if (r["speaker"], r["emotion"]) == (speaker, emotion)]
            chosen += own[:2]
    lines = ["path,emotion,speaker,gender,lang"]
    for number, row in enumerate(chosen):
        # Of one recording nobody says who speaks.
        gender = row["gender"] if number else ""
        values = (str(shared / "corpora" / row["path"]), row["emotion"], row["speaker"], gender)
        lines.append(",".join((*values, row["lang"])))
    (home / "manifest.csv").write_text("\n".join(lines))
    overrides = [
        "corpus=manifest", "corpus.name=r", f"corpus.manifest={home / 'manifest.csv'}",
        "corpus.outside=true", f"workspace={home / 'w'}", "generators=[signal]", "export=[]",
        "generators.signal.operations=[gain,noise]", "runner.workers=0",
    ]  # fmt: skip
    augment(compose("augment", overrides, AugmentConfig), progress=Progress(quiet=True))
    return home / "w"


def fairness(folder: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["audit", "fairness", str(folder), "--json", *options])
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_by_gender(folder: Path) -> None:
    found = fairness(folder)
    assert {name: group["speakers"] for name, group in found["groups"].items()} == {
        "female": 5, "male": 5,
    }  # fmt: skip
    assert found["groups"]["female"]["mix"] == dict.fromkeys(
        ("angry", "happy", "neutral", "sad"), 0.25
    )
    assert found["left_out"] == {"unknown": "gender is not declared (1 speakers)"}
    # Two speakers in each held-out split: too few to compare, so everybody is tested in turn.
    assert found["tested"] == "all recordings, in 5 folds of speakers"
    assert set(found["compared"]["arms"]) == {"judge", "before", "after"}
    for metrics in found["compared"]["arms"].values():
        for gaps in metrics.values():
            for gap in gaps.values():
                assert 0 <= gap["interval"][0] <= gap["value"] <= gap["interval"][1] <= 1
                assert set(gap["rates"]) == {"female", "male"}
    assert set(found["kept"]["rates"]) == {"female", "male"}
    assert found == fairness(folder)


def test_by_voice(folder: Path) -> None:
    pytest.importorskip("webrtcvad")
    found = fairness(folder, "--by", "inferred", "--groups", "2")
    assert {group["about"] for group in found["groups"].values()} == {"5 female", "5 male"}
    assert found["silhouette"] > 0.1


def test_what_is_printed(folder: Path) -> None:
    done = CliRunner().invoke(
        app, ["audit", "fairness", str(folder), "--by", "gender"], env={"COLUMNS": "200"}
    )
    assert done.exit_code == 0
    for text in ("Recall gap", "Demographic parity gap", "Keep rate gap", "left out unknown"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--by", "language"], "two groups are needed to compare, there is only en-US"),
        (["--by", "corpus"], "there is only r"),
        (["--by", "speaker"], "there is none (ravdess_01: 8 clips, 10 are needed"),
        (["--by", "sex"], "by=sex"),
        (["--groups", "3"], "groups=3 is for by=inferred"),
    ],
)
def test_where_nothing_can_be_compared(folder: Path, options: list[str], sentence: str) -> None:
    done = CliRunner().invoke(app, ["audit", "fairness", str(folder), *options])
    assert isinstance(done.exception, ConfigError)
    assert sentence in str(done.exception)


def test_without_a_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["audit", "fairness", str(tmp_path)])
    assert isinstance(done.exception, WorkspaceError)
