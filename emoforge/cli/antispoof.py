"""`emoforge antispoof`: telling synthetic speech from recordings."""

import typer

from emoforge.cli.common import ConfigDir, Json, Overrides, interruptible, print_json

antispoof = typer.Typer(
    help="Countermeasures: tell synthetic speech from recordings.", no_args_is_help=True
)


@antispoof.callback()
def _group() -> None:
    """Keeps `evaluate` a command of its own, though it is the only one."""


@antispoof.command()
def evaluate(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """How well countermeasures hear the candidates of a workspace, emotion by emotion.

    Example: emoforge antispoof evaluate workspace=W unseen=[espeak] out=DIR

    The recordings are bona fide, the candidates past the gates are spoofs, each generator is an
    attack. One countermeasure of all emotions stands against one an emotion, mixed by what the
    judge hears; and against what eight low-level features give away without listening.

    The same command continues an evaluation that was stopped.
    """
    from emoforge.augment import AntispoofConfig, evaluate_antispoofing
    from emoforge.config import compose

    config = compose("antispoof", overrides or [], AntispoofConfig, config_dir)
    with interruptible():
        found = evaluate_antispoofing(config)
    if as_json:
        print_json(found.to_dict())
    else:
        found.print()
