"""The tables: the same rows in every format, and LaTeX that compiles."""

import csv
import re
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pyarrow.parquet
import pytest
from observations import RATES, observed

from emoforge.codecs.report.observed import Condition
from emoforge.codecs.report.summary import Summary, summarise
from emoforge.codecs.report.tables import escaped, latex, write_tables

FEW = {name: RATES[name] for name in ("amr_nb", "opus")}


@cache
def summary() -> Summary:
    return summarise(observed(rates=FEW, clips=24))


def check_latex(text: str) -> None:
    """Raise AssertionError unless environments and groups close, and rows have all their cells."""
    open_: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            open_.append(name)
        else:
            assert open_.pop() == name
    assert open_ == []
    # Without escaped characters and comments, what is left has a meaning.
    bare = re.sub(r"(?m)%.*$", "", re.sub(r"\\[\\{}&%$#_]", "", text))
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert not set(bare) & set("#_^−\N{NO-BREAK SPACE}\u202f")
    tables = re.findall(r"(?s)\\begin\{tabular\}\{(.*?)\}\n(.*?)\\end\{tabular\}", text)
    for columns, body in tables:
        rows = [line for line in body.splitlines() if "rule" not in line]
        assert rows
        for row in rows:
            assert row.endswith(r" \\")
            cells = row.replace(r"\&", "").count("&") + 1
            assert cells == len(re.sub(r"[^lrc]", "", columns)), row


def test_every_format_has_the_same_rows(tmp_path: Path) -> None:
    write_tables(summary(), tmp_path)
    wanted = [asdict(row) for row in summary().rows]
    assert pyarrow.parquet.read_table(tmp_path / "results.parquet").to_pylist() == wanted
    with (tmp_path / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(wanted)
    for found, own in zip(rows, wanted, strict=True):
        assert list(found) == list(own)
        for name, value in own.items():
            if isinstance(value, float):
                assert float(found[name]) == pytest.approx(value, rel=1e-5)
            else:
                assert found[name] == ("" if value is None else str(value))
    assert (tmp_path / "results.tex").read_text(encoding="utf-8") == latex(summary())


def test_latex_closes_what_it_opens_and_fills_its_rows() -> None:
    text = latex(summary())
    check_latex(text)
    # One table for every group and view.
    assert text.count(r"\begin{tabular}") == 4 * 3
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == 12


def test_the_check_of_latex_finds_faults() -> None:
    text = latex(summary())
    for fault in (
        text.replace(r"\end{table}", "", 1),
        text.replace(r"amr\_nb@4.75 &", r"amr\_nb@4.75", 1),
        text.replace(r"\caption{", r"\caption{{", 1),
        text.replace("$-$", "-$", 1),
    ):
        with pytest.raises(AssertionError):
            check_latex(fault)


def test_latex_has_the_numbers_marks_and_anchors() -> None:
    made = summary()
    rows = {line.split(" & ")[0]: line for line in latex(made).splitlines()[::-1] if " & " in line}
    uar = made.row(made.groups[0], "amr_nb@4.75", "uar", "frozen")
    assert uar is not None
    assert uar.value is not None
    assert uar.difference is not None
    assert uar.shown
    cells = rows[r"amr\_nb@4.75"].split(" & ")
    assert cells[2] == f"{100 * uar.value:.1f}"
    assert cells[3].startswith(f"$-${abs(100 * uar.difference):.1f}\\textsuperscript{{*}} [$-$")
    assert rows["random label"].split(" & ")[1] == ""
    assert "low-pass 3.5 kHz" in rows
    names = [line.split(" & ")[0] for line in latex(made).splitlines() if "@" in line]
    amr = [name for name in names if name.startswith("amr")][:5]
    assert amr == [f"amr\\_nb@{rate:g}" for rate in FEW["amr_nb"]]


def test_names_with_special_characters_come_out_as_they_are() -> None:
    assert escaped("a_b & 50 % #1 {x} $y ~z^\\") == (
        r"a\_b \& 50 \% \#1 \{x\} \$y \textasciitilde{}z\textasciicircum{}\textbackslash{}"
    )
    base = observed(rates=FEW, clips=12, corpora=["emodb"], views=["frozen"])
    strange = [
        replace(one, name="a_b&c%{") if one.name == "opus@6" else one for one in base.conditions
    ]
    assert isinstance(strange[0], Condition)
    text = latex(summarise(replace(base, conditions=strange)))
    check_latex(text)
    assert r"a\_b\&c\%\{ & " in text


def test_one_emotion_leaves_dashes() -> None:
    made = summarise(observed(rates=FEW, corpora=["emodb"], emotions=["sad"], views=["frozen"]))
    check_latex(latex(made))
    row = next(line for line in latex(made).splitlines() if line.startswith("opus@6"))
    assert row.split(" & ")[2:4] == ["--", "--"]
