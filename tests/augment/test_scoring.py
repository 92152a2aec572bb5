"""`emoforge judge score`: files, folders, tables, standard input; bad ones among them."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emoforge.audio import read
from emoforge.augment import JudgeScoring, ScoredFile, score
from emoforge.cli import app
from emoforge.errors import ConfigError, CorpusError
from emoforge.progress import Progress
from emoforge.selection.judges import EmbeddedJudge, score_items

QUIET = Progress(quiet=True)


def asked(*inputs: Path | str, **options: Any) -> dict[str, Any]:
    return score(JudgeScoring(**options), [str(i) for i in inputs], progress=QUIET)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.fixture
def folder(few: Path, tmp_path: Path) -> Path:
    """Three clips, one of them in a folder of its own, and what is no audio."""
    place = tmp_path / "clips"
    (place / "inner").mkdir(parents=True)
    clips = sorted(few.parent.glob("*.flac"))
    shutil.copy(clips[0], place / "a.flac")
    shutil.copy(clips[1], place / "inner" / "B.FLAC")
    (place / "broken.wav").write_bytes(b"RIFF and no more")
    (place / "notes.txt").write_text("no audio")
    return place


def test_answers_are_those_of_the_judge(few: Path) -> None:
    files = sorted(few.parent.glob("*.flac"))[:5]
    judge = EmbeddedJudge()
    found = asked(*files)
    assert (found["judge"], found["scheme"]) == (judge.key, "basic4")
    assert (found["judged"], found["failed"]) == (5, 0)
    direct = dict(score_items(judge, files, read))
    for answer in found["answers"]:
        assert answer["heard"] == direct[Path(answer["path"])]
        assert sum(answer["heard"].values()) == pytest.approx(1, abs=1e-6)
    wide = asked(files[0], scheme="wide8")["answers"][0]
    assert len(wide["heard"]) == 8


def test_folders_are_searched_and_bad_files_fail_alone(folder: Path) -> None:
    seen: list[ScoredFile] = []
    found = score(JudgeScoring(), [str(folder)], each=seen.append, progress=QUIET)
    paths = [str(folder / name) for name in ("a.flac", "broken.wav", "inner/B.FLAC")]
    assert [answer["path"] for answer in found["answers"]] == paths
    assert [answer.path for answer in seen] == paths
    assert "error" in found["answers"][1]
    assert (found["judged"], found["failed"]) == (2, 1)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_rows_of_a_table_come_back_with_what_was_heard(
    few: Path, tmp_path: Path, suffix: str
) -> None:
    table = few.parent / "own.csv"
    clips = rows(few)[:3]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["take", "wav", "note"])
        writer.writeheader()
        for take, row in enumerate(clips):
            writer.writerow({"take": take, "wav": row["path"], "note": 'a "b", ü'})
        writer.writerow({"take": 9, "wav": "absent.flac", "note": ""})
        writer.writerow({"take": 10, "wav": "", "note": ""})
    out = tmp_path / "new" / f"scores{suffix}"
    found = score(JudgeScoring(), [str(table)], out, progress=QUIET)
    assert (found["judged"], found["failed"], found["out"]) == (3, 2, str(out))
    back: list[dict[str, Any]] = (
        [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        if suffix == ".jsonl"
        else list(rows(out))
    )
    assert [str(row["take"]) for row in back] == ["0", "1", "2", "9", "10"]
    assert [row["path"] for row in back[:4]] == [row["path"] for row in clips] + ["absent.flac"]
    assert back[0]["note"] == 'a "b", ü'
    heard = {n: float(back[0][f"heard_{n}"]) for n in ("angry", "happy", "neutral", "sad")}
    assert max(heard, key=heard.__getitem__) == back[0]["heard"]
    assert sum(heard.values()) == pytest.approx(1, abs=1e-5)
    assert back[3]["error"] == "No such file or directory"
    assert "no path in column 'wav'" in back[4]["error"]
    assert list(out.parent.iterdir()) == [out]


def test_a_segment_of_a_file_is_judged_alone(few: Path) -> None:
    name = rows(few)[0]["path"]
    table = few.parent / "cuts.jsonl"
    cuts = [
        {"path": name},
        {"path": name, "start": 0.2, "duration": 0.7},
        {"path": name, "start": "x"},
    ]
    table.write_text("\n".join(map(json.dumps, cuts)), "utf-8")
    whole, part, bad = asked(table)["answers"]
    assert whole["heard"] != part["heard"]
    assert part["row"]["duration"] == 0.7
    assert bad["error"] == "start and duration must be numbers"


def test_columns_can_be_named(few: Path) -> None:
    table = few.parent / "own.csv"
    table.write_text(f"recording\n{rows(few)[0]['path']}\n", "utf-8")
    with pytest.raises(CorpusError, match=r"columns\.path=NAME"):
        asked(table)
    shown = CliRunner().invoke(
        app, ["judge", "score", str(table), "columns.path=recording", "--json"]
    )
    assert json.loads(shown.stdout)["judged"] == 1


@pytest.mark.parametrize("kind", ["paths", "table", "lines of JSON", "audio"])
def test_standard_input(few: Path, kind: str) -> None:
    clip = few.parent / rows(few)[0]["path"]
    given = {
        "paths": f"{clip}\n\n{clip}\n".encode(),
        "table": f"id,path\n1,{clip}\n2,{clip}\n".encode(),
        "lines of JSON": "\n".join([json.dumps({"path": str(clip)})] * 2).encode(),
        "audio": clip.read_bytes(),
    }[kind]
    shown = CliRunner().invoke(app, ["judge", "score", "-", "--json"], input=given)
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert found["judged"] == (1 if kind == "audio" else 2)
    alone = asked(clip)["answers"][0]["heard"]
    assert found["answers"][0]["heard"] == pytest.approx(alone, abs=1e-4)


def test_what_standard_input_cannot_be() -> None:
    shown = CliRunner().invoke(app, ["judge", "score", "-"], input=b"\xff\xfe\x00\x81")
    assert isinstance(shown.exception, ConfigError)
    assert "standard input is neither" in str(shown.exception)


def test_the_command_shows_each_answer_and_fails_only_if_there_is_none(folder: Path) -> None:
    shown = CliRunner().invoke(
        app, ["judge", "score", str(folder / "a.flac"), str(folder / "x.wav")]
    )
    assert shown.exit_code == 0
    first = shown.stdout.splitlines()[0]
    shares = [float(part.split()[-1]) for part in first.split(": ")[1].split(",")]
    assert first.startswith(f"{folder / 'a.flac'}: ")
    assert shares == sorted(shares, reverse=True)
    assert "x.wav: No such file or directory" in shown.stderr
    assert CliRunner().invoke(app, ["judge", "score", str(folder / "x.wav")]).exit_code == 1


def test_a_file_with_an_equals_sign_is_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "a.flac").rename(folder / "take=1.flac")
    shown = CliRunner().invoke(
        app, ["judge", "score", "take=1.flac", "--scheme", "wide8", "--json"]
    )
    assert json.loads(shown.stdout)["answers"][0]["path"] == "take=1.flac"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["judg=embedded"], "there is no setting 'judg'"),
        (["judge.divice=cpu"], "did you mean 'device'"),
        (["--scheme", "basic5"], "does not know scheme 'basic5': did you mean 'basic4'"),
        (["--out", "scores.xlsx"], "answers are written as .csv, .tsv or .jsonl"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence(
    folder: Path, words: list[str], sentence: str
) -> None:
    shown = CliRunner().invoke(app, ["judge", "score", str(folder), *words])
    assert isinstance(shown.exception, ConfigError)
    assert sentence in str(shown.exception)


def test_a_judge_without_classes_asks_for_a_head(folder: Path) -> None:
    pytest.importorskip("opensmile")
    with pytest.raises(ConfigError, match=r"give it a head, judge\.head=FILE"):
        asked(folder, judge={"name": "egemaps"})


def test_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is nothing to judge in"):
        asked(tmp_path)


def test_many_files_are_read_a_few_at_a_time(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading stays at most two batches ahead of what is answered."""
    monkeypatch.setattr(EmbeddedJudge, "at_once_s", 8.0)
    given = 0

    def endless() -> Any:
        nonlocal given
        while True:
            given += 1
            yield few.parent / rows(few)[0]["path"]

    answers = score_items(EmbeddedJudge(), endless(), read)
    for _ in range(5):
        next(answers)
    assert given <= 10
