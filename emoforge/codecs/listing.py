"""Which codecs there are, and one file through one of them."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emoforge.audio import probe, read, write_audio
from emoforge.codecs.specs import ANY_POINT, Settings, choose_codecs, codec_names, named_codec
from emoforge.errors import ConfigError, EmoforgeError


@dataclass(frozen=True)
class CodecSettings:
    """What `configs/codecs.yaml` says. codec: name → options of codecs, see `specs.Settings`."""

    codec: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """One codec. kbps: nominal kbit/s that it has; missing: what it needs to run here, or ""."""

    name: str
    kbps: tuple[float, ...]
    missing: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return asdict(self)


def list_codecs(settings: Settings) -> list[Listed]:
    """Every codec by name. Those whose bitrates stand in weights that are not here have none."""
    return [_listed(name, settings) for name in codec_names(settings)]


def _listed(name: str, settings: Settings) -> Listed:
    missing = ""
    points: tuple[float, ...] = ()
    try:
        codec = named_codec(name, settings, ANY_POINT)
        try:
            points = codec.points
        finally:
            codec.check_requirements()
            _ = codec.weights
    except EmoforgeError as error:
        missing = str(error).removeprefix(f"'{name}' cannot run here, it ")
    return Listed(name, points, missing)


def roundtrip_file(file: Path, spec: str, out: Path, settings: Settings) -> dict[str, Any]:
    """Encode and decode a file; writes `out`, as long as the source and in time with it.

    Channels are mixed to one. Returns the codec, measured kbit/s, the rate that it was coded at
    and the delay taken out. Raises ConfigError for `name@all`, a name that is neither .flac nor
    .wav, or the source's own; AudioError.
    """
    if out.suffix not in (".flac", ".wav"):
        raise ConfigError(f"{out}: a name in .flac or .wav is needed")
    if out.exists() and out.samefile(file):
        raise ConfigError(f"{out}: is the source itself, which stays as it is; name another file")
    chosen = choose_codecs([spec], settings)
    if len(chosen) != 1:
        raise ConfigError(f"codec '{spec}': one bitrate at a time, as in {chosen[0].spec}")
    codec = chosen[0].codec
    codec.setup()
    channels = probe(file).channels
    coded = codec.roundtrip(read(file))
    write_audio(out, coded.audio)
    measured = coded.measured()
    return {
        "out": str(out),
        "codec": chosen[0].spec,
        "kbps": round(measured["kbps"], 3),
        "coded_hz": coded.rate,
        "source_hz": coded.audio.rate,
        "source_channels": channels,
        "delay_ms": round(measured["delay_ms"], 3),
        "seconds": round(coded.audio.duration, 3),
    }
