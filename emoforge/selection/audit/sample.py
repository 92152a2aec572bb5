"""A random sample that people hear blindly: no label, no score and no telling name goes with it."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emoforge.audio import write_flac
from emoforge.clip import Clip
from emoforge.errors import ExportError
from emoforge.workspace import Audit

SHEET = "audit.csv"
COLUMNS = ("clip", "audio", "rater", "emotion")

_README = """What emotion do you hear?

Make a copy of {sheet} with your name as `rater`. Listen to each file, alone and in the order of
the sheet, and write into `emotion` the one of these that you hear most:

    {choices}

Judge by the voice, not by the words. What the clips are meant to be is not said here, on purpose.
Leave `emotion` empty where you have not listened yet.
"""


def draw(
    strata: Mapping[str, Sequence[str]], sizes: Mapping[str, int], rng: np.random.Generator
) -> list[tuple[str, str]]:
    """(clip, stratum) of a simple random sample without replacement from each stratum, shuffled.

    strata: name → clips; sizes: name → clips to draw, or all where there are fewer.
    """
    drawn = [
        (members[row], name)
        for name, members in strata.items()
        for row in rng.choice(len(members), min(sizes[name], len(members)), replace=False)
    ]
    return [drawn[row] for row in rng.permutation(len(drawn))]


def place_names(audit: Audit) -> dict[str, str]:
    """Name on the sheet → clip, in the order of the sheet."""
    return {
        f"{audit.key[:6]}-{place:04}": clip for place, (clip, _) in enumerate(audit.sample, start=1)
    }


def write_sheet(
    out: Path, names: Mapping[str, str], clips: Mapping[str, Clip], choices: Sequence[str]
) -> None:
    """Write audit.csv, the audio under the sheet's names and a word to the raters into `out`.

    names: name on the sheet → clip id; clips: by id. Raises ExportError if `out` holds anything
    (somebody's votes may be in it) or cannot be written, AudioError if a clip cannot be read:
    then nothing is left behind.
    """
    unfinished = out.with_name(f".{out.name}.part")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ExportError(f"{out}: is there already; name a new or an empty folder")
        (unfinished / "audio").mkdir(parents=True, exist_ok=True)
        for name, clip in names.items():
            write_flac(unfinished / "audio" / f"{name}.flac", clips[clip].read())
        readme = _README.format(sheet=SHEET, choices=", ".join((*choices, "other")))
        (unfinished / "README.txt").write_text(readme, "utf-8")
        with (unfinished / SHEET).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows((name, f"audio/{name}.flac", "", "") for name in names)
        unfinished.replace(out)
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
