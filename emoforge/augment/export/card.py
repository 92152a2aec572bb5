"""The dataset card of an export: `README.md` for people, `emoforge.json` for programs."""

import html
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emoforge import __version__
from emoforge.augment.export.folder import CARD
from emoforge.augment.export.row import REAL, Row
from emoforge.clip import SPLITS, Split

HF_SPLIT: Mapping[Split, str] = {"train": "train", "dev": "validation", "test": "test"}
"""What Hugging Face calls the splits."""

_HF_LICENCES = {
    "apache-2.0", "mit", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0",
}  # fmt: skip
_UNKNOWN = "not stated"


@dataclass(frozen=True)
class Remarks:
    """What one format adds to the cards.

    figures: keys of `emoforge.json`, plain JSON values. sections: Markdown of `README.md`.
    """

    figures: Mapping[str, Any] = field(default_factory=dict)
    sections: tuple[str, ...] = ()


class Tally:
    """Counts what went into an export, for its cards; grows with speakers, not with clips."""

    def __init__(self) -> None:
        self.clips = 0
        self.seconds = 0.0
        self.scheme = ""
        self.classes: tuple[str, ...] = ()
        self.counts: Counter[tuple[Split, str, str]] = Counter()
        self.corpora: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.licences: Counter[str] = Counter()
        self.rates: Counter[int] = Counter()
        self.disclosures: Counter[str] = Counter()
        self.generators: dict[str, Counter[tuple[int, str, str]]] = {}
        self.makers: Counter[tuple[Split, str, int, str]] = Counter()  # …, version, weights
        self.speakers: dict[tuple[Split, str], set[str]] = {}  # of each split and origin
        self._seconds: Counter[Split] = Counter()

    def add(self, row: Row) -> None:
        """Count one clip."""
        known = row.columns
        self.clips += 1
        self.seconds += known["duration"]
        self.scheme, self.classes = known["scheme"], tuple(known["distribution"])
        self.counts[row.split, known["emotion"], known["origin"]] += 1
        self.corpora[known["corpus"]] += 1
        self.languages[known["language"] or _UNKNOWN] += 1
        self.licences[known["licence"] or _UNKNOWN] += 1
        self.rates[known["rate"]] += 1
        if known["origin"] != REAL:
            self.disclosures[known["disclosure"]] += 1
        if lineage := known["lineage"]:
            made_by = (lineage["component_version"], lineage["weights"], lineage["emoforge"])
            self.generators.setdefault(known["origin"], Counter())[made_by] += 1
            self.makers[row.split, known["origin"], *made_by[:2]] += 1
        self.speakers.setdefault((row.split, known["origin"]), set()).add(known["speaker"])
        self._seconds[row.split] += known["duration"]

    def nested_counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Clips by split, emotion and origin."""
        nested: dict[str, dict[str, dict[str, int]]] = {}
        for split in SPLITS:
            for (of, emotion, origin), count in sorted(self.counts.items()):
                if of == split:
                    nested.setdefault(split, {}).setdefault(emotion, {})[origin] = count
        return nested

    def splits(self) -> dict[str, dict[str, Any]]:
        """Clips, seconds and speakers of each split that has any."""
        return {
            split: {
                "clips": sum(n for (of, *_), n in self.counts.items() if of == split),
                "seconds": round(self._seconds[split], 3),
                "speakers": len(set().union(*self._speakers_of(split))),
            }
            for split in SPLITS
            if self._speakers_of(split)
        }

    def _speakers_of(self, split: Split) -> list[set[str]]:
        return [those for (of, _), those in self.speakers.items() if of == split]

    @property
    def origins(self) -> list[str]:
        """`real` first, then the generators by name."""
        return sorted({origin for *_, origin in self.counts}, key=lambda name: (name != REAL, name))


def write_cards(
    folder: Path,
    tally: Tally,
    signature: Mapping[str, Any],
    left_out: int,
    usage: str,
    hf: str,
    remarks: Remarks,
) -> None:
    """Write both cards of a finished export; equal exports get equal bytes.

    usage: Python that loads the folder, with `PATH` for it. hf: pattern of a split's data files
    for Hugging Face with `{split}` in it, "" for a format that it does not load.
    """
    entries = sorted([*(entry.name for entry in folder.iterdir()), CARD, "README.md"])
    card = {
        "entries": entries,
        "format": dict(signature),
        "emoforge": __version__,
        "clips": tally.clips,
        "synthetic": sum(n for (*_, origin), n in tally.counts.items() if origin != REAL),
        "seconds": round(tally.seconds, 3),
        "left_out": left_out,
        "scheme": {"name": tally.scheme, "classes": list(tally.classes)},
        "splits": tally.splits(),
        "counts": tally.nested_counts(),
        "corpora": dict(sorted(tally.corpora.items())),
        "languages": dict(sorted(tally.languages.items())),
        "licences": dict(sorted(tally.licences.items())),
        "rates": dict(sorted(tally.rates.items())),
        "disclosures": dict(sorted(tally.disclosures.items())),
        "generators": {
            name: [
                {"version": number, "weights": weights, "emoforge": by, "clips": count}
                for (number, weights, by), count in sorted(tally.generators[name].items())
            ]
            for name in sorted(tally.generators)
        },
        **remarks.figures,
    }
    text = json.dumps(card, indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", "utf-8")
    (folder / "README.md").write_text(
        _front_matter(card, hf) + _page(card, tally, usage, remarks), "utf-8"
    )


_DISCLOSED = {
    "none": "The audio itself does not say so.",
    "tag": "The audio files of synthetic clips say so in a comment (`disclosure` is `tag`).",
    "watermark": "The sound of synthetic clips is changed inaudibly: it has a watermark by which "
    "`emoforge disclosure check` knows them (`disclosure` is `watermark`).",
    "both": "The audio files of synthetic clips say so in a comment, and their sound is changed "
    "inaudibly: it has a watermark by which `emoforge disclosure check` knows them "
    "(`disclosure` is `both`).",
}


def _front_matter(card: Mapping[str, Any], hf: str) -> str:
    """The YAML block by which Hugging Face finds splits, licence and languages."""
    licences = {re.sub(r"[\s-]+", "-", name.strip().lower()) for name in card["licences"]}
    matter: dict[str, Any] = {
        "license": licences.pop() if len(licences) == 1 and licences <= _HF_LICENCES else "other",
        "task_categories": ["audio-classification"],
        "tags": ["speech-emotion-recognition", *(["synthetic"] if card["synthetic"] else [])],
    }
    languages = {name.partition("-")[0].lower() for name in card["languages"] if name != _UNKNOWN}
    if codes := sorted(code for code in languages if re.fullmatch("[a-z]{2,3}", code)):
        matter["language"] = codes
    if hf:
        names = [HF_SPLIT[split] for split in SPLITS if split in card["splits"]]
        files = [{"split": name, "path": hf.format(split=name)} for name in names]
        matter["configs"] = [{"config_name": "default", "data_files": files}]
    return f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)}---\n\n"


def _page(card: Mapping[str, Any], tally: Tally, usage: str, remarks: Remarks) -> str:
    real, synthetic = card["clips"] - card["synthetic"], card["synthetic"]
    warning = (
        f"**{synthetic} of its {card['clips']} clips are synthetic speech**: a machine made them "
        "from recordings or texts, nobody said them with that emotion. Their `origin` names the "
        "generator and their `lineage` what they were made from and how. Say so wherever you use "
        "or pass on this set. " + " ".join(_DISCLOSED[how] for how in sorted(tally.disclosures))
        if synthetic
        else "All of its clips are recordings; none is synthetic."
    )
    by_emotion = [
        [split, emotion, *(counts.get(origin, 0) for origin in tally.origins), sum(counts.values())]
        for split, emotions in card["counts"].items()
        for emotion, counts in emotions.items()
    ]
    by_split = [
        [split, of["clips"], of["speakers"], f"{of['seconds'] / 3600:.2f}"]
        for split, of in card["splits"].items()
    ]
    makers = [
        [name, one["version"], one["weights"] or "none", one["emoforge"] or "–", one["clips"]]
        for name, versions in card["generators"].items()
        for one in versions
    ]
    sections = [
        f"# Emotional speech, {card['clips']} clips\n\n"
        f"Emotional speech for machine learning, forged with emoforge {card['emoforge']}: "
        f"{real} recordings and {synthetic} generated clips, {card['seconds'] / 3600:.2f} hours.",
        warning,
        f"## Load it\n\n```python\n{usage.strip()}\n```",
        "## What is in it\n\n" + table(["split", "clips", "speakers", "hours"], by_split),
        table(["split", "emotion", *tally.origins, "all"], by_emotion),
        f"Emotions are those of the scheme {_md(card['scheme']['name'])}: "
        f"{', '.join(card['scheme']['classes'])}. `emotion` is the most probable class of "
        "`distribution`; `modality` says what the raters saw (`intended`: nobody rated, the "
        "speaker or the generator was asked for it).",
        "## How it was made\n\nGenerators made candidates from labelled recordings or from texts; "
        "gates measured each one, a judge scored its emotion, and a selector chose. The emotion of "
        "a generated clip is the one that it was meant to carry. It is in the split of the clips "
        "that it was made from.\n\n"
        + table(["generator", "version", "weights", "emoforge", "clips"], makers)
        if makers
        else "",
        "## Where it comes from\n\n"
        + table(["corpus", "clips"], card["corpora"].items())
        + "\n\n"
        + table(["language", "clips"], card["languages"].items())
        + "\n\n"
        + table(["sampling rate (Hz)", "clips"], card["rates"].items()),
        "## Licences\n\nEach clip has its own in `licence`; the terms of all of them hold for the "
        "set as a whole.\n\n" + table(["licence", "clips"], card["licences"].items()),
        *remarks.sections,
        f"{card['left_out']} further clips could not be exported." if card["left_out"] else "",
        f"`{CARD}` has the figures of this page for programs.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def table(head: list[str], rows: Any) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_md(str(cell)) for cell in line) + " |" for line in lines)


def _md(text: str) -> str:
    """Text as a Markdown table cell: one line, no mark-up, no HTML."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", plain)
