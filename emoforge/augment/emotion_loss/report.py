"""`emoforge codecs report`: what codecs do to the emotion of a corpus."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from emoforge import __version__
from emoforge.augment.corpora import CorpusConfig, read_corpus
from emoforge.augment.emotion_loss.collecting import collect
from emoforge.augment.emotion_loss.job import Way
from emoforge.augment.emotion_loss.listening import sounds_to_hear
from emoforge.augment.emotion_loss.measuring import measure_conditions
from emoforge.augment.emotion_loss.store import Store
from emoforge.augment.importing import sound_clips
from emoforge.augment.qualification import qualified_by_card
from emoforge.clip import Clip
from emoforge.codecs import Chosen, choose_codecs
from emoforge.codecs.report import (
    CSV,
    HEARD,
    ORIGINAL,
    PARQUET,
    TEX,
    Condition,
    LowPass,
    Row,
    Summary,
    Unchanged,
    summarise,
    write_page,
    write_tables,
)
from emoforge.component import Component, create, digest
from emoforge.config import plain
from emoforge.errors import ConfigError, CorpusError
from emoforge.label import BASIC4, FULL, WIDE8, Scheme
from emoforge.label import scheme as scheme_named
from emoforge.progress import Progress
from emoforge.selection import Judge
from emoforge.selection.judges import chosen_scheme, taught
from emoforge.selection.measures import Measure


@dataclass(frozen=True)
class EmotionLossConfig:
    """What `configs/codecs_report.yaml` says; see the comments there.

    codecs: `opus@16`, `opus@all`, …. codec: name → options of codecs. measures: name → options.
    judge: options, with `name`. scheme: None: wide8, if the judge hears it.
    clips, measured: at most so many of each speaker and emotion are heard by the judge, and are
        measured; None: all. measured 0: nothing is measured.
    listen: clips on the page to listen to. workers: processes; None: one a core; 0: none.
    """

    corpus: CorpusConfig
    codecs: list[str]
    out: str
    judge: dict[str, Any] = field(default_factory=lambda: {"name": "embedded"})
    codec: dict[str, dict[str, Any]] = field(default_factory=dict)
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    scheme: str | None = None
    clips: int | None = None
    measured: int | None = None
    listen: int = 4
    workers: int | None = None


@dataclass(frozen=True)
class EmotionLoss:
    """What the report found. files: what was written, by kind; cautions: for its reader."""

    summary: Summary
    files: Mapping[str, str]
    cautions: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form: of each group what was found in words, and its ranking."""
        summary = self.summary
        return {
            "groups": [
                {
                    "kind": group.kind,
                    "name": group.name,
                    "clips": group.clips,
                    "speakers": group.speakers,
                    "found": {view: list(told) for view, told in group.sentences.items()},
                    "notes": list(group.notes),
                    "ranking": {
                        view: [asdict(row) for row in summary.ranking(group, view)]
                        for view in summary.views
                    },
                }
                for group in summary.groups
            ],
            "files": dict(self.files),
            "cautions": list(self.cautions),
        }

    def print(self) -> None:
        """Show it on standard output: all clips together; the page has the rest."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(markup=False)
        group = self.summary.groups[0]
        for view in self.summary.views:
            table = Table(
                title=f"UAR, {HEARD[view]}", title_justify="left", box=None, pad_edge=False
            )
            for column in ("", "kbit/s", "UAR", "− original", "95 %", "p"):
                table.add_column(column, justify="right" if column else "left", no_wrap=True)
            for row in self.summary.ranking(group, view):
                table.add_row(*map(Text, _cells(row)))
            console.print(table)
            for sentence in group.sentences[view]:
                console.print(sentence)
            console.print()
        for caution in [*self.cautions, *self.summary.notes, *group.notes]:
            console.print(caution)
        console.print(f"\nPage: {self.files['page']}", soft_wrap=True)


def _cells(row: Row) -> list[str]:
    return [
        row.condition,
        "" if row.kbps is None else f"{row.kbps:.1f}",
        "" if row.value is None else f"{row.value:.3f}",
        "" if row.difference is None else f"{row.difference:+.3f}",
        "" if row.low is None else f"[{row.low:+.3f}, {row.high:+.3f}]",
        "" if row.p_adjusted is None else f"{row.p_adjusted:.2g}",
    ]


def report_emotion_loss(config: EmotionLossConfig, progress: Progress | None = None) -> EmotionLoss:
    """Resynthesise a corpus by codecs, and report what is lost of its emotion.

    Writes into `config.out`: `report.html`, `results.parquet`, `results.csv`, `results.tex`,
    `config.yaml`, and `measurements.sqlite`, which holds every clip's measurements: the same call
    goes on after an interruption, and a codec or measure that is added later is all that is
    computed. Raises ConfigError for a codec, bitrate or setting that there is not,
    RequirementError for weights or packages that are missing, CorpusError without usable clips.
    """
    progress = progress or Progress()
    codecs = choose_codecs(config.codecs, config.codec)
    if not codecs:
        raise ConfigError("codecs is empty: name some, as in codecs=[opus@16,amr_nb@all]")
    ways = dict(_ways(codecs))
    measures = dict(_measures({} if config.measured == 0 else config.measures))
    judge = _judge(config.judge)
    scheme = _scheme(judge, config.scheme)
    out = _made(Path(config.out))
    if config.clips == 0:
        raise ConfigError("clips=0: must be 1 or more, or null for all")
    clips, notes = _clips(config, scheme, progress)
    store = Store(out / "measurements.sqlite")
    with closing(store):
        workers = len(os.sched_getaffinity(0)) if config.workers is None else config.workers
        each = {key: way for key, (way, _) in ways.items()}
        measured = _few(clips, config.measured) if config.measured else clips
        digests = {clip.digest for clip in measured}
        measure_conditions(store, clips, each, measures, digests, judge, workers, progress)
        if measures and len(measured) < len(clips):
            notes.append(
                f"The judge heard all {len(clips)} clips; prosody, signal, speaker and quality are "
                f"of {len(measured)}, at most {config.measured} of each speaker and emotion."
            )
        cautions = [*_cautions(judge, clips), *notes]
        about = _about(config, judge, scheme, clips, codecs, measures, cautions)
        named = {key: condition for key, (_, condition) in ways.items()}
        observed = collect(store, clips, named, measures, judge, scheme, about, progress)
        failed = {
            (key, clip) for key in each for clip, (*_, fault) in store.sounds(key).items() if fault
        }
    summary = summarise(observed)
    listened = sounds_to_hear(observed, clips, each, failed, config.listen)
    settings = yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True)
    try:
        write_tables(summary, out)
        write_page(summary, observed, listened, out / "report.html")
        (out / "config.yaml").write_text(settings, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"out={out}: cannot be written ({error.strerror})") from error
    names = {"page": "report.html", "parquet": PARQUET, "csv": CSV, "tex": TEX}
    return EmotionLoss(summary, {kind: str(out / name) for kind, name in names.items()}, cautions)


def _measures(options: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Measure]]:
    for name, own in options.items():
        measure = cast(Measure, create("measure", name, own))
        measure.check_requirements()
        yield f"{name}-{digest(measure.signature(), measure.versions())[:12]}", measure


def _judge(options: Mapping[str, Any]) -> Judge:
    own = dict(options)
    judge = cast(Judge, create("judge", str(own.pop("name", "")), own))
    judge.check_requirements()
    return judge


def _scheme(judge: Judge, wanted: str | None) -> Scheme:
    """The wanted scheme, or the widest usual one that the judge hears."""
    if not judge.schemes:  # heads that learn here hear any
        return scheme_named(wanted) if wanted else WIDE8
    if not wanted and WIDE8.name in judge.schemes:
        return WIDE8
    return scheme_named(chosen_scheme(judge, wanted or BASIC4.name))


def _made(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={out}: cannot be written ({error.strerror})") from error
    return out


def _clips(
    config: EmotionLossConfig, scheme: Scheme, progress: Progress
) -> tuple[list[Clip], list[str]]:
    """Usable clips that have a label in the scheme, no two alike; and what to say of the others."""
    corpus = read_corpus(config.corpus, FULL)
    imported = sound_clips(corpus, progress)
    notes = []
    # What is said of the corpus as a whole is of its splits, which are no matter here.
    if problems := [one for one in imported.problems if one.where != config.corpus.name]:
        notes.append(
            f"{len(problems)} clips could not be used, such as {problems[0].where}: "
            f"{problems[0].sentence.rstrip('.')}."
        )
    left_out = Counter(imported.left_out)
    left_out.update(clip.emotion for clip in imported.clips if not clip.label.project(scheme))
    if left_out:
        counts = ", ".join(f"{count} {emotion}" for emotion, count in left_out.items())
        notes.append(f"Clips of emotions outside scheme {scheme.name} were left out: {counts}.")
    labelled = [clip for clip in imported.clips if clip.label.project(scheme)]
    if not labelled:
        raise CorpusError(
            f"none of {len(imported.clips)} clips has an emotion of scheme {scheme.name} "
            f"({', '.join(scheme.classes)})"
        )
    alike = {clip.digest: clip for clip in reversed(labelled)}
    if len(alike) < len(labelled):
        copies = len(labelled) - len(alike)
        notes.append(f"Copies of other clips count once: {copies} left out.")
    clips = sorted(alike.values(), key=lambda clip: clip.id)
    if config.clips is not None:
        clips = _few(clips, config.clips)
        notes.append(f"A sample: at most {config.clips} clips of each speaker and emotion.")
    if len({clip.emotion for clip in clips}) == 1:
        notes.append(
            f"All clips are {clips[0].emotion}: recall of it can be told, UAR and macro-F1 over "
            "emotions cannot, and no head can learn."
        )
    return clips, notes


def _few(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most so many clips of each speaker and emotion; fewer are among more."""
    if most < 1:
        raise ConfigError(f"clips and measured cannot be below 0, got {most}")
    taken: Counter[tuple[str, str, str]] = Counter()
    found = []
    for clip in sorted(clips, key=lambda clip: clip.digest):
        key = (clip.corpus, clip.speaker, clip.emotion)
        taken[key] += 1
        if taken[key] <= most:
            found.append(clip)
    return sorted(found, key=lambda clip: clip.id)


