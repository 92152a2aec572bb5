"""A judge's card: one JSON file of all that was measured about it, and pages for people.

identity: judge, key, encoder, digest (of the weights), schemes, and where it is known bytes and
parameters. From training: trained, temperatures, evaluation (held-out speakers and corpora),
about. From `emoforge judge card`: the `SECTIONS`, on the finished weights. All are optional but
the digest: a card is of those weights and of no others.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emoforge.errors import ConfigError
from emoforge.label import scheme
from emoforge.selection.judges.card_place import card_of
from emoforge.selection.judges.judge import Judge
from emoforge.selection.judges.taught import taught

Card = Mapping[str, Any]

SECTIONS = (
    "measured", "human", "calibration", "source_probe", "triplets", "votes", "batch_invariance",
    "throughput",
)  # fmt: skip
_IDENTITY = ("judge", "key", "encoder", "digest", "bytes", "parameters", "schemes")
_MARKDOWN = "CARD.md"


def read_card(path: Path) -> dict[str, Any] | None:
    """The card in a file, None where there is no file; raises ConfigError if it is damaged."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the judge's card cannot be read ({error})") from error
    told = card if isinstance(card, dict) else {}
    missing = [name for name in ("judge", "digest", "schemes") if name not in told]
    if missing:
        raise ConfigError(
            f"{path}: not a judge's card, it says nothing of {', '.join(missing)}; "
            "measure the judge again (emoforge judge card)"
        )
    return told


def save_card(card: Card, path: Path) -> None:
    """Write a card as JSON, beside it its page (`.html`), and anew a `CARD.md` that is there.

    Raises ConfigError where it cannot be written.
    """
    from emoforge.selection.judges.report_card import card_html

    pages = {
        path.with_suffix(".html"): card_html(card),
        path: json.dumps(card, indent=1, ensure_ascii=False) + "\n",
    }
    if (markdown := path.with_name(_MARKDOWN)).exists():
        pages[markdown] = page(card)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, text in pages.items():
            partial = place.with_name(f".{place.name}.part")
            partial.write_text(text, encoding="utf-8")
            partial.replace(place)
    except OSError as error:
        raise ConfigError(f"{path}: the card cannot be written ({error.strerror})") from error


