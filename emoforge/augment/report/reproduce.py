"""The command that makes a run again: its stored configuration, said as Hydra overrides."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from emoforge.augment.job import AugmentConfig
from emoforge.config import choices, compose, plain
from emoforge.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_./:-]+")
_NOT_TEXT = re.compile(r"(?i)null|true|false|nan|[+-]?inf|[+-]?[\d_]*\.?[\d_]*(e[+-]?\d+)?")


def command(config: Mapping[str, Any]) -> str | None:
    """`emoforge augment …` for the shell, or None where no overrides give this configuration.

    The command is proven: it is composed again, and must give `config`.
    """
    if "corpus" not in config or "generators" not in config:
        return None
    overrides = [
        f"{group}={name}"
        for group in ("corpus", "judge", "selector", "runner")
        if (name := str(config.get(group, {}).get("name"))) in choices(group)
    ]
    overrides += [f"generators=[{','.join(config['generators'])}]"]
    try:
        # What a choice leaves open (`???`) is set before the rest can be compared.
        overrides += [f"workspace={_value(config['workspace'])}"]
        overrides += [
            f"corpus.{key}={_value(config['corpus'][key])}"
            for key in ("root", "manifest")
            if config["corpus"].get(key)
        ]
        base = dict(_leaves(plain(compose("augment", overrides, AugmentConfig))))
        overrides += [
            f"++{key}={_value(value)}" for key, value in _leaves(config) if base.get(key) != value
        ]
        if plain(compose("augment", overrides, AugmentConfig)) != config:
            return None
    except ConfigError:
        return None
    return shlex.join(["emoforge", "augment", *overrides])


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
