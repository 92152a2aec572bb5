"""Folders of coqui-tts models: what their configuration says, and reading them safely.

A configuration names its companions (speakers, languages, a speaker encoder, statistics) by
paths of the machine that trained it: here those of the same name in the model's folder are meant,
else those with the package's usual names. The package reads weights without unpickling anything
but tensors (`weights_only`), but it would import any class that a configuration names and unpickle
statistics whole: both are checked before.
"""

import importlib.util
import json
import pickle
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from emoforge.errors import EmoforgeError, RequirementError
from emoforge.hub import read_json, read_weights

WEIGHTS = ("model_file.pth", "model_file.pth.tar", "model.pth", "checkpoint.pth", "best_model.pth")
"""Names of a model's weights, of which the first that is there is taken."""
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "d_vector_file": ("speakers.json", "speakers.pth"),
    "speakers_file": ("speaker_ids.json", "speaker_ids.pth", "speakers.pth"),
    "language_ids_file": ("language_ids.json",),
    "speaker_encoder_model_path": ("model_se.pth", "model_se.pth.tar"),
    "speaker_encoder_config_path": ("config_se.json",),
    "stats_path": ("scale_stats.npy",),
}
"""Keys of a configuration that name files, and the usual names of these."""


@dataclass(frozen=True)
class Checkpoint:
    """A model's folder; `weights` is the file of its weights."""

    folder: Path
    weights: Path

    @classmethod
    def of(cls, folder: Path, *names: str) -> "Checkpoint":
        """The model in a folder; names: of its weights. Raises RequirementError.

        Looked at once per process while config.json stays: every plan asks for it.
        """
        try:
            time = (folder / "config.json").stat().st_mtime_ns
        except OSError as error:
            raise RequirementError(f"{folder}: no config.json in this folder") from error
        return _checkpoint(folder, names or WEIGHTS, time)

    @cached_property
    def plain(self) -> Mapping[str, Any]:
        """Its config.json; raises RequirementError."""
        return read_json(self.folder / "config.json")

    def setting(self, key: str) -> Any:
        """A value of the configuration: of the model's arguments, else at the top."""
        arguments = self.plain.get("model_args") or {}
        return arguments.get(key) or self.plain.get(key)

    @cached_property
    def languages(self) -> list[str]:
        """Names of the languages that it speaks, as it knows them; none if it does not say."""
        file = self.companions.get("language_ids_file")
        if file and self.setting("use_language_embedding"):
            return list(read_json(file))
        declared = [
            *(self.plain.get("languages") or ()),
            *(one.get("language") for one in self.plain.get("datasets") or ()),
        ]
        names = declared if any(declared) else [self.plain.get("phoneme_language")]
        return list(dict.fromkeys(name for name in names if name))

    @cached_property
    def speakers(self) -> list[str]:
        """Names of the speakers whose voices it has, in order; none if it has but one."""
        if self.setting("use_d_vector_file"):
            file = self.companions.get("d_vector_file")
        elif self.setting("use_speaker_embedding"):
            if declared := self.plain.get("speakers"):
                return list(declared)
            file = self.companions.get("speakers_file")
        else:
            file = None
        return _speakers(file) if file else []

    @cached_property
    def companions(self) -> Mapping[str, Path]:
        """The files in the folder that the configuration's keys mean, those that are there."""
        found = {}
        for key, usual in COMPANIONS.items():
            named = self.setting(key) or (self.plain.get("audio") or {}).get(key) or ""
            name = Path(named[0] if isinstance(named, list) else named).name
            files = [self.folder / one for one in (name, *usual) if one]
            if file := next((one for one in files if one.is_file()), None):
                found[key] = file
        return found

    @cached_property
    def files(self) -> list[Path]:
        """All that its results depend on."""
        return [self.folder / "config.json", self.weights, *{*self.companions.values()}]

    def _localised(self, here: Path) -> dict[str, Any]:
        """The configuration with paths into the folder; the speaker encoder's goes to `here`."""
        config = json.loads(json.dumps(self.plain))
        own_class = (config.get("characters") or {}).get("characters_class") or "TTS."
        if not own_class.startswith("TTS."):
            raise RequirementError(
                f"{self.folder}: refused, its config.json names a class outside coqui-tts "
                f"({own_class}), and importing it could run any code"
            )
        for key in COMPANIONS:
            file = self.companions.get(key)
            if key == "stats_path" and file is not None:
                _check_statistics(file)
            if key == "speaker_encoder_config_path" and file is not None:
                encoder = _localised_encoder(file)
                (file := here / "config_se.json").write_text(encoder, encoding="utf-8")
            for part in (config, config.get("model_args") or {}, config.get("audio") or {}):
                if key in part:
                    value = str(file) if file else ""
                    part[key] = [value] if isinstance(part[key], list) and file else value
        return dict(config)

    @contextmanager
    def loading(self) -> Iterator[Path]:
        """The configuration, with paths into the folder, as a file that the package can read.

        What goes wrong within, while the package loads the model, becomes RequirementError.
        """
        try:
            with tempfile.TemporaryDirectory() as here, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # packages warn of what torch is to change
                file = Path(here) / "config.json"
                file.write_text(json.dumps(self._localised(Path(here))), encoding="utf-8")
                yield file
        except EmoforgeError:
            raise
        except pickle.UnpicklingError as error:
            raise RequirementError(
                f"{self.folder}: refused as unsafe: a file of it holds more than tensors, and "
                "reading it could run any code"
            ) from error
        except Exception as error:
            kind, reason = type(error).__name__, " ".join(str(error).split())[:200]
            raise RequirementError(
                f"{self.folder}: coqui-tts cannot load this model ({kind}: {reason})"
            ) from error


