"""ASVspoof's layout, read back by what knows nothing of emoforge."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from emoforge.augment.export.asvspoof import ASVspoof
from emoforge.clip import SPLITS, Clip, Lineage
from emoforge.component import create
from emoforge.errors import ConfigError

FILES = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}


class Trial(NamedTuple):
    speaker: str
    attack: str
    key: str
    samples: np.ndarray
    rate: int


def read(folder: Path, part: str) -> dict[str, Trial]:
    """A part as programs for ASVspoof read it: protocol, then file by name."""
    trials = {}
    for line in (folder / f"protocols/asvspoof.{FILES[part]}.txt").read_text("ascii").splitlines():
        speaker, name, system, attack, key = line.split(" ")
        assert system == "-"
        samples, rate = soundfile.read(folder / f"flac/{part}/{name}.flac", dtype="int16")
        assert samples.ndim == 1
        assert name not in trials
        trials[name] = Trial(speaker, attack, key, samples, rate)
    assert len(list((folder / f"flac/{part}").iterdir())) == len(trials)
    return trials


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.filterwarnings("error")
def test_every_clip_is_a_trial_of_its_part(clips, tmp_path):
    out = tmp_path / "set"
    assert ASVspoof().write(clips, out).problems == ()
    known = table(out / "metadata.csv")
    by_file = {row["file"]: row for row in known}
    assert len(by_file) == len(known) == len(clips)
    by_id = {clip.id: clip for clip in clips}
    parts = {"train": "train", "dev": "dev", "eval": "test"}
    for part, split in parts.items():
        trials = read(out, part)
        assert len(trials) == sum(clip.split == split for clip in clips)
        for name, trial in trials.items():
            row = by_file[f"flac/{part}/{name}.flac"]
            clip = by_id[row["id"]]
            assert clip.split == split
            assert row["split"] == part
            assert (trial.attack, trial.key) == (row["attack"], row["key"])
            assert trial.key == ("spoof" if clip.lineage else "bonafide")
            assert (trial.attack == "-") == (clip.lineage is None)
            assert trial.rate == int(row["rate"]) == 16000
            assert len(trial.samples) == round(16000 * clip.duration)
            assert float(row["duration"]) == len(trial.samples) / 16000
            assert row["emotion"] == clip.emotion
            for column in ("speaker", "text", "language", "licence", "consent", "gender"):
                assert row[column] == (getattr(clip, column) or ""), column
            parents = json.loads(row["parents"]) if row["parents"] else []
            assert parents == list(clip.lineage.parents if clip.lineage else ())
            if clip.rate == 16000:  # nothing was resampled: sample for sample
                heard, _ = soundfile.read(clip.path, dtype="int16")
                assert np.array_equal(trial.samples, heard)
    # Speakers' names stay apart though a protocol's cannot have blanks.
    names = {row["speaker"]: set() for row in known}
    for part in parts:
        for name, trial in read(out, part).items():
            names[by_file[f"flac/{part}/{name}.flac"]["speaker"]].add(trial.speaker)
    assert all(len(called) == 1 for called in names.values())
    assert len(set().union(*names.values())) == len(names)


def attacked(clips: list[Clip]) -> list[Clip]:
    """Recordings, and by turns candidates of three attacks, the last of them in test only."""
    made = [("xtts", 2, "b" * 32), ("xtts", 2, "a" * 32), ("hts", 10, "")]
    candidates = []
    for i, clip in enumerate(clips):
        for component, version, weights in made:
            if (component == "hts") and clip.split != "test":
                continue
            lineage = Lineage(
                parents=(clip.id, "other"),
                parent_digests=("", ""),
                component=component,
                component_version=version,
                params={},
                weights=weights,
            )
            candidates.append(
                replace(
                    clip,
                    id=f"{component}{weights}{i}",
                    lineage=lineage,
                    speaker="engine's voice",
                    licence=f"{component} licence {i % 2}",
                )
            )
    return [*clips, *candidates]


def test_attacks_are_numbered_by_name_and_weights_and_counted(real, tmp_path):
    clips = attacked(real[:9])
    out = tmp_path / "set"
    ASVspoof().write(reversed(clips), out)
    rows = table(out / "attacks.csv")
    assert [(row["attack"], row["generator"], row["weights"][:1]) for row in rows] == [
        ("A01", "hts", ""),
        ("A02", "xtts", "a"),
        ("A03", "xtts", "b"),
    ]
    assert [row["version"] for row in rows] == ["10", "2", "2"]
    assert [row["licence"] for row in rows][1:] == ["xtts licence 0; xtts licence 1"] * 2
    counts = {part: Counter(t.attack for t in read(out, part).values()) for part in FILES}
    assert counts["eval"] == {"-": 3, "A01": 3, "A02": 3, "A03": 3}
    assert counts["train"] == counts["dev"] == {"-": 3, "A02": 3, "A03": 3}
    assert [[int(row[part]) for part in FILES] for row in rows] == [
        [counts[part][row["attack"]] for part in FILES] for row in rows
    ]


def test_the_cards_say_what_parts_share(real, tmp_path):
    clips = attacked(real[:9])
    ASVspoof(rate=8000).write(clips, tmp_path / "set")
    card = json.loads((tmp_path / "set/emoforge.json").read_text("utf-8"))
    assert card["format"] == {
        "name": "asvspoof", "version": 1, "weights": "", "rate": 8000, "disclosure": "none",
    }  # fmt: skip
    assert card["attacks"]["A01"] == {"generator": "hts", "version": 10, "weights": ""}
    assert card["attacks_in"] == {
        "train": ["A02", "A03"], "dev": ["A02", "A03"], "eval": ["A01", "A02", "A03"],
    }  # fmt: skip
    assert card["attacks_unseen_in_train"] == ["A01"]
    where = {
        clip.speaker: {c.split for c in real[:9] if c.speaker == clip.speaker} for clip in real[:9]
    }
    several = sorted(speaker for speaker, splits in where.items() if len(splits) > 1)
    assert several  # the fixture deals clips out by turns
    shared = card["speakers_in_several_parts"]
    assert shared == {"bonafide": several, "spoof": ["engine's voice"]}
    page = (tmp_path / "set/README.md").read_text("utf-8")
    assert "Attacks of eval that train does not have: A01." in page
    assert f"Bona fide speakers in more than one part: {len(several)}." in page
    assert "All files are at 8000 Hz" in page
    assert "| A01 | hts | 10 | none | 0 | 0 | 3 |" in page
    assert card["rates"] == {"8000": len(clips)}

    one_speaker_a_split = [
        replace(clip, split=SPLITS[i % 3], speaker=f"speaker {i % 3}")
        for i, clip in enumerate(real[:9])
    ]
    ASVspoof().write(one_speaker_a_split, tmp_path / "apart")
    card = json.loads((tmp_path / "apart/emoforge.json").read_text("utf-8"))
    assert card["speakers_in_several_parts"] == {"bonafide": [], "spoof": []}
    page = (tmp_path / "apart/README.md").read_text("utf-8")
    assert "Bona fide speakers in more than one part: 0." in page


def test_the_code_on_its_card_reads_a_trial(real, tmp_path):
    ASVspoof().write(real[:6], tmp_path / "set")
    page = (tmp_path / "set/README.md").read_text("utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    found: dict[str, object] = {}
    exec(code.replace("PATH", str(tmp_path / "set")), found)
    assert (found["key"], found["attack"], found["rate"]) == ("bonafide", "-", 16000)


@pytest.mark.parametrize(("rate", "fits"), [(8000, True), (48000, True), (7999, False), (0, False)])
def test_its_rate_is_checked(rate, fits):
    if fits:
        assert create("exporter", "asvspoof", {"rate": rate}) == ASVspoof(rate=rate)
    else:
        with pytest.raises(ConfigError, match=f"rate must be 8000 to 48000 Hz, got {rate}"):
            create("exporter", "asvspoof", {"rate": rate})
