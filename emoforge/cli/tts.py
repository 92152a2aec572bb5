"""`emoforge tts`: what engines offer, and one text spoken and judged."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from emoforge.cli.common import ConfigDir, Json, print_json, table

tts = typer.Typer(help="Try out text-to-speech engines.", no_args_is_help=True)

Settings = Annotated[
    list[str] | None,
    typer.Argument(
        help="Settings of the engine, such as model=DIR.", show_default="", metavar="[KEY=…]"
    ),
]


def _settings(engine: str, given: list[str] | None, config_dir: Path | None) -> Any:
    from emoforge.augment import TtsSettings
    from emoforge.config import compose
    from emoforge.errors import ConfigError

    for setting in given or []:
        if not engine or "=" not in setting:
            what = "write key=value" if engine else "name the engine that it is for"
            raise ConfigError(f"'{setting}' is not a setting; {what}")
    overrides = [f"generators.{engine}.{setting}" for setting in given or []]
    return compose("tts", overrides, TtsSettings, config_dir)


@tts.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say.")],
    out: Annotated[Path, typer.Option(help="The file to write (FLAC, or WAV by its name).")],
    settings: Settings = None,
    engine: Annotated[str, typer.Option(help="One of `emoforge tts voices`.")] = "",
    emotion: Annotated[str, typer.Option(help="Such as angry.")] = "",
    language: Annotated[str, typer.Option(help="BCP 47 tag, if the engine has several.")] = "",
    voice: Annotated[str, typer.Option(help="One of `emoforge tts voices ENGINE`.")] = "",
    strength: Annotated[
        float | None, typer.Option(help="Of the emotion; 1 is as usual.", show_default="1")
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(help="Recordings of the voice in that emotion, for an engine that clones."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    as_json: Json = False,
    config_dir: ConfigDir = None,
) -> None:
    """Speak one text, and say which emotion was asked for and which one the judge hears.

    Example: emoforge tts say "Hello." --engine espeak --language en --emotion sad --out x.wav
    """
    from emoforge.augment import speak_text

    said = speak_text(
        text,
        out,
        _settings(engine, settings, config_dir),
        engine=engine,
        emotion=emotion,
        language=language,
        voice=voice,
        strength=strength,
        references=reference or [],
        seed=seed,
    )
    if as_json:
        print_json(said.to_dict())
        return
    typer.echo(
        f"{said.out}: {said.engine}, voice {said.voice}, {said.seconds:.2f} s, made at "
        f"{said.speed:g} × real time, "
        f"{f'licence of the voice: {said.licence}' if said.licence else 'no terms on the voice'}"
    )
    typer.echo(f"target: {said.target}{_probability(said.heard, said.target)}")
    if said.achieved is None:
        typer.echo(f"achieved: unknown, {said.unheard}")
    else:
        typer.echo(
            f"achieved: {said.achieved}{_probability(said.heard, said.achieved)}, as the judge "
            f"{said.judge} hears it among {', '.join(said.heard)}"
        )


def _probability(heard: Mapping[str, float], emotion: str) -> str:
    return f" (p {heard[emotion]:.2f})" if emotion in heard else ""


@tts.command()
def voices(
    engine: Annotated[str, typer.Argument(help="An engine; all of them if left out.")] = "",
    settings: Settings = None,
    language: Annotated[str, typer.Option(help="BCP 47 tag, such as en-US.")] = "",
    as_json: Json = False,
    config_dir: ConfigDir = None,
) -> None:
    """Engines with their languages and voices.

    Example: emoforge tts voices hts model=DIR
    """
    from emoforge.augment import list_voices

    config = _settings(engine, settings, config_dir)
    offers = list_voices(config, engine=engine, language=language)
    if as_json:
        print_json({"engines": [offer.to_dict() for offer in offers]})
        return
    rows = [
        [
            offer.engine,
            f"not ready: {offer.missing}" if offer.missing else ", ".join(offer.languages),
            "of reference clips" if offer.clones else str(len(offer.voices) or ""),
        ]
        for offer in offers
    ]
    table("Engines", ["engine", "languages", "voices"], rows)
    for offer in offers:
        own = [
            [v.name, v.gender or "", ", ".join(v.emotions) or "by the emotion profile", v.licence]
            for v in offer.voices
        ]
        if own:
            title = f"\nVoices of {offer.engine} for {offer.language}"
            table(title, ["voice", "gender", "emotions", "licence"], own)