def write_card(weights: Path, evaluation: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write the card of a network that was just trained beside its weights.

    evaluation: what `evaluate_judge` returned for the same recipe and clips.
    about: texts in Markdown: `summary`, `limits`, `tried`, each optional.
    """
    from emoforge.selection.judges.model import Model

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
    save_card(card, card_of(weights))


def measured_card(judge: Judge, before: Card | None, sections: Mapping[str, Any]) -> dict[str, Any]:
    """A card with new sections (`measure_judge`) in front of what training wrote, which stays.

    before: the card that is there; one of other weights counts for nothing.
    """
    same = before if before and before["digest"] == judge.weights else {}
    trained = same.get("trained") or _about(judge)
    # Of the encoder and of the head; the card's `trained` is of one of them.
    known = taught(judge)
    learned = {**trained.get("corpora", {}), **(known or {})}
    measured = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "emoforge": version("emoforge"),
        "learned": learned,
        "familiar": sorted(learned.keys() & set(sections["measured_on"]["corpora"])),
        "training_known": bool(learned) and known is not None,
        **sections["measured_on"],
    }
    card = {
        "trained": trained,
        **{name: value for name, value in same.items() if name not in SECTIONS},
        **{name: measured if name == "measured" else sections[name] for name in SECTIONS},
        "judge": same.get("judge", judge.name),
        "key": judge.key,
        "encoder": judge.encoder,
        "digest": judge.weights,
        "schemes": {name: list(scheme(name).classes) for name in judge.schemes},
    }
    order = [*_IDENTITY, "temperatures", "trained", "evaluation", *SECTIONS]
    return {name: card[name] for name in (*order, *(card.keys() - {*order})) if name in card}


def _about(judge: Judge) -> Mapping[str, Any]:
    """What the weights say of their training, {} where they say nothing."""
    from emoforge.selection.judges.embedded import EmbeddedJudge

    if judge.head:
        from emoforge.selection.judges.heads import Heads

        return Heads.load(Path(judge.head)).about
    if isinstance(judge, EmbeddedJudge):
        from emoforge.selection.judges.model import Model

        return Model.load(judge.place).about
    return {}


def page(card: Mapping[str, Any]) -> str:
    """The card of a trained network as Markdown."""
    about = card.get("about", {})
    lines = [f"# Judge `{card['judge']}`", ""]
    lines += [about["summary"], ""] if "summary" in about else []
    size = (
        f"{card['parameters']:,} parameters, {card['bytes'] / 1e6:.1f} MB, "
        if "bytes" in card
        else ""
    )
    lines += [
        f"- {size}BLAKE2b-128 `{card['digest']}`",
        *(f"- `{name}`: {', '.join(classes)}" for name, classes in card["schemes"].items()),
    ]
    lines += _training(card["trained"]) if "trained" in card else []
    lines += _evaluation(card) if "evaluation" in card else []
    lines += _embedding(card) if "measured" in card else []
    for heading in ("limits", "tried"):
        if heading in about:
            lines += [f"## {heading.capitalize()}", "", about[heading], ""]
    return "\n".join(lines).rstrip() + "\n"


def _training(trained: Mapping[str, Any]) -> list[str]:
    return [
        f"- trained on {trained['clips']:,} clips of {trained['speakers']} speakers: "
        + ", ".join(f"{name} {count:,}" for name, count in trained["corpora"].items()),
        f"- licences of this data: {', '.join(trained['licences']) or 'not stated'}",
        f"- recipe, seed {trained['seed']}: `{json.dumps(trained['recipe'])}`",
        "",
    ]


_TESTS = {
    "held_out_speakers": "held-out speakers",
    "unseen_speakers": "of these, the folds that no choice of the recipe looked at",
    "left_out_corpus": "corpus left out",
}


def _evaluation(card: Card) -> list[str]:
    evaluation = card["evaluation"]
    lines = [
        "## Measured",
        "",
        "The shipped weights are trained on all clips, so on these corpora they score better "
        "than anyone else's speech would. The numbers below are of the same recipe on people "
        f"whom it has not heard: {evaluation['folds']} folds of speakers over all corpora at "
        "once, and each corpus left out. UAR and macro-F1 over the classes that the corpus has, "
        "with 95 % intervals from a bootstrap over speakers.",
        "",
    ]
    names = [name for name in card["schemes"] if name in evaluation]
    for name in names:
        for key, title in _TESTS.items():
            if evaluation[name].get(key):
                lines += _table(f"`{name}`, {title}", evaluation[name][key])
    lines += [
        "### Calibration on held-out speakers",
        "",
        "| scheme | temperature | ECE before | ECE after |",
        "| --- | --- | --- | --- |",
    ]
    for name in names:
        own = evaluation[name]["calibration"]
        lines.append(
            f"| `{name}` | {own['temperature']:.2f} | {own['ece_before']:.3f} "
            f"| {own['ece_after']:.3f} |"
        )
    return [
        *lines,
        "",
        "ECE over 15 bins and all classes of the scheme; after: with the temperature of the "
        "other folds.",
        "",
    ]


_CONDITIONS = {
    "take": "another take",
    "text": "another text",
    "speaker": "another speaker",
    "both": "another speaker and text",
}


def _embedding(card: Card) -> list[str]:
    """What `emoforge judge card` found out about the embedding; the page has all of it."""
    familiar = card["measured"]["familiar"]
    lines = ["## Its embedding", ""]
    if familiar:
        lines += [
            f"Measured with the finished weights, which were trained on {', '.join(familiar)}: "
            "numbers on these corpora are too good.",
            "",
        ]
    if card["source_probe"]:
        lines += [
            "Source probe: balanced accuracy of telling each generator from people, learned from "
            "it and from the other generators only (0.5: cannot tell)."
            + (
                " That the recordings are those of its training may set them apart by itself."
                if set(card["measured"]["recordings"]) & set(card["trained"]["corpora"])
                else ""
            ),
            "",
            "| generator | clips | speakers | learned from it | from the others |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {name} | {row['clips']:,} | {row['speakers']} "
                f"| {_with_interval(row.get('within'))} | {_with_interval(row.get('left_out'))} |"
                for name, row in card["source_probe"].items()
            ),
            "",
        ]
    if card["triplets"]:
        lines += [
            "Triplets: how often a clip of the same emotion is nearer than one of the same text "
            "and speaker with another emotion (0.5: chance), by what else differs in the former.",
            "",
            f"| corpus | {' | '.join(_CONDITIONS.values())} |",
            "| --- |" + " --- |" * len(_CONDITIONS),
            *(
                f"| {corpus} | "
                + " | ".join(_with_interval(row.get(name)) for name in _CONDITIONS)
                + " |"
                for corpus, row in card["triplets"].items()
            ),
            "",
        ]
    return lines


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


def _with_interval(score: Mapping[str, Any] | None) -> str:
    if not score or score["value"] is None:
        return "–"
    if not score["interval"]:
        return f"{score['value']:.3f}"
    low, high = score["interval"]
    return f"{score['value']:.3f} [{low:.3f}, {high:.3f}]"
