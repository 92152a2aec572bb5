"""`emoforge select`: whether a selection helps."""

import typer

from emoforge.cli.common import ConfigDir, Json, Overrides, interruptible, print_json

select = typer.Typer(help="Show whether selecting helps.", no_args_is_help=True)


@select.callback()
def _group() -> None:
    """Keeps `evaluate` a command of its own, though it is the only one."""


@select.command()
def evaluate(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """Train on real clips, and on these with random, selected and all candidates; compare.

    Example: emoforge select evaluate workspace=W selector=bootstrap n=[5,10,20] out=DIR

    The same command continues an evaluation that was stopped.
    """
    from emoforge.augment import ArmsConfig, evaluate_arms
    from emoforge.config import compose

    with interruptible():
        result = evaluate_arms(compose("select_evaluate", overrides or [], ArmsConfig, config_dir))
    if as_json:
        print_json(result.to_dict())
    else:
        result.print()
