"""Whatever a manifest holds, every row is a clip, left out, or a problem that names it."""

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import recipe

from emoforge.augment.corpora import read_corpus
from emoforge.label import BASIC4

texts = st.text(st.characters(codec="utf-8"), max_size=12)
words = st.sampled_from(["", "sad", "angry", "bored", "NEUTRAL ", "hapy", "s1", "a/b.wav", "../x"])
numbers = st.one_of(st.floats(), st.integers(-9, 9), st.none())
cells = st.one_of(texts, words, words, numbers)
FIELDS = [
    "path",
    "id",
    "emotion",
    "speaker",
    "text",
    "split",
    "start",
    "duration",
    "votes",
    "valence",
    "arousal",
    "dominance",
]

tables = st.lists(
    st.fixed_dictionaries(dict.fromkeys((*FIELDS, "arousal", "dominance"), cells)),
    min_size=1,
    max_size=8,
)


def check(path: Path, rows: list[dict[str, Any]], places: set[str]) -> None:
    corpus = read_corpus(recipe("manifest", manifest=str(path)), BASIC4)
    faulty = {p.where for p in corpus.problems if p.where != "manifest"}
    assert len(corpus.clips) + len(faulty) + sum(corpus.left_out.values()) == len(rows)
    assert faulty <= {f"{path}:{place}" for place in places}
    assert len({clip.id for clip in corpus.clips}) == len(corpus.clips)
    for clip in corpus.clips:
        assert clip.split
        assert clip.speaker
        assert clip.path.startswith(f"{path.parent}/")
        assert clip.label.scheme == BASIC4
        assert clip.text != ""
    assert all(problem.sentence for problem in corpus.problems)


@given(tables)
@settings(deadline=None, max_examples=60)
def test_json_lines(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "m.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        check(path, rows, {str(n + 1) for n in range(len(rows))})


@given(tables)
@settings(deadline=None, max_examples=60)
def test_csv(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "m.csv"
        starts = set()
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            for row in rows:
                file.flush()
                with path.open(encoding="utf-8", newline="") as written:
                    starts.add(str(1 + len(written.readlines())))
                table.writerow(row)
        check(path, rows, starts)
