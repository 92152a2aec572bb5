"""Configuration: Hydra's Compose API over the groups in `emoforge/configs`, checked by types.

The user writes `group=choice` and `key=value` as in any Hydra program; a command gets an
instance of its dataclass. Own groups come first from the folder that `--config-dir` names.
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from emoforge.errors import ConfigError, nearest

_CONFIGS = Path(__file__).parent / "configs"

# What stands under these keys are options of a corpus or a component. Their YAML names only what
# differs from the defaults, so Hydra must let a user set keys that it has not seen.
_OPEN = (
    "codec.", "corpus.", "encoder.", "gates.", "generators.", "head.", "judge.", "measures.",
    "recipe.", "selector.",
)  # fmt: skip

T = TypeVar("T")


def compose(
    name: str, overrides: Sequence[str], schema: type[T], config_dir: Path | None = None
) -> T:
    """Compose `configs/<name>.yaml` with overrides into an instance of the dataclass `schema`.

    Raises ConfigError, in one sentence, for a choice, key or value that cannot be used.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            raise ConfigError(f"'{override}' is not a setting; write key=value or group=choice")
    if config_dir and not config_dir.is_dir():
        raise ConfigError(f"{config_dir}: there is no such folder of configurations")
    search = (
        [f"hydra.searchpath=[{_quoted(f'file://{config_dir.absolute()}')}]"] if config_dir else []
    )
    opened = [
        f"++{o}" if o.startswith(_OPEN) and "=" in o else o for o in map(_plain_text, overrides)
    ]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(_CONFIGS), version_base="1.3"):
            composed = hydra_compose(name, overrides=[*search, *opened])
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        raise ConfigError(f"'{key}' needs a value: add {key}=…") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_sentence(error, overrides, schema)) from error
    assert isinstance(values, dict)
    return build(schema, {str(key): _at_home(value) for key, value in values.items()})


def _at_home(value: Any) -> Any:
    """The value with `~/` of every text in it as the home folder: a shell leaves `key=~/…` be."""
    if isinstance(value, dict):
        return {key: _at_home(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_at_home(inner) for inner in value]
    return os.path.expanduser(value) if isinstance(value, str) and value[:2] == "~/" else value


def _plain_text(override: str) -> str:
    """The override, with its value in quotes if Hydra would take it for something else.

    Paths have `=` and commas in them; there are no sweeps here that commas could stand for.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, _, value = override.partition("=")
    try:
        clear = not OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException:
        clear = False
    return override if clear else f"{key}={_quoted(value)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`key=value` settings as a mapping, values read as Hydra reads them.

    Raises ConfigError for one that is no setting.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    read: dict[str, Any] = {}
    for setting in settings:
        if not re.match(r"\w+=", setting):
            raise ConfigError(f"'{setting}' is not a setting; write key=value")
        try:
            parsed = OverridesParser.create().parse_override(_plain_text(setting))
        except HydraException as error:
            raise ConfigError(f"'{setting}' cannot be read as key=value") from error
        read[parsed.key_or_group] = _at_home(parsed.value())
    return read


def build(schema: type[T], values: Mapping[str, Any], prefix: str = "") -> T:
    """Instance of a dataclass from plain values, with types checked down to the leaves.

    `prefix` is what the user's key begins with (`generators.espeak.`). Raises ConfigError that
    names the key, what it got, and what it takes.
    """
    from pydantic import TypeAdapter, ValidationError

    _refuse_unknown(schema, values, prefix)
    try:
        return TypeAdapter(schema).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"]]
        key = prefix + ".".join(place)
        if first["type"] == "missing":
            raise ConfigError(f"'{key}' needs a value: add {key}=…") from error
        if isinstance(first.get("ctx", {}).get("error"), ValueError):
            raise ConfigError(f"{key.rstrip('.: ')}: {first['ctx']['error']}") from error
        raise ConfigError(f"{key}={first['input']!r}: {first['msg'].lower()}") from error


def _refuse_unknown(schema: Any, value: Any, prefix: str) -> None:
    """Raise ConfigError for a key that its dataclass does not have (pydantic passes over them)."""
    if dataclasses.is_dataclass(schema) and isinstance(value, Mapping):
        hints = get_type_hints(schema)
        known = [field.name for field in dataclasses.fields(schema)]
        for name, inner in value.items():
            if name not in known:
                raise ConfigError(f"there is no setting '{prefix}{name}': {nearest(name, known)}")
            _refuse_unknown(hints[name], inner, f"{prefix}{name}.")
    elif get_origin(schema) is list and isinstance(value, Sequence):
        for number, inner in enumerate(value):
            _refuse_unknown(get_args(schema)[0], inner, f"{prefix}{number}.")


def choices(group: str) -> list[str]:
    """Names of the choices of a group that emoforge ships."""
    return sorted(path.stem for path in (_CONFIGS / group).glob("*.yaml"))


def _sentence(error: Exception, overrides: Sequence[str], schema: type) -> str:
    """One line for the user out of Hydra's message of several."""
    text = str(error)
    missing = re.search(r"Could not (?:find|load) '(\w+)/([^']+)'", text)
    if missing:
        group, choice = missing.groups()
        return f"there is no {group} '{choice}': {nearest(choice, choices(group))}"
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown:
        key = unknown.group(1)
        known = [field.name for field in dataclasses.fields(schema)]
        return f"there is no setting '{key}': {nearest(key, known)}"
    first = text.strip().splitlines()[0]
    return f"{first} (in: {' '.join(overrides)})"


def plain(config: Any) -> dict[str, Any]:
    """A config dataclass as plain JSON values."""
    as_json: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return as_json
