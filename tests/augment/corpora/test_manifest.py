"""Manifests in every format, with every field, and every way in which a row can be bad."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recipes import Files, Read, recipe

from emoforge.augment.corpora import CorpusConfig, Problem, read_corpus
from emoforge.errors import ConfigError, CorpusError
from emoforge.label import BASIC4, FULL, WIDE8

ROWS: list[dict[str, Any]] = [
    {"path": "a/1.wav", "emotion": "anger", "speaker": "s1", "text": "One, two.", "gender": "F"},
    {"path": "a/2.wav", "emotion": "HAPPY", "speaker": "s2", "text": 'Say "three".', "gender": "m"},
    {
        "path": "b/3.wav",
        "emotion": "neutral",
        "speaker": "s3",
        "text": "Zażółć\njaźń",
        "gender": "",
    },
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a table with the library that users would write it with, by its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            delimiter = "," if path.suffix == ".csv" else "\t"
            table = csv.DictWriter(file, rows[0], delimiter=delimiter)
            table.writeheader()
            table.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def problems(read: Read, root: Path, **settings: Any) -> list[tuple[str, str]]:
    """Problems of `m.csv`, without the root and without those about splits."""
    found = read("manifest", root=root, manifest=root / "m.csv", **settings).problems
    return [(p.where.removeprefix(f"{root}/"), p.sentence) for p in found if p.where != "manifest"]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl", "m.jsonl.gz", "m.json", "m.parquet"])
def test_every_format_says_the_same(name: str, tmp_path: Path, read: Read) -> None:
    manifest = write(tmp_path / name, ROWS)
    corpus = read("manifest", manifest=manifest, name="mine")
    assert corpus.problems == []
    assert [(c.id, c.path, c.emotion, c.speaker, c.text, c.gender) for c in corpus.clips] == [
        ("mine/a/1", f"{tmp_path}/a/1.wav", "angry", "s1", "One, two.", "female"),
        ("mine/a/2", f"{tmp_path}/a/2.wav", "happy", "s2", 'Say "three".', "male"),
        ("mine/b/3", f"{tmp_path}/b/3.wav", "neutral", "s3", "Zażółć\njaźń", None),
    ]
    assert {(c.duration, c.rate, c.digest, c.start) for c in corpus.clips} == {(0.0, 0, "", 0.0)}


def test_columns_of_any_name(tmp_path: Path, read: Read) -> None:
    manifest = write(
        tmp_path / "m.csv",
        [
            {
                "f": "1.wav",
                "e": "froh",
                "who": "7",
                "words": "Hallo",
                "tongue": "de-AT",
                "fold": "a",
            },
            {"f": "2.wav", "e": "xx", "who": "8", "words": "Servus", "tongue": "", "fold": "b"},
        ],
    )
    columns = {"path": "f", "emotion": "e", "speaker": "who", "text": "words", "split": "fold"}
    corpus = read(
        "manifest",
        manifest=manifest,
        columns=columns | {"language": "tongue"},
        labels={"froh": "happy", "xx": ""},
        split={"by": "column", "names": {"a": "test"}},
        speaker="uni_{speaker}",
        language="de",
        licence="CC0-1.0",
        name="uni",
    )
    assert corpus.problems == []
    assert corpus.left_out == {"xx": 1}
    (clip,) = corpus.clips
    assert (clip.emotion, clip.speaker, clip.text) == ("happy", "uni_7", "Hallo")
    assert (clip.language, clip.licence, clip.split) == ("de-AT", "CC0-1.0", "test")


def test_ids_segments_and_durations(tmp_path: Path, read: Read) -> None:
    said = {"emotion": "sad", "speaker": "s", "path": "x.wav"}
    manifest = write(
        tmp_path / "m.csv",
        [
            said | {"start": "", "duration": "2.5", "id": ""},
            said | {"start": "0", "duration": "1.5", "id": "first"},
            said | {"start": "1.5", "duration": "2", "id": ""},
            said | {"start": "3.5", "duration": "", "id": "mine/last"},
        ],
    )
    corpus = read("manifest", manifest=manifest, name="mine")
    assert [(c.id, c.start, c.duration) for c in corpus.clips] == [
        ("mine/x", 0.0, 0.0),
        ("mine/first", 0.0, 1.5),
        ("mine/x@1.500", 1.5, 2.0),
        ("mine/last", 3.5, 0.0),
    ]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_votes_distributions_and_dimensions(suffix: str, tmp_path: Path, read: Read) -> None:
    as_cell = json.dumps if suffix == "csv" else lambda value: value
    plain = {"path": "1.wav", "emotion": "sad", "speaker": "s"}
    rated = {"votes": as_cell({"anger": 1, "sad": 3}), "distribution": None}
    soft = {"votes": None, "distribution": as_cell({"anger": 0.25, "sad": 0.75})}
    vad = {"valence": 1.0, "arousal": 4.0, "dominance": 7.0}
    manifest = write(
        tmp_path / f"m.{suffix}",
        [
            plain | rated | vad,
            plain | soft | dict.fromkeys(vad) | {"path": "2.wav"},
            plain | {"votes": None, "distribution": None} | vad | {"path": "3.wav"},
        ],
    )
    corpus = read("manifest", BASIC4, manifest=manifest, vad_range=[1.0, 7.0])
    assert [p.sentence for p in corpus.problems if p.where != "manifest"] == []
    first, second, third = (clip.label for clip in corpus.clips)
    assert first.votes == (1, 0, 0, 3)
    assert first.distribution == second.distribution == (0.25, 0.0, 0.0, 0.75)
    assert first.vad == third.vad == (0.0, 0.5, 1.0)
    assert (second.votes, second.vad, third.votes) == (None, None, None)
    assert third.distribution == (0.0, 0.0, 0.0, 1.0)
    assert [label.modality for label in (first, second, third)] == ["audio"] * 3


def test_votes_in_columns_and_the_corpus_breaks_ties(tmp_path: Path, read: Read) -> None:
    manifest = write(
        tmp_path / "m.csv",
        [
            {"path": "1.wav", "label": "sad", "spk": "s", "A": 2, "S": 2, "X": 0},
            {"path": "2.wav", "label": "sad", "spk": "s", "A": 3, "S": 2, "X": 0},
            {"path": "3.wav", "label": "sad", "spk": "s", "A": "", "S": "", "X": ""},
        ],
    )
    votes = {"A": "angry", "S": "sad", "X": "frustrated"}
    corpus = read("manifest", WIDE8, manifest=manifest, votes=votes, modality="video")
    tied, outvoted, unrated = (clip.label for clip in corpus.clips)
    assert tied.hard == "sad"
    assert tied.probability("angry") == pytest.approx(0.5, abs=1e-8)
    assert tied.votes is not None
    assert (tied.votes[0], tied.votes[6]) == (2, 2)
    assert outvoted.hard == "angry"
    assert (unrated.hard, unrated.votes) == ("sad", None)
    assert {label.modality for label in (tied, outvoted, unrated)} == {"video"}


def test_missing_values_of_pandas(tmp_path: Path, read: Read) -> None:
    nothing = float("nan")
    row = {"path": "1.wav", "emotion": "sad", "speaker": 7, "text": nothing, "gender": nothing}
    vad = dict.fromkeys(("valence", "arousal", "dominance", "votes", "start"), nothing)
    corpus = read("manifest", manifest=write(tmp_path / "m.jsonl", [row | vad]))
    (clip,) = corpus.clips
    assert (clip.speaker, clip.text, clip.gender, clip.label.vad) == ("7", None, None, None)
    assert len(corpus.problems) == 1  # one speaker


def test_a_manifest_under_the_root_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Read
) -> None:
    write(tmp_path / "[a] *" / "m.csv", ROWS)
    write(tmp_path / "m.csv", ROWS[:1])
    monkeypatch.chdir(tmp_path)
    assert len(read("manifest", root=tmp_path / "[a] *", manifest="m.csv").clips) == 3
    assert len(read("manifest", root=tmp_path / "[a] *", manifest="*.csv").clips) == 3
    assert len(read("manifest", manifest="m.csv").clips) == 1
    assert len(read("manifest", root="[a] *", manifest=tmp_path / "m.csv").clips) == 1


def test_several_tables_give_the_split_by_name(tmp_path: Path, read: Read) -> None:
    for split, row in zip(("train", "valid", "test"), ROWS, strict=True):
        write(tmp_path / f"{split}.csv", [row])
    corpus = read("manifest", root=tmp_path, manifest="*.csv")
    assert {c.path[-5]: c.split for c in corpus.clips} == {"1": "train", "2": "dev", "3": "test"}


def test_left_out_is_no_problem(tmp_path: Path, read: Read) -> None:
    rows = [{"path": f"{i}.wav", "emotion": e, "speaker": "s"} for i, e in enumerate("abbn")]
    labels = {"a": "bored", "b": "disgusted", "n": "neutral"}
    corpus = read("manifest", BASIC4, manifest=write(tmp_path / "m.csv", rows), labels=labels)
    assert corpus.left_out == {"disgusted": 2, "bored": 1}
    assert len(corpus.clips) == 1


def test_bad_rows_are_listed_and_the_others_read(files: Files, read: Read) -> None:
    root = files(
        {
            "m.csv": "id,path,emotion,speaker,valence,arousal,dominance,votes,start,duration\n"
            "1,1.wav,angry,s1,,,,,,\n"
            "2,2.wav,hapy,s1,,,,,,\n"
            "1,3.wav,angry,s2,,,,,,\n"
            "4,../secret.wav,angry,s2,,,,,,\n"
            "5,5.wav,angry,,,,,,,\n"
            "6,6.wav,angry,s1,0.5,1.5,0.5,,,\n"
            "7,7.wav,angry,s1,0.5,,0.5,,,\n"
            "8,8.wav,angry,s1,0.5,loud,0.5,,,\n"
            '9,9.wav,angry,s1,,,,"{""angry"": -1, ""sad"": 3}",,\n'
            '10,10.wav,angry,s1,,,,"{""angry"": 0}",,\n'
            '11,11.wav,angry,s1,,,,"{""angry"": 1.5}",,\n'
            "12,12.wav,angry,s1,,,,many,,\n"
            '13,13.wav,angry,s1,,,,"{""wrath"": 1}",,\n'
            "14,,angry,s1,,,,,,\n"
            "15,15.wav,,s1,,,,,,\n"
            "16,16.wav,angry\n"
            "17,17.wav,angry,s1,,,,,-1,2\n"
            "18,18.wav,angry,s1,,,,,soon,2\n"
            "19,19.wav,angry,s1,nan,0.5,0.5,,,\n"
            "\n"
            "20,20.wav,angry,s3,,,,,,\n"
        }
    )
    corpus = read("manifest", manifest=root / "m.csv")
    assert [c.id for c in corpus.clips] == ["manifest/1", "manifest/20"]
    found = dict(problems(read, root))
    expected = {
        3: "unknown emotion 'hapy': did you mean 'happy'?",
        4: f"id 'manifest/1' is already that of {root}/m.csv:2",
        5: f"../secret.wav is outside the corpus root {root}; corpus.outside=true allows that",
        6: "has no speaker",
        7: "must lie in [0, 1] (corpus.vad_range), got 0.5, 1.5, 0.5",
        8: "has only some of valence, arousal and dominance",
        9: "valence, arousal and dominance must be a number, got 'loud'",
        10: "votes must be counts with at least one vote",
        11: "votes must be counts with at least one vote",
        12: "votes must be whole numbers",
        13: "votes must be a JSON object such as {\"angry\": 2}, got 'many'",
        14: "unknown emotion 'wrath'",
        15: "has no path",
        16: "has no emotion",
        17: "the row has 3 cells, the header has 10",
        18: "start and duration must be ≥ 0 s, got -1.0 and 2.0",
        19: "start must be a number, got 'soon'",
        20: "valence, arousal and dominance must be a number, got 'nan'",
    }
    assert found.keys() == {f"m.csv:{line}" for line in expected}
    for line, sentence in expected.items():
        assert sentence in found[f"m.csv:{line}"]


def test_rows_of_several_lines_are_named_by_their_first(files: Files, read: Read) -> None:
    root = files({"m.csv": 'path,emotion,speaker,text\n1.wav,sad,s,"two\nlines"\n2.wav,sadd,s,x\n'})
    assert [where for where, _ in problems(read, root)] == ["m.csv:4"]


def test_json_lines_that_are_no_rows(files: Files, read: Read) -> None:
    good = '{"path": "1.wav", "emotion": "sad", "speaker": "s"}'
    nameless = '{"path": {"bytes": ""}, "emotion": "sad", "speaker": "s"}'
    root = files({"m.jsonl": f"{good}\n{{broken\n\n[1]\n{nameless}\n"})
    corpus = read("manifest", manifest=root / "m.jsonl")
    assert len(corpus.clips) == 1
    assert [(p.where[-1], p.sentence[:24]) for p in corpus.problems[:3]] == [
        ("2", "the line is not JSON: Ex"),
        ("4", "is not a JSON object: [1"),
        ("5", "the path must be text, g"),
    ]


def test_a_bad_distribution(files: Files, read: Read) -> None:
    rows = [{"angry": 0.5}, {"angry": 1.5, "sad": -0.5}, {"angry": 0.999, "sad": 0.001}]
    cells = [json.dumps(row).replace('"', '""') for row in rows]
    lines = "".join(f'{i}.wav,s,"{cell}"\n' for i, cell in enumerate(cells))
    root = files({"m.csv": f"path,speaker,distribution\n{lines}"})
    found = problems(read, root, columns={"distribution": "distribution"})
    assert [(where, "sum to 1" in sentence) for where, sentence in found] == [
        ("m.csv:2", True),
        ("m.csv:3", True),
    ]


@pytest.mark.parametrize(
    "by", ["absolute", "dots", "only dots", "link to a file", "link to a folder"]
)
def test_nothing_leads_out_of_the_root(by: str, tmp_path: Path, files: Files, read: Read) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.wav").touch()
    path = {
        "absolute": str(outside / "x.wav"),
        "dots": "audio/../../outside/x.wav",
        "only dots": "..",
        "link to a file": "audio/x.wav",
        "link to a folder": "linked/x.wav",
    }[by]
    root = files({"m.csv": f"path,emotion,speaker\n{path},sad,s\n", "audio/y.wav": ""})
    (root / "audio" / "x.wav").symlink_to(outside / "x.wav")
    (root / "linked").symlink_to(outside)
    assert problems(read, root) == [
        (
            "m.csv:2",
            f"{path} is outside the corpus root {root}; corpus.outside=true allows that",
        )
    ]
    (clip,) = read("manifest", manifest=root / "m.csv", outside=True).clips
    assert Path(clip.path).resolve() in (outside / "x.wav", tmp_path)


def test_ways_that_stay_inside_are_fine(tmp_path: Path, files: Files, read: Read) -> None:
    lines = ["a/../a/1.wav", "./a//2.wav", "{root}/a/3.wav", "linked/4.wav", "a/5.wav"]
    root = files({f"a/{n}.wav": "" for n in range(1, 5)})
    (root / "linked").symlink_to(root / "a")
    (root / "a" / "5.wav").symlink_to(root / "a" / "1.wav")
    rows = "".join(f"{line.format(root=root)},sad,s\n" for line in lines)
    (root / "m.csv").write_text(f"path,emotion,speaker\n{rows}")
    assert problems(read, root) == []
    # Also where the root itself is reached through a link.
    (tmp_path / "alias").symlink_to(root)
    corpus = read("manifest", root=tmp_path / "alias", manifest=root / "m.csv")
    assert [c.id for c in corpus.clips][:2] == ["manifest/a/1", "manifest/a/2"]


def test_urls(files: Files, read: Read) -> None:
    lines = "s3://bucket/a/1.wav,sad,s\n2.wav,sad,s\ns3://other/3.wav,sad,s\nx/../../4.wav,sad,s\n"
    root = files({"m.csv": f"path,emotion,speaker\n{lines}"})
    corpus = read("manifest", root="s3://bucket/a", manifest=root / "m.csv")
    assert [c.path for c in corpus.clips] == ["s3://bucket/a/1.wav", "s3://bucket/a/2.wav"]
    assert [c.id for c in corpus.clips] == ["manifest/1", "manifest/2"]
    assert [p.where[-1] for p in corpus.problems[:2]] == ["4", "5"]


def test_unknown_splits(files: Files, read: Read) -> None:
    root = files(
        {
            "m.csv": "path,emotion,speaker,split\n"
            "1.wav,sad,s1,fold1\n2.wav,sad,s2,test\n3.wav,sad,s3,\n"
        }
    )
    found = problems(read, root, split={"by": "column"})
    assert [where for where, _ in found] == ["m.csv:2", "m.csv:4"]
    assert "unknown split 'fold1': corpus.split.names" in found[0][1]
    # Where nobody insists on the column, such splits are drawn anew, and nothing is lost.
    corpus = read("manifest", manifest=root / "m.csv")
    assert len(corpus.clips) == 3
    assert "2 of 3 clips have no split" in corpus.problems[0].sentence


def test_missing_columns_name_the_setting(files: Files, read: Read) -> None:
    root = files({"m.csv": "wave,mood,who\n1.wav,sad,s\n"})
    with pytest.raises(CorpusError) as error:
        read("manifest", manifest=root / "m.csv")
    assert str(error.value) == (
        f"{root}/m.csv has no column for path and emotion and speaker; its columns are "
        "wave, mood, who: say which to use with corpus.columns.path=NAME "
        "corpus.columns.emotion=NAME corpus.columns.speaker=NAME"
    )
    columns = {"path": "wave", "emotion": "modo", "speaker": "who"}
    with pytest.raises(CorpusError, match=r"no column 'modo' \(corpus.columns.emotion\): did you"):
        read("manifest", manifest=root / "m.csv", columns=columns)
    with pytest.raises(CorpusError, match=r"no column 'A' \(corpus.votes\)"):
        read(
            "manifest",
            manifest=root / "m.csv",
            columns=columns | {"emotion": ""},
            votes={"A": "sad"},
        )


def test_two_dimensions_are_not_three(files: Files, read: Read) -> None:
    root = files({"m.csv": "path,emotion,speaker,valence,arousal\n1.wav,sad,s,0.1,0.2\n"})
    (clip,) = read("manifest", manifest=root / "m.csv").clips
    assert clip.label.vad is None
    with pytest.raises(CorpusError, match="sets valence: a clip has all of valence, arousal, dom"):
        read("manifest", manifest=root / "m.csv", columns={"valence": "valence"})


def test_nobody_knows_the_speakers(files: Files, read: Read) -> None:
    root = files({"m.csv": "path,emotion\n1.wav,sad\n"})
    corpus = read("manifest", manifest=root / "m.csv", speaker="unknown")
    assert corpus.clips[0].speaker == "unknown"
    assert corpus.problems == [
        Problem("manifest", "one speaker in all: no speaker-disjoint dev and test split")
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.csv", b"", "is empty, it should start with a line of column names"),
        ("m.csv", b"path,emotion,path\n", "two columns of the name 'path'"),
        ("m.csv", b"path,emotion,speaker\n", "has no clips at all"),
        ("m.csv", b"path,emotion,speaker\n\xff\xfe,sad,s\n", "is not utf-8 text, save it as UTF-8"),
        ("m.csv", b'path,emotion,speaker\n1.wav,sad,"s\n', r"m.csv:2: unexpected end of data"),
        ("m.json", b"{", "is not JSON"),
        ("m.json", b'"x"', "must be a list of objects, or id → object"),
        ("m.parquet", b"PAR2", "is not Parquet"),
        ("m.xlsx", b"PK", "a table is a .csv, .tsv"),
        ("m.jsonl.gz", b"{}", "m.jsonl.gz cannot be read: "),
        ("m.jsonl.gz", gzip.compress(b"{}" * 99)[:-9], "m.jsonl.gz cannot be read: "),
    ],
)
def test_files_that_are_no_tables(
    name: str, text: bytes, said: str, tmp_path: Path, read: Read
) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(CorpusError, match=said):
        read("manifest", manifest=tmp_path / name)


def test_places_that_are_not_there(tmp_path: Path, read: Read) -> None:
    with pytest.raises(CorpusError, match=r"there is no folder .*/nowhere \(corpus.root\)"):
        read("manifest", root=tmp_path / "nowhere", manifest="m.csv")
    with pytest.raises(CorpusError, match=r"there is no manifest m.csv, neither in .* nor here"):
        read("manifest", root=tmp_path, manifest="m.csv")
    with pytest.raises(ConfigError, match=r"say where corpus 'nemo' is: corpus.root=FOLDER"):
        read("nemo")
    with pytest.raises(CorpusError, match=r"corpus.manifest=FILE"):
        read("manifest", root=tmp_path, manifest="")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reader": "manifests"}, "no corpus reader 'manifests': did you mean 'manifest'"),
        ({"labels": {"a": "hapy"}}, "corpus.labels.a=hapy is no emotion: did you mean 'happy'"),
        ({"modality": "sound"}, "corpus.modality=sound"),
        ({"vad_range": [7.0, 1.0]}, "corpus.vad_range"),
        ({"split": {"by": "speakr"}}, "corpus.split.by=speakr: did you mean 'speaker'"),
        ({"columns": {"emotoin": "x"}}, "corpus.columns.emotoin"),
    ],
)
def test_settings_that_cannot_be_used(
    settings: dict[str, Any], said: str, tmp_path: Path, read: Read
) -> None:
    write(tmp_path / "m.csv", ROWS)
    with pytest.raises(ConfigError, match=said):
        read("manifest", manifest=tmp_path / "m.csv", **settings)


def test_a_hundred_thousand_rows_share_labels(tmp_path: Path) -> None:
    lines = "".join(f"{i}.wav,sad,s{i % 99}\n" for i in range(100_000))
    (tmp_path / "m.csv").write_text(f"path,emotion,speaker\n{lines}")
    config = recipe("manifest", manifest=str(tmp_path / "m.csv"))
    assert isinstance(config, CorpusConfig)
    corpus = read_corpus(config, FULL)
    assert len(corpus.clips) == 100_000
    assert len({id(clip.label) for clip in corpus.clips}) == 1
