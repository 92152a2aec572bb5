"""The command that makes a run again: its stored configuration, said as Hydra overrides."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from emoforge.augment.job import AugmentConfig, JobConfig, SynthesisConfig
from emoforge.config import choices, compose, plain
from emoforge.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_./:-]+")
_NOT_TEXT = re.compile(r"(?i)null|true|false|nan|[+-]?inf|[+-]?[\d_]*\.?[\d_]*(e[+-]?\d+)?")


_OPENED = ("root", "manifest")

# Keys under these may be written as they are; any other dotted key may be new to its choice.
_OPEN = ("generators", "gates", "judge", "recipe", "selector")


def command(config: Mapping[str, Any]) -> str | None:
    """`emoforge augment …` (or `synthesize`) for the shell, None where no overrides give `config`.

    The command is proven: it is composed again, and must give `config`.
    """
    if not {"corpus", "generators", "workspace"} <= set(config):
        return None
    name: str = "synthesize" if "recipe" in config else "augment"
    schema: type[JobConfig] = SynthesisConfig if "recipe" in config else AugmentConfig
    corpus = config["corpus"] or {}
    overrides = [f"corpus={corpus['name']}"] if corpus else []
    # What a choice leaves open (`???`) is set before anything can be composed.
    overrides += [f"corpus.{key}={_value(corpus[key])}" for key in _OPENED if corpus.get(key)]
    overrides += [f"workspace={_value(config['workspace'])}"]
    overrides += [f"generators=[{','.join(config['generators'])}]"]
    try:
        base = plain(compose(name, overrides, schema))
        other = [
            f"{group}={config[group].get('name')}"
            for group in ("recipe", "judge", "selector", "runner")
            if group in base and base[group].get("name") != config[group].get("name")
        ]
        if (gates := _gates(config)) and set(base["gates"]) != set(config["gates"]):
            other.append(f"gates={gates}")
        if other:
            overrides += other
            base = plain(compose(name, overrides, schema))
        same = dict(_leaves(base))
        overrides += [
            f"{_prefix(key)}{key}={_value(value)}"
            for key, value in _leaves(config)
            if key not in same or same[key] != value
        ]
        if plain(compose(name, overrides, schema)) != config:
            return None
    except ConfigError:
        return None
    return shlex.join(["emoforge", name, *overrides])


def _gates(config: Mapping[str, Any]) -> str | None:
    """The choice of gates that has those of `config`, or None."""
    for name in choices("gates"):
        own = plain(compose("augment", [f"gates={name}", "workspace=W"], AugmentConfig))["gates"]
        if set(own) == set(config["gates"]):
            return name
    return None


def replay_command(workspace: str, audio_root: str | None, candidate: str) -> str:
    """`emoforge replay …` for the shell."""
    root = ["--audio-root", audio_root] if audio_root else []
    return shlex.join(["emoforge", "replay", workspace, candidate[:12], *root])


def _prefix(key: str) -> str:
    return "" if "." not in key or key.startswith(tuple(f"{name}." for name in _OPEN)) else "++"


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _value(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        if _BARE.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
            return value
        escaped = re.sub(r"(\\+)(?=\"|$)", r"\1\1", value).replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_value(k)}:{_value(v)}' for k, v in value.items())}}}"
    return repr(value)
