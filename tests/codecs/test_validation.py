"""`validate`: made-up listeners whose answer is known, and the real ones."""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from emoforge.audio import Audio, write_flac
from emoforge.codecs.validation import RATINGS, Validation, validate
from emoforge.component import rng_for
from emoforge.errors import AudioError, CorpusError
from emoforge.progress import Progress
from emoforge.selection.measures import Measure, Result
from emoforge.selection.measures.signal import MelDistance, Pesq, SiSdr

QUIET = Progress(quiet=True)
RATE = 8000
NOISE = {"clean": 0.03, "fair": 0.1, "poor": 0.3, "bad": 1.0}
"""Conditions and how much noise is in them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """6 signals of 4 conditions, the more noise the worse; 5 listeners, each heard some signals.

    Each coding is 20 samples late.
    """
    rows = []
    for number in range(6):
        rng = rng_for("validation", number)
        level = np.repeat(rng.uniform(0.02, 0.3, 20), RATE // 10)
        sound = (level * rng.standard_normal(len(level))).astype(np.float32)
        place = tmp_path / "audio" / f"stim_{number}"
        place.mkdir(parents=True)
        write_flac(place / "ref.flac", Audio(sound, RATE))
        people = [one for one in range(5) if one != number % 5]
        rows.append(row(number, "Reference", people, [100.0] * len(people), "ref"))
        rows.append(row(number, "Anchor", people, [0.0] * len(people), ""))
        for rank, (name, share) in enumerate(NOISE.items()):
            hiss = share * 0.1 * rng.standard_normal(len(sound)).astype(np.float32)
            late = np.concatenate([np.zeros(20, np.float32), (sound + hiss)[:-20]])
            write_flac(place / f"{name}.flac", Audio(late, RATE))
            scores = (80 - 20 * rank + rng.uniform(-5, 5, len(people))).round().tolist()
            rows.append(row(number, name, people, scores, name))
    write(tmp_path, rows)
    return tmp_path


def row(
    number: int, condition: str, people: Sequence[int], scores: Sequence[float], name: str
) -> dict[str, Any]:
    return {
        "signal": f"s{number}",
        "condition": condition,
        "ratings": str(list(scores)),
        "participant_ids": str(list(people)),
        "file": f"stim_{number}/{name}.wav" if name else "",
    }


def write(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    with (folder / RATINGS).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


@dataclass(frozen=True)
class Level(Measure):
    """A measure that knows nothing of noise, and has no number for quiet clips."""

    name: ClassVar[str] = "level"
    version: ClassVar[int] = 1
    results: ClassVar[tuple[Result, ...]] = (
        Result("random", "Random", "", "higher", "signal"),
        Result("never", "Never", "", "higher", "signal"),
        Result("inverse", "Noise, taken for good", "", "higher", "signal"),
    )

    def prepare(self, original: Audio) -> Any:
        if not original.samples[0] >= -1:
            raise AudioError("never")
        return original.samples

    def compare(self, prepared: Any, other: Audio) -> dict[str, float]:
        change = float(np.linalg.norm(other.samples[:-20] - prepared[:-20]))
        dice = rng_for("dice", other.samples[:100].tolist()).uniform()
        return {"random": dice, "never": float("nan"), "inverse": change}


def test_known_listeners_are_agreed_with(folder: Path) -> None:
    found = validate(folder, [SiSdr(), MelDistance(), Level()], progress=QUIET)
    assert (found.signals, found.participants) == (6, 5)
    assert [coding.name for coding in found.codings] == list(NOISE)
    for coding in found.codings:
        assert coding.delay_ms == pytest.approx(2.5, abs=0.01)
    by_name = {one.result.name: one for one in found.agreements}
    for name in ("si_sdr_db", "mel_db"):
        one = by_name[name]
        assert one.pairs == 24
        agreed = one.system_spearman
        assert (agreed.value, agreed.low, agreed.high) == pytest.approx((1, 1, 1))
        assert one.item_spearman.value > 0.9
        assert one.item_spearman.low <= one.item_spearman.value
        assert one.verdict == "codecs: strong agreement; recordings: strong agreement"
    assert by_name["inverse"].verdict == "codecs: contradiction; recordings: contradiction"
    assert by_name["random"].item_spearman.low < 0 < by_name["random"].item_spearman.high
    assert by_name["never"].pairs == 0
    assert np.isnan(by_name["never"].system_pearson.value)
    assert by_name["never"].verdict == "codecs: not shown; recordings: not shown"
    plain = found.to_dict()
    assert plain["agreements"][3]["item_spearman"] is None
    assert len(found.rows()) == len(found.agreements) == 5


def test_it_prints_what_it_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = validate(folder, [SiSdr()], progress=QUIET)
    found.print()
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*NOISE, "si_sdr_db", "+1.00 [+1.00, +1.00]"))
    assert "Anchor" not in shown
    assert validate(folder, [SiSdr()], progress=QUIET) == found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ratings": "[1.0]"}, "line 4: not a signal"),
        ({"ratings": "__import__('os').abort()"}, "line 4: not a signal"),
        ({"condition": "other"}, "has no line for"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(
    folder: Path, change: dict[str, str], says: str
) -> None:
    with (folder / RATINGS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[2].update(change)
    write(folder, rows)
    with pytest.raises(CorpusError, match=says) as caught:
        validate(folder, [SiSdr()], progress=QUIET)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        validate(tmp_path / "none", [SiSdr()], progress=QUIET)
    shutil.rmtree(folder / "audio" / "stim_3")
    with pytest.raises(AudioError, match="stim_3"):
        validate(folder, [SiSdr()], progress=QUIET)
    with (folder / RATINGS).open(encoding="utf-8", newline="") as file:
        rows = [one for one in csv.DictReader(file) if one["condition"] != "Reference"]
    write(folder, rows)
    with pytest.raises(CorpusError, match="needs 2 signals or more, 'Reference'"):
        validate(folder, [SiSdr()], progress=QUIET)


@pytest.fixture(scope="module")
def real(shared: Path) -> Validation:
    return validate(
        shared / "reference" / "codec_mushra", [MelDistance(), SiSdr(), Pesq()], progress=QUIET
    )


def test_the_real_listeners(real: Validation) -> None:
    """PESQ and SI-SDR rank codecs that make a new waveform wrongly; the mel distance does not."""
    assert (real.signals, real.participants, len(real.codings)) == (16, 19, 7)
    codings = {coding.name: coding for coding in real.codings}
    assert codings["AudioDec"].score > codings["Lyra 6"].score > codings["Lyra 3"].score
    assert codings["AudioDec"].delay_ms == pytest.approx(7, abs=1)
    assert codings["Lyra 6"].delay_ms == pytest.approx(9 / 24, abs=0.05)
    assert codings["Lyra 6"].waveform > 0.8 > 0.4 > codings["Proposed 5.51"].waveform
    values = {one.result.name: one for one in real.agreements}
    assert values["pesq"].system_spearman.value == pytest.approx(-0.5, abs=0.01)
    assert values["pesq"].verdict.startswith("codecs: contradiction")
    assert values["mel_db"].verdict == "codecs: agreement; recordings: agreement"
    assert all(one.pairs == 112 for one in real.agreements)
