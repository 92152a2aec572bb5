"""The report as one HTML file: reads the workspace, counts, and fills the template."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from emoforge.augment.inspection import STEPS, Funnel, Inspection, inspect_workspace
from emoforge.augment.qualification import JUDGE_PAGE, qualification
from emoforge.augment.report import figures
from emoforge.augment.report.evidence import gather
from emoforge.augment.report.listening import LONGEST_S, cards
from emoforge.augment.report.reproduce import command, replay_command
from emoforge.errors import WorkspaceError
from emoforge.label import SCHEMES
from emoforge.page import date, environment
from emoforge.selection.judges import read_card
from emoforge.selection.judges.report_card import card_html
from emoforge.workspace import Workspace

_SECTIONS = {
    "summary": "Summary",
    "funnel": "The funnel",
    "listen": "Listen",
    "reasons": "Why not",
    "rounds": "Rounds",
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

    One HTML file that needs nothing else: style, pictures and sound are inside. Where the judge
    has a report card, its page is written beside it. The same workspace gives the same file but
    for the date. Raises WorkspaceError where it cannot be written.
    """
    pages = {out: render(workspace, datetime.now(UTC))}
    if card := _judge_card(inspect_workspace(workspace)):
        pages[out.with_name(JUDGE_PAGE)] = card_html(card)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for place, html in pages.items():
            unfinished = place.with_name(f".{place.name}.part")
            try:
                # Half a surrogate pair cannot be written as UTF-8.
                unfinished.write_bytes(html.encode("utf-8", errors="replace"))
                unfinished.replace(place)
            finally:
                unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(f"{out}: the report cannot be written ({error.strerror})") from error
    return out


def _judge_card(inspection: Inspection) -> dict[str, Any] | None:
    return read_card(Path(inspection.judge.card)) if inspection.judge.card else None


def render(workspace: Workspace, now: datetime) -> str:
    """The report as HTML."""
    inspection = inspect_workspace(workspace)
    basis = inspection.basis
    scheme = SCHEMES.get(basis.scheme)
    run = workspace.last_run() or workspace.last_run(finished=False)
    # The stored location has no password in it; the configuration may.
    config = {**run["config"], "workspace": workspace.location} if run else {}
    selection = workspace.selection_config(basis.selection) or {}
    threshold = selection.get("selector", {}).get("threshold")
    # An audited selection is made from another one, which had the rounds.
    chosen = selection.get("audit", {}).get("of", basis.selection)
    rounds = [log for _, log, _ in workspace.rounds(chosen)]
    judge_card = _judge_card(inspection)
    corpora = sorted({part.corpus for part in inspection.recordings})
    pages = environment(Path(__file__).parent)
    pages.globals.update(
        bar=figures.bar, funnel_picture=_funnel_picture, histogram=figures.histogram, steps=STEPS
    )
    return pages.get_template("report.html.jinja").render(
        name=_name(workspace.location),
        location=workspace.location,
        now=date(now),
        sections={key: title for key, title in _SECTIONS.items() if key != "rounds" or rounds},
        rounds=rounds,
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
        threshold=threshold,
        selects_all=selection.get("selector", {}).get("name") == "everything",
        cards=cards(workspace, basis, scheme) if scheme else [],
        card=qualification(judge_card, basis.scheme, corpora) if judge_card else None,
        judge_page=JUDGE_PAGE,
        selection_yaml=_yaml(selection) if selection else "",
        citation=(config.get("corpus") or {}).get("citation", ""),
        yaml=_yaml(config),
        versions=run["versions"] if run else {},
        command=command(config),
    )


def _yaml(plain: Any) -> str:
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10**9)


def _name(location: str) -> str:
    return location if "://" in location else Path(location).absolute().name


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
