"""Clips to export: awkward ones made here, and real ones."""

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emoforge.audio import pcm16, probe
from emoforge.clip import SPLITS, Clip, Lineage
from emoforge.label import BASIC4, Label, canonical

os.environ["HF_HUB_OFFLINE"] = "1"

NASTY = (
    "plain",
    "a/b/../c.d",
    "ü é 日本語/😀",
    'comma, "quote"; semi\ttab',
    "two\nlines\r\nand a return\rhere",
    "  spaces at both ends  ",
    "$5 for $data_root and $$ and ${x} and $",
    "001",
    "NA",
    "null",
    "2024-01-01",
    "[1:2] {a} *?|<b>&amp;</b> `code` \\ %20 =2F ~",
    "x" * 300,
    "line\u2028separator\u00a0nbsp\x00nul",
)


def sample(path: Path, seed: int, rate: int = 16000, seconds: float = 0.3) -> None:
    """A 16-bit file with noise over the whole range, both extremes included."""
    noise = np.random.default_rng(seed).integers(-32768, 32768, round(rate * seconds), np.int16)
    noise[:2] = -32768, 32767
    soundfile.write(path, noise, rate, subtype="PCM_16")


def stored(clip: Clip) -> npt.NDArray[np.int16]:
    """The clip's samples as an export must hold them."""
    return pcm16(clip.read().samples)


@pytest.fixture
def nasty(tmp_path: Path) -> list[Clip]:
    """Recordings and candidates whose every text is awkward, over all three splits."""
    folder = tmp_path / "source"
    folder.mkdir()
    clips = []
    for i, text in enumerate(NASTY):
        path = folder / f"{i}.flac"
        sample(path, i, rate=(8000, 16000, 44100)[i % 3])
        label = Label.of(BASIC4.classes[i % 4], BASIC4)
        if i % 2:
            label = replace(
                Label.from_votes({"angry": 1 + i, "sad": 2, "happy": 1}, BASIC4),
                vad=(0.1 * (i % 7), 1 / 3, 1.0),
            )
        recording = Clip(
            id=text,
            path=str(path),
            duration=0.3,
            rate=(8000, 16000, 44100)[i % 3],
            label=label,
            speaker=text,
            corpus="näs,ty/corpus",
            digest=f"{i:032x}",
            text=text if i % 3 else None,
            language="de" if i % 2 else None,
            gender=("female", "male", None)[i % 3],
            split=SPLITS[i % 3],
            licence="CC BY 4.0, or | ask",
        )
        clips.append(recording)
        path = folder / f"{i}-made.flac"
        sample(path, 100 + i)
        lineage = Lineage(
            parents=(recording.id,),
            parent_digests=(recording.digest,),
            component="espeak",
            component_version=2,
            params={"voice": "de+f3", "text": text, "f0": [1.5, None], "deep": {"seed": i}},
            weights="",
            emoforge="0.1.0",
        )
        made = replace(
            recording,
            id=f"{i:032x}",
            path=str(path),
            rate=16000,
            speaker="espeak:de+f3",
            lineage=lineage,
        )
        clips.append(made)
    return clips


@pytest.fixture
def real(shared: Path) -> list[Clip]:
    """Every 40th clip of the real corpora."""
    with open(shared / "corpora/manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::40]
    return [
        Clip(
            id=row["path"].removesuffix(".flac"),
            path=str(shared / "corpora" / row["path"]),
            duration=probe(shared / "corpora" / row["path"]).duration,
            rate=16000,
            label=Label.of(canonical(row["emotion"])),
            speaker=row["speaker"],
            corpus=row["corpus"],
            text=row["text"] or None,
            language=row["lang"],
            gender=row["gender"],
            split=SPLITS[i % 3],
            licence=row["licence"],
        )
        for i, row in enumerate(rows)
    ]


@pytest.fixture(params=["nasty", "real"])
def clips(request: pytest.FixtureRequest) -> list[Clip]:
    """Each set of clips in turn."""
    found: list[Clip] = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def check() -> Callable[[Clip, dict[str, Any], int, npt.NDArray[Any]], None]:
    """Compare what a library read back with the clip that was exported.

    Takes the clip, its columns with distribution, votes and lineage as plain values, the rate,
    and the samples: 16-bit integers, or floats of which these are 32,768ths.
    """

    def compare(clip: Clip, columns: dict[str, Any], rate: int, samples: npt.NDArray[Any]) -> None:
        wanted = stored(clip)
        if samples.dtype.kind == "f":
            samples = samples.astype(np.float64) * 32768
        assert samples.shape == wanted.shape
        assert (samples == wanted).all()
        assert rate == columns["rate"] == clip.rate
        assert columns["duration"] == len(wanted) / clip.rate
        assert columns["id"] == clip.id
        assert columns["split"] == clip.split
        assert columns["emotion"] == clip.emotion
        label = {"scheme": columns["scheme"], "modality": columns["modality"]}
        classes = clip.label.scheme.classes
        assert set(columns["distribution"]) == set(classes)
        label["distribution"] = [columns["distribution"][name] for name in classes]
        label["votes"] = columns["votes"] and [columns["votes"][name] for name in classes]
        if columns["valence"] is not None:
            label["vad"] = [columns[name] for name in ("valence", "arousal", "dominance")]
        assert Label.from_dict(label) == clip.label
        for name in ("speaker", "gender", "language", "text", "corpus", "licence", "digest"):
            assert columns[name] == getattr(clip, name), name
        assert columns["origin"] == (clip.lineage.component if clip.lineage else "real")
        if clip.lineage is None:
            assert columns["lineage"] is None
        else:
            fields = dict(columns["lineage"])
            for name in ("parents", "parent_digests"):
                fields[name] = tuple(fields[name])
            assert Lineage(**fields) == clip.lineage

    return compare
