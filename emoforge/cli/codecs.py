"""`emoforge codecs`: what there is, one file through one of them, and what they do to emotion."""

from pathlib import Path
from typing import Annotated

import typer

from emoforge.cli.common import ConfigDir, Json, Overrides, interruptible, print_json, table

codecs = typer.Typer(help="Codecs, and what they do to emotion.", no_args_is_help=True)

Settings = Annotated[
    list[str] | None,
    typer.Argument(
        help="Settings of codecs, such as codec.lyra.model=DIR.", show_default="", metavar="[KEY=…]"
    ),
]


@codecs.command("list")
def list_(settings: Settings = None, as_json: Json = False, config_dir: ConfigDir = None) -> None:
    """All codecs: the bitrates that each has, and what is missing for those that cannot run."""
    from emoforge.codecs import CodecSettings, list_codecs
    from emoforge.config import compose

    config = compose("codecs", settings or [], CodecSettings, config_dir)
    listed = list_codecs(config.codec)
    if as_json:
        print_json({"codecs": [one.to_dict() for one in listed]})
        return
    rows = [
        [one.name, ", ".join(f"{kbps:g}" for kbps in one.kbps), one.missing or "ready"]
        for one in listed
    ]
    table("Codecs", ["name", "kbit/s", "state"], rows)


@codecs.command()
def roundtrip(
    file: Annotated[Path, typer.Argument(help="Audio of any format.")],
    codec: Annotated[str, typer.Option(help="name@kbit/s, such as opus@16.")],
    out: Annotated[Path, typer.Option(help="The file to write (FLAC, or WAV by its name).")],
    settings: Settings = None,
    as_json: Json = False,
    config_dir: ConfigDir = None,
) -> None:
    """Encode and decode one file; say what it cost in bits and delay."""
    from emoforge.codecs import CodecSettings, roundtrip_file
    from emoforge.config import compose

    config = compose("codecs", settings or [], CodecSettings, config_dir)
    made = roundtrip_file(file, codec, out, config.codec)
    if as_json:
        print_json(made)
    else:
        typer.echo(
            f"{out}: {made['codec']}, measured {made['kbps']:.2f} kbit/s, coded at "
            f"{made['coded_hz']} Hz, {made['delay_ms']:.2f} ms of delay taken out"
        )
        if made["source_channels"] > 1:
            typer.echo(f"The source's {made['source_channels']} channels were mixed to one.")


@codecs.command()
def report(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """What codecs do to the emotion of a corpus: numbers with intervals, plots and sound.

    Example: emoforge codecs report corpus=nemo corpus.root=DIR codecs=[opus@6,amr_nb@all] out=DIR

    The same command continues a report that was stopped; more codecs add to it.

    Settings: corpus, codecs, out; judge, scheme, clips (at most so many of each speaker and
    emotion), measured (the same for measures, 0: none), measures, listen, workers, and options
    of codecs, such as codec.lyra.model=DIR.
    """
    from emoforge.augment import EmotionLossConfig, report_emotion_loss
    from emoforge.config import compose

    config = compose("codecs_report", overrides or [], EmotionLossConfig, config_dir)
    with interruptible():
        found = report_emotion_loss(config)
    if as_json:
        print_json(found.to_dict())
    else:
        found.print()


@codecs.command()
def validate(
    overrides: Overrides = None, as_json: Json = False, config_dir: ConfigDir = None
) -> None:
    """How well measures agree with people who listened to codecs.

    Example: emoforge codecs validate folder=DIR measures.nisqa.model=DIR
    """
    from emoforge.codecs import ValidationConfig, validate_measures
    from emoforge.config import compose

    config = compose("codecs_validate", overrides or [], ValidationConfig, config_dir)
    with interruptible():
        found = validate_measures(config)
    if as_json:
        print_json(found.to_dict())
    else:
        found.print()