def language_name(language: str, known: Iterable[str]) -> str | None:
    """The name that a model has for a language (BCP 47): the same tag, else the same language."""
    names = {name.lower().replace("_", "-"): name for name in known}
    tag = language.lower().replace("_", "-")
    primary = tag.partition("-")[0]
    alike = [name for own, name in names.items() if own.partition("-")[0] == primary]
    return names.get(tag) or names.get(primary) or next(iter(alike), None)


def official_licence(folder: Path) -> str:
    """Licence of a model that coqui-tts itself fetched, by the folder's name; "" for others."""
    spec = importlib.util.find_spec("TTS")
    if spec is None or not spec.submodule_search_locations:
        return ""
    found: Any = _catalogue(Path(spec.submodule_search_locations[0]) / ".models.json")
    for part in folder.name.split("--"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return str(found.get("license") or "") if isinstance(found, Mapping) else ""


@lru_cache(maxsize=16)
def _checkpoint(folder: Path, names: tuple[str, ...], time: int) -> Checkpoint:
    for name in names:
        if (folder / name).is_file():
            return Checkpoint(folder, folder / name)
    raise RequirementError(f"{folder}: no {' or '.join(names)} in this folder")


@lru_cache(maxsize=1)
def _catalogue(file: Path) -> Mapping[str, Any]:
    return read_json(file)


def _speakers(file: Path) -> list[str]:
    """Names in a file of ids (name → number), or of d-vectors (clip → its speaker's name)."""
    held = read_json(file) if file.suffix == ".json" else read_weights([file])
    names = (one["name"] if isinstance(one, Mapping) else name for name, one in held.items())
    return list(dict.fromkeys(names))


def _localised_encoder(file: Path) -> str:
    config = dict(read_json(file))
    if (config.get("audio") or {}).get("stats_path"):
        config["audio"] = {**config["audio"], "stats_path": None}
    return json.dumps(config)


class _Plain(pickle.Unpickler):
    """Reads nothing but numpy arrays and numbers."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            "numpy": ("ndarray", "dtype"),
            "numpy.core.multiarray": ("_reconstruct", "scalar"),
            "numpy._core.multiarray": ("_reconstruct", "scalar"),
        }
        if name in allowed.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def _check_statistics(file: Path) -> None:
    """Raise RequirementError for statistics (a pickled dictionary) that would run code."""
    from numpy.lib import format as npy

    try:
        with file.open("rb") as stream:
            version = npy.read_magic(stream)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            if read(stream)[2].hasobject:
                _Plain(stream).load()
    except (pickle.UnpicklingError, ValueError, EOFError, OSError) as error:
        raise RequirementError(
            f"{file}: refused, it is damaged or holds more than numbers ({error})"
        ) from error
