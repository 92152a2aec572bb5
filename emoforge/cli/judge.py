"""`emoforge judge`: training judges, measuring them, asking them."""

from pathlib import Path
from typing import Annotated

import typer

from emoforge.cli.common import ConfigDir, Json, Overrides, interruptible, print_json, table

judge = typer.Typer(help="Train judges, and ask them.", no_args_is_help=True)


@judge.command("train")
def judge_train(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """Train a judge on a labelled corpus, and measure it on speakers that it has not met.

    Example: emoforge judge train corpus.manifest=all.csv out=mine.safetensors

    Use it with: emoforge augment judge.path=mine.safetensors …
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
        rows = [
            [corpus, f"{table['uar']['value']:.3f}", f"{table['macro_f1']['value']:.3f}"]
            for corpus, table in measured["held_out_speakers"].items()
        ]
        table(f"Held-out speakers, {scheme}", ["corpus", "UAR", "macro-F1"], rows)
    typer.echo(f"weights: {result['weights']} ({result['clips']} clips)")


@judge.command("score")
def judge_score(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    weights: Annotated[str, typer.Option(help="Weights; those of the package if not set.")] = "",
    scheme: Annotated[str, typer.Option(help="A scheme of the judge.")] = "basic4",
    as_json: Json = False,
) -> None:
    """What the embedded judge hears in audio files."""
    from emoforge.errors import AudioError
    from emoforge.selection.judges import EmbeddedJudge, score_files

    heard = score_files(EmbeddedJudge(path=weights), files, scheme)
    if as_json:
        print_json(
            {
                str(file): {"error": str(found)} if isinstance(found, AudioError) else found
                for file, found in heard.items()
            }
        )
        return
    for file, found in heard.items():
        if isinstance(found, AudioError):
            typer.echo(f"{file}: {found}", err=True)
        else:
            best = sorted(found, key=found.__getitem__, reverse=True)
            typer.echo(f"{file}: " + ", ".join(f"{name} {found[name]:.2f}" for name in best))
