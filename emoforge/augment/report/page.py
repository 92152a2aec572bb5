"""The report as one HTML file: reads the workspace, counts, and fills the template."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
import yaml

from emoforge.augment.inspection import STEPS, Funnel, Inspection, inspect_workspace
from emoforge.augment.report import figures
from emoforge.augment.report.evidence import gather
from emoforge.augment.report.listening import LONGEST_S, cards
from emoforge.augment.report.qualification import qualification
from emoforge.augment.report.reproduce import command, replay_command
from emoforge.errors import WorkspaceError
from emoforge.label import SCHEMES
from emoforge.workspace import Workspace

_SECTIONS = {
    "summary": "Summary",
    "funnel": "The funnel",
    "listen": "Listen",
    "reasons": "Why not",
    "judge": "The judge",
    "scores": "Scores",
    "confusion": "Confusion",
    "sources": "Sources",
    "reproduce": "Reproduce",
}
_WHERE = {
    ("rejected", "gate"): "Rejected by a gate",
    ("rejected", "selector"): "Rejected by the selector",
    ("rejected", "generator"): "Rejected by its generator",
    ("failed", "generator"): "Failed to be made",
    ("failed", "judge"): "Failed to be judged",
    ("skipped", "generator"): "Declined: the generator cannot serve the clip",
}


def write_report(workspace: Workspace, out: Path) -> Path:
    """Write the report of a workspace's latest finished run, or of what there is, to `out`.

    One HTML file that needs nothing else: style, pictures and sound are inside. The same
    workspace gives the same file but for the date. Raises WorkspaceError where it cannot be
    written.
    """
    # Half a surrogate pair cannot be written as UTF-8.
    html = render(workspace, datetime.now(UTC)).encode("utf-8", errors="replace")
    unfinished = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(html)
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(f"{out}: the report cannot be written ({error.strerror})") from error
    return out


def render(workspace: Workspace, now: datetime) -> str:
    """The report as HTML."""
    inspection = inspect_workspace(workspace)
    basis = inspection.basis
    scheme = SCHEMES.get(basis.scheme)
    run = workspace.last_run() or workspace.last_run(finished=False)
    # The stored location has no password in it; the configuration may.
    config = {**run["config"], "workspace": workspace.location} if run else {}
    selection = workspace.selection_config(basis.selection) or {}
    corpora = sorted({part.corpus for part in inspection.recordings})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, number=_number, minutes=_minutes, when=_when)
    environment.globals.update(
        bar=figures.bar, funnel_picture=_funnel_picture, histogram=figures.histogram, steps=STEPS
    )
    return environment.get_template("report.html.jinja").render(
        name=_name(workspace.location),
        location=workspace.location,
        now=_date(now),
        sections=_SECTIONS,
        replay=partial(replay_command, workspace.location, config.get("audio_root")),
        longest_s=LONGEST_S,
        inspection=inspection,
        corpora=corpora,
        emotions=sorted({name for part in inspection.recordings for name in part.emotions}),
        licences=_licences(inspection),
        recordings=sum(part.clips for part in inspection.recordings),
        real_seconds=sum(part.seconds for part in inspection.recordings),
        losses=_losses(inspection),
        real_emotions=_real_emotions(inspection),
        reasons=_reasons(inspection),
        kept_seconds=workspace.kept_seconds(basis.selection),
        evidence=gather(workspace, basis.judge, basis.selection, scheme) if scheme else None,
        threshold=selection.get("selector", {}).get("threshold"),
        cards=cards(workspace, basis, scheme) if scheme else [],
        card=qualification(
            basis.judge, (run["config"].get("judge") if run else None) or {}, basis.scheme, corpora
        ),
        selection_yaml=_yaml(selection) if selection else "",
        citation=config.get("corpus", {}).get("citation", ""),
        yaml=_yaml(config),
        versions=run["versions"] if run else {},
        command=command(config),
    )


def _yaml(plain: Any) -> str:
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10**9)


def _name(location: str) -> str:
    return location if "://" in location else Path(location).absolute().name


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _number(count: int) -> str:
    """With thin spaces between groups of three digits."""
    return f"{count:,}".replace(",", "\u202f")


def _minutes(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _when(timestamp: str) -> str:
    return _date(datetime.fromisoformat(timestamp))


def _date(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _funnel_picture(funnel: Funnel) -> Any:
    return figures.funnel([getattr(funnel, step) for step in STEPS])


def _losses(inspection: Inspection) -> dict[str, list[tuple[str, int]]]:
    """What was lost on the way to each step after the first, by what became of it."""
    lost: dict[str, Counter[str]] = defaultdict(Counter)
    stops = {"generator": "generated", "gate": "gated", "judge": "judged", "selector": "kept"}
    for reason in inspection.reasons:
        if reason.reason != "declined":
            lost[stops[reason.by]][reason.outcome] += reason.count
    for before, step in pairwise(STEPS):
        gone = getattr(inspection.total, before) - getattr(inspection.total, step)
        waiting = gone - lost[step].total()
        if waiting:
            lost[step]["waiting"] = waiting
    return {step: sorted(lost[step].items(), key=lambda item: -item[1]) for step in STEPS[1:]}


def _licences(inspection: Inspection) -> dict[str, list[str]]:
    """Corpus → the licences of its recordings."""
    found: dict[str, set[str]] = defaultdict(set)
    for part in inspection.recordings:
        found[part.corpus].update(part.licences)
    return {corpus: sorted(names) for corpus, names in found.items()}


def _real_emotions(inspection: Inspection) -> dict[str, int]:
    """Real training clips per emotion."""
    counts: Counter[str] = Counter()
    for part in inspection.recordings:
        if part.split == "train":
            counts.update(part.emotions)
    return dict(counts)


@dataclass(frozen=True, slots=True)
class _ReasonRow:
    reason: str
    count: int
    share: float
    generators: list[tuple[str, int]]
    example: str


def _reasons(inspection: Inspection) -> list[tuple[str, int, list[_ReasonRow]]]:
    """(heading, count, rows, the most frequent first) for each kind of loss that there is."""
    groups: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for reason in inspection.reasons:
        groups[reason.outcome, reason.by][reason.reason].append(reason)
    most = max(
        (sum(r.count for r in rows) for group in groups.values() for rows in group.values()),
        default=1,
    )
    result = []
    for key, heading in _WHERE.items():
        rows = [
            _ReasonRow(
                name,
                sum(reason.count for reason in rows),
                sum(reason.count for reason in rows) / most,
                sorted(((r.generator, r.count) for r in rows), key=lambda item: -item[1]),
                rows[0].example,
            )
            for name, rows in groups[key].items()
        ]
        if rows:
            rows.sort(key=lambda row: (-row.count, row.reason))
            result.append((heading, sum(row.count for row in rows), rows))
    return result
