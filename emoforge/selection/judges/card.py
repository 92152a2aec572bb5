"""A judge's card: what was measured about it, as JSON for programs and as a page for people."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emoforge.selection.judges.model import Model


def write_card(weights: Path, evaluation: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write `card.json` and `CARD.md` beside a judge's weights.

    evaluation: what `evaluate_judge` returned for the same recipe and clips.
    about: texts in Markdown for the page: `summary`, `limits`, `tried`, each optional.
    """
    model = Model.load(weights)
    card = {
        "judge": weights.stem,
        "digest": hashlib.blake2b(weights.read_bytes(), digest_size=16).hexdigest(),
        "bytes": weights.stat().st_size,
        "parameters": sum(values.numel() for values in model.network.parameters()),
        "schemes": {scheme.name: scheme.classes for scheme in model.schemes},
        "temperatures": model.temperatures,
        "trained": model.about,
        "evaluation": evaluation,
        "about": about,
    }
    weights.with_name("card.json").write_text(
        json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    weights.with_name("CARD.md").write_text(page(card), encoding="utf-8")


def page(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    trained, about, evaluation = card["trained"], card["about"], card["evaluation"]
    lines = [f"# Judge `{card['judge']}`", ""]
    lines += [about["summary"], ""] if "summary" in about else []
    lines += [
        f"- {card['parameters']:,} parameters, {card['bytes'] / 1e6:.1f} MB, "
        f"BLAKE2b-128 `{card['digest']}`",
        *(f"- `{name}`: {', '.join(classes)}" for name, classes in card["schemes"].items()),
        f"- trained on {trained['clips']:,} clips of {trained['speakers']} speakers: "
        + ", ".join(f"{name} {count:,}" for name, count in trained["corpora"].items()),
        f"- licences of this data: {', '.join(trained['licences']) or 'not stated'}",
        f"- recipe, seed {trained['seed']}: `{json.dumps(trained['recipe'])}`",
        "",
        "## Measured",
        "",
        "The shipped weights are trained on all clips, so on these corpora they score better "
        "than anyone else's speech would. The numbers below are of the same recipe on people "
        f"whom it has not heard: {evaluation['folds']} folds of speakers over all corpora at "
        "once, and each corpus left out. UAR and macro-F1 over the classes that the corpus has, "
        "with 95 % intervals from a bootstrap over speakers.",
        "",
    ]
    titles = {
        "held_out_speakers": "held-out speakers",
        "unseen_speakers": "of these, the folds that no choice of the recipe looked at",
        "left_out_corpus": "corpus left out",
    }
    for name in card["schemes"]:
        for key, title in titles.items():
            if evaluation[name][key]:
                lines += _table(f"`{name}`, {title}", evaluation[name][key])
    lines += [
        "### Calibration on held-out speakers",
        "",
        "| scheme | temperature | ECE before | ECE after |",
        "| --- | --- | --- | --- |",
    ]
    for name in card["schemes"]:
        own = evaluation[name]["calibration"]
        lines.append(
            f"| `{name}` | {own['temperature']:.2f} | {own['ece_before']:.3f} "
            f"| {own['ece_after']:.3f} |"
        )
    lines += [
        "",
        "ECE over 15 bins and all classes of the scheme; after: with the temperature of the "
        "other folds.",
        "",
    ]
    for heading in ("limits", "tried"):
        if heading in about:
            lines += [f"## {heading.capitalize()}", "", about[heading], ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, rows: Mapping[str, Any]) -> list[str]:
    lines = [
        f"### {title}",
        "",
        "| corpus | speakers | clips | classes | UAR | macro-F1 | recall |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for corpus, row in rows.items():
        recall = ", ".join(f"{name} {value:.2f}" for name, value in row["recall"].items())
        lines.append(
            f"| {corpus} | {row['speakers']} | {row['clips']:,} | {len(row['classes'])} "
            f"| {_with_interval(row['uar'])} | {_with_interval(row['macro_f1'])} | {recall} |"
        )
    return [*lines, ""]


def _with_interval(score: Mapping[str, Any]) -> str:
    low, high = score["interval"]
    return f"{score['value']:.3f} [{low:.3f}, {high:.3f}]"