def _ways(codecs: Sequence[Chosen]) -> Iterator[tuple[str, tuple[Way, Condition]]]:
    """Key → what is done, and what tables call it; the original first, the low anchor last.

    Raises ConfigError for two names of the same codec.
    """
    yield digest(Unchanged().signature()), (Unchanged(), Condition(ORIGINAL, "original"))
    seen: dict[str, str] = {}
    for one in codecs:
        key = digest(one.codec.signature(), one.codec.versions())
        if key in seen:
            raise ConfigError(f"codecs: {seen[key]} and {one.spec} are the same codec, name one")
        seen[key] = one.spec
        yield key, (one.codec, Condition(one.spec, "codec", one.name, one.codec.kbps))
    low = LowPass()
    yield digest(low.signature()), (low, Condition(low.name, "anchor"))


def _cautions(judge: Judge, clips: Sequence[Clip]) -> Iterator[str]:
    """What a reader must know before believing the numbers."""
    qualified = qualified_by_card(judge)
    if not qualified.qualified:
        yield f"The judge {judge.name} is unqualified: {qualified.reason}."
    known = taught(judge)
    if known is None:
        yield (
            f"The judge {judge.name} does not say which corpora it learnt from; if these clips "
            "were among them, it hears the originals better than it would hear new ones."
        )
    elif familiar := sorted({clip.corpus for clip in clips} & set(known)):
        yield (
            f"The judge {judge.name} learnt from {', '.join(familiar)}: it hears these originals "
            "better than it would hear new ones, and part of what it loses after a codec may be "
            "what it remembered."
        )


def _about(
    config: EmotionLossConfig,
    judge: Judge,
    scheme: Scheme,
    clips: Sequence[Clip],
    codecs: Sequence[Chosen],
    measures: Mapping[str, Measure],
    cautions: Sequence[str],
) -> dict[str, Any]:
    parts: list[Component] = [judge, *measures.values(), *(one.codec for one in codecs)]
    versions = {name: version for part in parts for name, version in part.versions().items()}
    return {
        "cautions": list(cautions),
        "judge": {**config.judge, "key": judge.key},
        "scheme": scheme.name,
        "clips": dict(Counter(clip.corpus for clip in clips)),
        "minutes": round(sum(clip.duration for clip in clips) / 60, 1),
        "licences": sorted({clip.licence for clip in clips if clip.licence}),
        "codecs": {one.spec: one.codec.signature() for one in codecs},
        "configuration": plain(config),
        "versions": {"emoforge": __version__, **dict(sorted(versions.items()))},
    }
