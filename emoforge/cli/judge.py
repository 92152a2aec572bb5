"""`emoforge judge`: training judges, measuring them, asking them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emoforge.cli.common import ConfigDir, Json, Overrides, interruptible, print_json, table

if TYPE_CHECKING:
    from emoforge.augment import ScoredFile

judge = typer.Typer(help="Train judges, and ask them.", no_args_is_help=True)


@judge.command("train")
def judge_train(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """Train a judge on a labelled corpus, and measure it on speakers that it has not met.

    Example: emoforge judge train recipe=head judge=egemaps corpus=starter out=mine.safetensors

    recipe=head trains a head on what a judge's encoder makes of the clips, in seconds; use it
    with judge=egemaps judge.head=mine.safetensors. recipe=embedded trains a network from the
    audio; use it with judge.path=mine.safetensors.
    """
    from emoforge.augment import JudgeTraining, train
    from emoforge.config import compose

    with interruptible():
        result = train(compose("judge_train", overrides or [], JudgeTraining, config_dir))
    if as_json:
        print_json(result)
        return
    for scheme, measured in result["evaluation"].items():
        if not isinstance(measured, dict) or "held_out_speakers" not in measured:
            continue
        for what, title in _TESTED.items():
            columns = ["corpus", "speakers", "clips", *_METRICS.values()]
            rows = [
                [corpus, str(found["speakers"]), str(found["clips"])]
                + [_shown(found.get(metric)) for metric in _METRICS]
                for corpus, found in measured[what].items()
            ]
            if rows:
                table(f"{title}, {scheme}", columns, rows)
        calibration = measured["calibration"]
        typer.echo(
            f"calibration error {calibration['ece_after']:.3f} at temperature "
            f"{calibration['temperature']:.2f}"
        )
    if familiar := result["evaluation"].get("familiar"):
        typer.echo(f"{', '.join(familiar)}: in the encoder's training data, so too good")
    typer.echo(f"weights: {result['weights']} ({result['clips']} clips)")
    if result["calibrated"]:
        typer.echo(f"card:    {result['card']}")
    else:
        typer.echo(
            "uncalibrated: evaluate=false measures nothing, so probabilities are as they are"
        )


_TESTED = {"held_out_speakers": "Held-out speakers", "left_out_corpus": "Corpus left out"}
_METRICS = {"uar": "UAR", "macro_f1": "macro-F1", "multilabel_macro_f1": "multi-label F1"}


@judge.command("score")
def judge_score(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Audio files, folders, tables with a column of paths, - for standard input; and "
            "settings: judge=choice, key=value.",
            metavar="INPUT",
        ),
    ],
    scheme: Annotated[str, typer.Option(help="A scheme of the judge.", show_default="basic4")] = "",
    out: Annotated[
        Path | None, typer.Option(help="A .csv, .tsv or .jsonl file for the answers.")
    ] = None,
    as_json: Json = False,
    config_dir: ConfigDir = None,
) -> None:
    """What a judge hears in audio files.

    Example: emoforge judge score recordings/ judge=egemaps judge.head=mine.safetensors

    Folders are searched for audio. A table's paths start from its folder; its rows come back,
    with what was heard, in the file that --out names.
    """
    from dataclasses import replace

    from emoforge.augment import JudgeScoring, score
    from emoforge.config import compose
    from emoforge.progress import Progress

    given = [word for word in inputs if "=" not in word or Path(word).exists()]
    if not given:
        raise typer.BadParameter("name an audio file, a folder, a table, or - for standard input")
    settings = [word for word in inputs if word not in given]
    config = compose("judge_score", settings, JudgeScoring, config_dir)
    config = replace(config, scheme=scheme or config.scheme)
    # Answers that appear one by one are progress enough.
    shown = out is None and not as_json
    with interruptible():
        result = score(
            config,
            given,
            out,
            each=_show_heard if shown else lambda _: None,
            progress=Progress(quiet=shown),
        )
    if as_json:
        print_json(result)
    elif out:
        typer.echo(f"{out}: {result['judged']} judged, {result['failed']} could not be")
    if not result["judged"]:
        raise typer.Exit(1)


def _show_heard(answer: "ScoredFile") -> None:
    if answer.heard is None:
        typer.echo(f"{answer.path}: {answer.error}", err=True)
        return
    best = sorted(answer.heard.items(), key=lambda found: -found[1])
    typer.echo(f"{answer.path}: " + ", ".join(f"{name} {share:.2f}" for name, share in best))


@judge.command("card")
def judge_card(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """Measure a judge on human and on generated speech, and write its report card.

    Example: emoforge judge card corpus.manifest=all.csv workspace=W judge.path=mine.safetensors

    The card goes beside the weights, where reports find it, unless out=FILE.json is set.
    """
    from emoforge.augment import JudgeCard, card_judge
    from emoforge.config import compose

    with interruptible():
        card = card_judge(compose("judge_card", overrides or [], JudgeCard, config_dir))
    if as_json:
        print_json(card)
        return
    for scheme, corpora in card["human"].items():
        rows = [
            [corpus, _shown(row["uar"]), _shown(row["macro_f1"])] for corpus, row in corpora.items()
        ]
        table(f"Human speech, {scheme}", ["corpus", "UAR", "macro-F1"], rows)
    if card["measured"]["familiar"]:
        typer.echo(f"{', '.join(card['measured']['familiar'])}: in its training data, so too good")
    if card["source_probe"]:
        rows = [
            [generator, _shown(row.get("within")), _shown(row.get("left_out"))]
            for generator, row in card["source_probe"].items()
        ]
        table("Told from people (0.5: cannot)", ["generator", "learned from it", "others"], rows)
    rows = [
        [corpus, condition, _shown(row)]
        for corpus, found in card["triplets"].items()
        for condition, row in found.items()
    ]
    table("Same emotion is nearer (0.5: chance)", ["corpus", "differs in", "triplets"], rows)
    typer.echo(f"card: {card['page']}")


def _shown(score: dict[str, Any] | None) -> str:
    if not score or score["value"] is None:
        return "–"
    ends = "–".join(f"{end:.3f}" for end in score["interval"] or [])
    return f"{score['value']:.3f}" + (f" ({ends})" if ends else "")
