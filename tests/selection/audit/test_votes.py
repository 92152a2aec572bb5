"""Tables of votes: read as people save them, checked row by row, written and read back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.errors import CorpusError
from emoforge.label import FULL
from emoforge.selection.audit import check_ballots, read_ballots, write_votes
from emoforge.workspace import Vote

NOW = "2026-11-21T12:00:00+00:00"
CLIPS = {"3fa92c-0001": "a1", "3fa92c-0002": "a2", "a1": "a1"}


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "votes.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_good_rows_are_taken_and_bad_ones_named(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "clip,audio,rater,emotion\n"
        "3fa92c-0001,x,anna,Anger\n"
        "3fa92c-0002,x,anna,\n"
        "3fa92c-0002,x,ben,hapy\n"
        "nothing,x,ben,sad\n"
        "a1,x,anna,angry\n"
        "a1,x,anna,sad\n"
        "a1,x,,sad\n"
        "3fa92c-0002,x,carla,sad\n",
    )
    earlier = {("a2", "carla"): "happy"}
    votes, blank, repeated, problems = check_ballots(read_ballots(path), CLIPS, earlier, NOW)
    assert votes == [Vote("a1", "anna", "angry", NOW)]
    assert (blank, repeated) == (1, 1)
    assert [problem.line for problem in problems] == [4, 5, 7, 8, 9]
    assert "unknown emotion 'hapy': did you mean 'happy'?" in problems[0].sentence
    assert problems[1].sentence.startswith("unknown clip 'nothing'")
    assert problems[2].sentence.startswith("anna has voted angry on clip 'a1', now it says sad")
    assert problems[3].sentence.startswith("no rater")
    assert "carla has voted happy" in problems[4].sentence


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_as_spreadsheets_save_them(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = [["ID", "Annotator", "Label"], ["a1", "Zoë", "Sad"], ["", "", ""]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (ballot,) = read_ballots(table(tmp_path, text, encoding))
    assert (ballot.line, ballot.clip, ballot.rater, ballot.emotion) == (2, "a1", "Zoë", "Sad")


def test_the_rater_may_be_named_outside(tmp_path: Path) -> None:
    ballots = read_ballots(table(tmp_path, "clip,emotion\na1,sad\n"), "anna")
    assert [ballot.rater for ballot in ballots] == ["anna"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column clip"),
        ("clip,emotion\n", "no column rater"),
        ("a;b;c\n", "its columns are a, b, c"),
    ],
)
def test_what_is_no_table_of_votes(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(CorpusError, match=sentence):
        read_ballots(table(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        read_ballots(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("clip,rater,emotion\na1,Zoë,sad".encode("latin-1"))
    with pytest.raises(CorpusError, match="save it as CSV UTF-8"):
        read_ballots(tmp_path / "latin.csv")


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8
)


@given(st.dictionaries(st.tuples(NAMES, NAMES), st.sampled_from(FULL.classes), max_size=12))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cast: dict[tuple[str, str], str]
) -> None:
    given = [Vote(clip, rater, emotion, NOW) for (clip, rater), emotion in cast.items()]
    out = tmp_path_factory.mktemp("votes") / "new" / "votes.csv"
    assert write_votes(given, out) == len(given)
    clips = {clip: clip for clip, _ in cast}
    votes, *rest = check_ballots(read_ballots(out), clips, {}, "never")
    assert votes == given
    assert rest == [0, 0, []]
