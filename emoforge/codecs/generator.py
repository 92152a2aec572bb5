"""The generator `codec`: a recording after one codec, or after several in a row."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, cast

import numpy as np

from emoforge.audio import Audio
from emoforge.clip import Clip
from emoforge.codecs.codec import Codec
from emoforge.codecs.specs import Chosen, choose_codecs, named_codec
from emoforge.component import INCIDENTAL, Family, Generator, Outcome, Params, canonical_json
from emoforge.errors import AudioError, ConfigError, EmoforgeError


@dataclass(frozen=True)
class CodecResynthesis(Generator):
    """Speech as a call, a file or a neural codec gives it back, in time with its source.

    codecs: those to draw from, as `opus@12`, or `opus@all`.
    longest: most codecs in a row, as when a call passes several networks; each row has different
        ones, and one to `longest` of them.
    codec: options of codecs by name, such as where their weights are (`codecs.specs.Settings`).
    """

    name: ClassVar[str] = "codec"
    version: ClassVar[int] = 1
    family: ClassVar[Family] = "codec"

    codecs: Sequence[str] = (
        "opus@8", "opus@16", "opus@24", "amr_nb@5.9", "amr_nb@12.2", "gsm@13", "g722@64", "alaw@64",
        "mp3@32",
    )  # fmt: skip
    longest: int = 1
    codec: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata=INCIDENTAL)

    def __post_init__(self) -> None:
        if not self.codecs:
            raise ConfigError("generator 'codec': codecs is empty, name one as in codecs=[opus@16]")
        if self.longest < 1:
            raise ConfigError(f"generator 'codec': longest={self.longest}, must be 1 or more")

    def check_requirements(self) -> None:
        """Raise RequirementError or ConfigError if one of its codecs cannot run here."""
        try:
            self._chosen()
        except EmoforgeError as error:
            # Codecs say where their own settings stand; here they stand in this generator's.
            sentence = re.sub(r"\bcodec\.(?=\w+\.\w+=)", "generators.codec.codec.", str(error))
            raise type(error)(sentence) from error

    def _chosen(self) -> list[Chosen]:
        return _choose(tuple(self.codecs), canonical_json(self.codec))

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        """Draw `{"chain": [{"codec": name, "options": …, "version": …, "weights": …}, …]}`.

        The codec's version and weights stand in it, for its samples depend on them.
        """
        chosen = self._chosen()
        count = int(rng.integers(1, min(self.longest, len(chosen)) + 1))
        return {
            "chain": [
                {
                    "codec": chosen[i].name,
                    "options": chosen[i].codec.options(),
                    "version": chosen[i].codec.version,
                    "weights": chosen[i].codec.weights,
                }
                for i in rng.choice(len(chosen), count, replace=False).tolist()
            ]
        }

    def apply(self, clip: Clip, params: Params) -> Audio:
        """The clip through its chain; raises AudioError where a codec cannot take it."""
        outcome = self.apply_batch([clip], [params])[0]
        if outcome.audio is None:
            raise AudioError(outcome.detail)
        return outcome.audio

    def apply_batch(self, clips: Sequence[Clip], params: Sequence[Params]) -> list[Outcome]:
        """As the base class; clips that the same codec is next for go through it together.

        measured: `kbps`, the lowest of the chain, and of several codecs `kbps_1`, `kbps_2`, … in
        their order; `coded_hz`, the lowest; `delay_ms`, the sum of what was taken out.
        """
        sounds: dict[int, Audio] = {}
        outcomes: dict[int, Outcome] = {}
        measured: dict[int, list[dict[str, float]]] = {i: [] for i in range(len(clips))}
        for i, clip in enumerate(clips):
            try:
                sounds[i] = clip.read()
            except EmoforgeError as error:
                outcomes[i] = _failed(error)
        for depth in range(max((len(own["chain"]) for own in params), default=0)):
            waiting: dict[str, list[int]] = {}
            for i in sounds:
                if depth < len(params[i]["chain"]):
                    step = canonical_json(params[i]["chain"][depth])
                    waiting.setdefault(step, []).append(i)
            for places in waiting.values():
                step = params[places[0]]["chain"][depth]
                try:
                    codec = self._ready(step)
                    passed = codec.roundtrip_batch([sounds[i] for i in places])
                except EmoforgeError as error:
                    passed = [AudioError(str(error))] * len(places)
                for i, coded in zip(places, passed, strict=True):
                    if isinstance(coded, AudioError):
                        outcomes[i] = _failed(coded)
                        del sounds[i]
                    else:
                        sounds[i] = coded.audio
                        measured[i].append(coded.measured())
        return [
            outcomes.get(i) or Outcome("ok", audio=sounds[i], measured=_joined(measured[i]))
            for i in range(len(clips))
        ]

    def _ready(self, step: Mapping[str, Any]) -> Codec:
        codec = _loaded(step["codec"], canonical_json(self.codec), canonical_json(step["options"]))
        for what, then, now in (
            ("version", step["version"], codec.version),
            ("weights", step["weights"], codec.weights),
        ):
            if then != now:
                raise AudioError(
                    f"{step['codec']}: planned with {what} {then}, here is {now}; plan again, or "
                    "use the library and weights of then"
                )
        return codec


@lru_cache(maxsize=8)
def _choose(specs: tuple[str, ...], settings: str) -> list[Chosen]:
    return choose_codecs(specs, _plain(settings))


@lru_cache(maxsize=64)
def _loaded(name: str, settings: str, options: str) -> Codec:
    """The codec, ready: once per process."""
    codec = named_codec(name, _plain(settings), _plain(options))
    codec.check_requirements()
    codec.setup()
    return codec


def _plain(text: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(text))


def _failed(error: Exception) -> Outcome:
    return Outcome("failed", type(error).__name__, str(error))


def _joined(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    each = {f"kbps_{i}": step["kbps"] for i, step in enumerate(steps, 1)} if len(steps) > 1 else {}
    return {
        **each,
        "kbps": min(step["kbps"] for step in steps),
        "coded_hz": min(step["coded_hz"] for step in steps),
        "delay_ms": sum(step["delay_ms"] for step in steps),
    }
