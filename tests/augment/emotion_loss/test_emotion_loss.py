"""The report from a corpus to its files, and what it says where not everything can be had."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from emoforge.audio import Audio
from emoforge.augment import CorpusConfig, EmotionLoss, EmotionLossConfig, report_emotion_loss
from emoforge.codecs import Coded
from emoforge.codecs.libav import ALaw
from emoforge.errors import ConfigError, CorpusError, LabelError, RequirementError
from emoforge.progress import Progress

QUIET = Progress(quiet=True)


def config(manifest: Path, out: Path, *codecs: str, **more: Any) -> EmotionLossConfig:
    corpus = CorpusConfig(name="emodb", reader="manifest", root="", manifest=str(manifest))
    settings: dict[str, Any] = {"measures": {"mel": {}}, "workers": 0, "listen": 2, **more}
    return EmotionLossConfig(corpus, list(codecs), str(out), **settings)


@pytest.fixture
def rows(few: Path) -> Callable[[Callable[[dict[str, str]], bool]], Path]:
    """The manifest with some of its rows only."""

    def chosen(wanted: Callable[[dict[str, str]], bool]) -> Path:
        with few.open(encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))
        with few.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, read[0].keys())
            table.writeheader()
            table.writerows(row for row in read if wanted(row))
        return few

    return chosen


def numbers(out: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    table = pq.read_table(out / "results.parquet").to_pylist()
    return {
        (row["condition"], row["view"], row["number"], row["emotion"]): row
        for row in table
        if row["group_kind"] == "all"
    }


def test_the_report_of_real_clips(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = report_emotion_loss(config(few, out, "opus@6", "alaw@64"), QUIET)
    assert isinstance(made, EmotionLoss)
    found = numbers(out)
    conditions = {key[0] for key in found}
    assert conditions == {"original", "opus@6", "alaw@64", "low-pass 3.5 kHz", "random label"}
    for view in ("frozen", "crossfit", "retrained"):
        assert found["original", view, "uar", "all"]["difference"] == 0
        # The judge learnt from these clips: it hears most of them, and a stranger's at random.
        assert found["random label", view, "uar", "all"]["value"] < 0.6
    assert found["original", "frozen", "uar", "all"]["value"] > 0.7
    js = {name: found[name, "", "js", "all"]["value"] for name in conditions}
    assert js["original"] == 0 < js["alaw@64"] < js["random label"]
    cosine = {name: found[name, "", "cosine", "all"]["value"] for name in conditions}
    assert cosine["original"] > cosine["alaw@64"] > cosine["random label"]
    assert cosine["opus@6"] > cosine["random label"]
    mel = {
        name: found[name, "", "mel_db", "all"]["value"] for name in conditions - {"random label"}
    }
    assert mel["original"] == 0 < mel["alaw@64"] < mel["opus@6"]
    assert found["opus@6", "frozen", "uar", "all"]["speakers"] == 2
    assert 5 < found["opus@6", "frozen", "uar", "all"]["kbps"] < 7
    assert any("judge embedded learnt from emodb" in one for one in made.cautions)
    assert made.to_dict()["groups"][0]["clips"] == 16
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:audio/flac;base64,") == 2 * 4
    assert all(name in page for name in conditions)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (out / "results.tex").read_text().count(r"\\") >= 5
    assert "opus@6" in (out / "config.yaml").read_text()


def test_a_codec_that_is_added_changes_nothing_of_the_others(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report_emotion_loss(config(few, out, "alaw@64", listen=0), QUIET)
    before = numbers(out)
    report_emotion_loss(config(few, out, "alaw@64", "gsm@13", listen=0), QUIET)
    after = numbers(out)
    for key, row in before.items():  # all but the correction for more comparisons
        for name in ("value", "original", "difference", "kbps", "clips"):
            assert after[key][name] == pytest.approx(row[name], nan_ok=True), (key, name)
    assert any(key[0] == "gsm@13" for key in after)


def test_a_codec_that_breaks_is_told_and_the_page_is_there(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while sounds are made to listen to, where no worker stands between."""
    roundtrip = ALaw.roundtrip

    def breaks(self: ALaw, audio: Audio) -> Coded:
        if len(audio.samples) % 2:
            raise RuntimeError("no such luck")
        return roundtrip(self, audio)

    monkeypatch.setattr(ALaw, "roundtrip", breaks)
    report_emotion_loss(config(few, tmp_path / "out", "alaw", "opus@6", listen=6), QUIET)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "RuntimeError: no such luck" in page
    found = numbers(tmp_path / "out")
    assert 0 < found["alaw@64", "", "cosine", "all"]["clips"] < 16
    assert found["opus@6", "", "cosine", "all"]["clips"] == 16


def test_of_one_speaker_it_says_what_cannot_be_told(rows: Any, tmp_path: Path) -> None:
    manifest = rows(lambda row: row["speaker"] == "emodb_03")
    made = report_emotion_loss(config(manifest, tmp_path / "out", "opus@6"), QUIET)
    found = numbers(tmp_path / "out")
    row = found["opus@6", "frozen", "uar", "all"]
    assert row["value"] is not None
    assert row["low"] is None
    assert row["p"] is None
    assert not any(key[1] == "crossfit" for key in found)
    told = " ".join([*made.cautions, *made.summary.notes, *made.summary.groups[0].notes])
    assert "one speaker" in told


def test_of_one_emotion_it_says_what_cannot_be_told(rows: Any, tmp_path: Path) -> None:
    manifest = rows(lambda row: row["emotion"] == "sadness" or row["emotion"] == "sad")
    made = report_emotion_loss(config(manifest, tmp_path / "out", "opus@6"), QUIET)
    found = numbers(tmp_path / "out")
    assert found["opus@6", "frozen", "recall", "sad"]["value"] is not None
    assert found.get(("opus@6", "frozen", "uar", "all"), {"value": None})["value"] is None
    assert any("All clips are sad" in one for one in made.cautions)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"codecs": ["opsu@6"]}, ConfigError, "did you mean 'opus'"),
        ({"codecs": ["opus@7"]}, ConfigError, "it has 6, 8"),
        ({"codecs": []}, ConfigError, "codecs is empty"),
        (
            {"codecs": ["alaw", "mine@64"], "codec": {"mine": {"component": "alaw"}}},
            ConfigError,
            "alaw@64 and mine@64 are the same codec",
        ),
        ({"codecs": ["lyra@3.2"]}, RequirementError, r"codec\.lyra\.model=DIR"),
        ({"measures": {"mell": {}}}, ConfigError, "there is no measure 'mell'"),
        ({"clips": 0}, ConfigError, "must be 1 or more"),
        ({"scheme": "basic5"}, (ConfigError, LabelError), "basic4"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(
    change: dict[str, Any], error: Any, sentence: str, few: Path, tmp_path: Path
) -> None:
    asked = replace(config(few, tmp_path / "out", "alaw@64"), **change)
    with pytest.raises(error, match=sentence):
        report_emotion_loss(asked, QUIET)
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_corpus_without_the_scheme_s_emotions_is_said(rows: Any, tmp_path: Path) -> None:
    manifest = rows(lambda row: row["emotion"] in ("anger", "angry"))
    text = manifest.read_text(encoding="utf-8").replace("anger", "boredom")
    manifest.write_text(text.replace("angry", "bored"), encoding="utf-8")
    with pytest.raises(CorpusError, match="none of 4 clips has an emotion of scheme wide8"):
        report_emotion_loss(config(manifest, tmp_path / "out", "alaw@64"), QUIET)
