"""Codecs as a user writes them: `opus@16` is Opus at 16 kbit/s, `opus@all` all that it has."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from emoforge.codecs.codec import Codec
from emoforge.component import component_class, create, registered
from emoforge.errors import ConfigError, nearest

Settings = Mapping[str, Mapping[str, Any]]
"""Name → options that differ from the defaults; `component` names the registered codec, where it
is not the name itself: `{"mimi": {"component": "transformers", "model": DIR}}`."""

ANY_POINT: Mapping[str, Any] = {"kbps": 0.0}
"""For a codec that is only asked which points it has."""

_ADAPTERS = ("transformers",)
"""What runs many codecs, and is none by itself."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One codec at one operating point. name: `opus`; spec: `opus@16`."""

    name: str
    spec: str
    codec: Codec


def codec_names(settings: Settings) -> list[str]:
    """All names that a spec can begin with."""
    return sorted({*registered("codec"), *settings} - {*_ADAPTERS})


def choose_codecs(specs: Sequence[str], settings: Settings) -> list[Chosen]:
    """The codecs of specs such as `opus@16`, `opus@all` and `gsm`, each once, in their order.

    A name alone is enough for a codec of one operating point. Raises ConfigError for an unknown
    codec or a bitrate that it does not have, and RequirementError where it cannot run here.
    """
    chosen: dict[str, Chosen] = {}
    for spec in specs:
        for one in _chosen(spec, settings):
            chosen.setdefault(one.spec, one)
    return list(chosen.values())


def codec_points(name: str, settings: Settings) -> list[Chosen]:
    """A codec at each of its operating points, lowest bitrate first."""
    return list(_chosen(f"{name}@all", settings))


def _chosen(spec: str, settings: Settings) -> Iterator[Chosen]:
    name, _, point = spec.partition("@")
    codec = named_codec(name, settings, ANY_POINT)
    codec.check_requirements()
    _ = codec.weights  # what is missing shows here, before any work
    points = codec.points
    if point in ("", "all"):
        if not point and len(points) > 1:
            have = ", ".join(f"{one:g}" for one in points)
            raise ConfigError(f"codec '{name}': say which kbit/s, as in {name}@{points[0]:g}; "
                              f"it has {have} (or {name}@all)")  # fmt: skip
        wanted = points
    else:
        try:
            wanted = (float(point),)
        except ValueError:
            raise ConfigError(
                f"codec '{spec}': write name@kbit/s, as in {name}@{points[0]:g}"
            ) from None
    for kbps in wanted:
        asked = dataclasses.replace(codec, kbps=kbps)
        one = dataclasses.replace(asked, kbps=asked.point(name))
        yield Chosen(name, f"{name}@{one.kbps:g}", one)


def named_codec(name: str, settings: Settings, options: Mapping[str, Any]) -> Codec:
    """A codec by its name, with what the settings say of it, and `options` (`kbps`) on top.

    Raises ConfigError naming the nearest known name.
    """
    if name not in (known := codec_names(settings)):
        raise ConfigError(f"there is no codec '{name}': {nearest(name, known)}")
    own = dict(settings.get(name, {}))
    component = str(own.pop("component", name))
    component_class("codec", component)
    return cast(Codec, create("codec", component, {**own, **options}))
