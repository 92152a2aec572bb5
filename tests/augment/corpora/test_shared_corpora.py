"""The real corpora: counts, speakers, emotions and texts are those of their metadata."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from recipes import Read

from emoforge.augment.corpora import Corpus
from emoforge.label import BASIC4, FULL, canonical

CLIPS = {"nemo": 1026, "emodb": 362, "ravdess": 1440}


def metadata(path: Path) -> dict[str, dict[str, str]]:
    """Clip id → row of a metadata file."""
    with path.open(encoding="utf-8", newline="") as file:
        return {f"{row['corpus']}/{Path(row['path']).stem}": row for row in csv.DictReader(file)}


def check(corpus: Corpus, rows: dict[str, dict[str, str]]) -> None:
    assert corpus.problems == []
    assert corpus.left_out == {}
    assert {clip.id for clip in corpus.clips} == rows.keys()
    for clip in corpus.clips:
        row = rows[clip.id]
        assert clip.emotion == canonical(row["emotion"])
        assert clip.speaker == row["speaker"]
        assert clip.gender == row["gender"]
        assert clip.text == row["text"]
        assert clip.language == row["lang"]
        assert clip.licence == row["licence"]
        assert clip.corpus == row["corpus"]
        assert Path(clip.path).is_absolute()
        assert Path(clip.path).is_file()
        assert clip.label.modality == "intended"


@pytest.mark.parametrize("name", CLIPS)
def test_recipe_says_what_the_metadata_say(name: str, shared: Path, read: Read) -> None:
    corpus = read(name, root=shared / "corpora" / name)
    rows = metadata(shared / "corpora" / name / "metadata.csv")
    assert len(corpus.clips) == CLIPS[name]
    check(corpus, rows)


def test_manifest_of_all_needs_no_setting(shared: Path, read: Read) -> None:
    manifest = shared / "corpora" / "manifest.csv"
    corpus = read("manifest", manifest=manifest)
    check(corpus, metadata(manifest))
    assert len(corpus.clips) == sum(CLIPS.values())


@pytest.mark.parametrize("name", CLIPS)
def test_metadata_are_a_manifest(name: str, shared: Path, read: Read) -> None:
    corpus = read("manifest", root=shared / "corpora", manifest=f"{name}/metadata.csv")
    check(corpus, metadata(shared / "corpora" / name / "metadata.csv"))


@pytest.mark.parametrize("name", CLIPS)
def test_recipe_and_manifest_agree_on_all_but_the_splits(
    name: str, shared: Path, read: Read
) -> None:
    by_recipe = read(name, root=shared / "corpora" / name)
    by_manifest = read("manifest", root=shared / "corpora", manifest=f"{name}/metadata.csv")
    assert sorted(by_recipe.clips, key=lambda clip: clip.id) == (
        sorted(by_manifest.clips, key=lambda clip: clip.id)
    )


@pytest.mark.parametrize("name", CLIPS)
def test_narrow_scheme_leaves_out_and_counts(name: str, shared: Path, read: Read) -> None:
    root = shared / "corpora" / name
    narrow, full = read(name, BASIC4, root=root), read(name, FULL, root=root)
    emotions = Counter(clip.emotion for clip in full.clips)
    assert narrow.problems == []
    assert narrow.left_out == {e: n for e, n in emotions.items() if e not in BASIC4.classes}
    assert Counter(c.emotion for c in narrow.clips) == {
        e: n for e, n in emotions.items() if e in BASIC4.classes
    }
    assert len({id(clip.label) for clip in narrow.clips}) == len(BASIC4.classes)


@pytest.mark.parametrize("name", CLIPS)
def test_splits_share_no_speaker_and_have_both_genders_and_all_emotions(
    name: str, shared: Path, read: Read
) -> None:
    clips = read(name, BASIC4, root=shared / "corpora" / name).clips
    of = {s: [c for c in clips if c.split == s] for s in ("train", "dev", "test")}
    assert not {c.speaker for c in of["train"]} & {c.speaker for c in of["dev"] + of["test"]}
    assert not {c.speaker for c in of["dev"]} & {c.speaker for c in of["test"]}
    assert 0.6 < len(of["train"]) / len(clips) < 0.75
    for split in of.values():
        assert {c.emotion for c in split} == set(BASIC4.classes)
    assert {c.gender for c in of["train"]} == {"female", "male"}
    if name != "nemo":  # nine speakers of 11 % each: 15 % is one or two of them
        assert {c.gender for c in of["dev"]} == {c.gender for c in of["test"]}


def test_official_layout_of_nemo(shared: Path, tmp_path: Path, read: Read) -> None:
    # As in the corpus's own repository: samples/*.wav and data.tsv.
    rows = metadata(shared / "corpora" / "nemo" / "metadata.csv")
    (tmp_path / "samples").mkdir()
    with (tmp_path / "data.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(
            ["file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age"]
        )
        for row in rows.values():
            stem, said = Path(row["path"]).stem, row["text"]
            speaker, emotion, _ = stem.split("_")
            table.writerow([f"{stem}.wav", emotion, said, said.lower(), speaker, row["gender"], 30])
            (tmp_path / "samples" / f"{stem}.wav").touch()
    corpus = read("nemo", root=tmp_path)
    assert corpus.problems == []
    assert {(c.id, c.text, c.gender, c.emotion) for c in corpus.clips} == {
        (name, row["text"], row["gender"], canonical(row["emotion"])) for name, row in rows.items()
    }
