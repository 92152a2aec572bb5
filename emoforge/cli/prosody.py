"""`emoforge prosody`: how emotions sound."""

import typer

from emoforge.cli.common import ConfigDir, Json, Overrides, interruptible, print_json

prosody = typer.Typer(help="Measure how emotions sound.", no_args_is_help=True)


@prosody.command("profile")
def prosody_profile(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """Measure how each emotion sounds beside the same speaker's neutral, and write it as YAML.

    Example: emoforge prosody profile corpus.manifest=all.csv out=profile.yaml
    """
    import dataclasses

    from emoforge.augment import ProfileMeasurement, measure_prosody
    from emoforge.config import compose

    config = compose("profile", overrides or [], ProfileMeasurement, config_dir)
    with interruptible():
        profile = measure_prosody(config)
    if as_json:
        print_json(dataclasses.asdict(profile))
    else:
        typer.echo(f"{config.out}: {', '.join(profile.emotions)}")
        for what, why in profile.left_out.items():
            typer.echo(f"left out {what}: {why}", err=True)
