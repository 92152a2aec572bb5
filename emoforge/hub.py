"""Where a model's files are, what is in them, and their digest; imports torch only to read weights.

A model is a local folder, or a repository of the hub pinned to a commit: an unpinned name would
mean other weights tomorrow. Weights are safetensors or a pickle of nothing but tensors.
"""

import functools
import hashlib
import importlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from emoforge.errors import ConfigError, RequirementError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def model_folder(
    model: str,
    revision: str,
    needs: Sequence[Sequence[str]],
    also: Sequence[str] = (),
    *,
    key: str = "judge",
) -> Path:
    """The folder with a model's files.

    model: a local folder, or a hub repository's id (`owner/name`), which needs `revision`, a
        commit of 40 hex digits; its files are downloaded once, into the hub's own cache.
    key: what the user's settings begin with, for sentences such as "add judge.model=…".
    needs: groups of file patterns; of each group the first pattern that matches is taken, such as
        `[["config.json"], ["*.safetensors", "*.bin"]]`. also: patterns of what may be absent.

    Raises ConfigError for an empty name or a missing revision, RequirementError if the files
    cannot be had.
    """
    if not model:
        raise ConfigError(f"no model is named: add {key}.model=… (a folder, or owner/name)")
    folder = Path(model).expanduser()
    if folder.is_dir():
        missing = _missing(folder, needs)
        if missing:
            raise RequirementError(f"{folder}: no {missing} in this folder, so it is no such model")
        return folder
    if model.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(model):
        raise RequirementError(f"{model}: there is no such folder of a model")
    if not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"model '{model}' is no folder here; for a hub repository of that name, pin the "
            f"commit: add {key}.revision=… (40 hex digits)"
        )
    return _from_hub(model, revision, needs, also)


def _missing(folder: Path, needs: Sequence[Sequence[str]]) -> str:
    """The first group of patterns that nothing matches, as text; "" where all are there."""
    for group in needs:
        if not any(any(folder.glob(pattern)) for pattern in group):
            return " or ".join(group)
    return ""


def _from_hub(
    model: str, revision: str, needs: Sequence[Sequence[str]], also: Sequence[str]
) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise RequirementError(
            f"model '{model}' is on the hub, which needs Python package 'huggingface_hub' "
            "(pip install 'emoforge[hf]'), or a local folder instead"
        ) from error
    try:  # what an earlier run fetched needs no network
        folder = Path(snapshot_download(model, revision=revision, local_files_only=True))
        if not _missing(folder, needs):
            return folder
    except LocalEntryNotFoundError:
        pass
    try:
        for group in needs:
            for pattern in group:
                folder = Path(
                    snapshot_download(
                        model,
                        revision=revision,
                        allow_patterns=[pattern, *also],
                        tqdm_class=_silent(),
                    )
                )
                if any(folder.glob(pattern)):
                    break
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise RequirementError(
            f"model '{model}' at {revision[:12]} cannot be fetched from the hub ({reason}); "
            "without a network, give a local folder"
        ) from error
    missing = _missing(folder, needs)
    if missing:
        raise RequirementError(f"model '{model}' at {revision[:12]} has no {missing}")
    return folder


def _silent() -> type[Any]:
    """A progress bar that shows nothing."""
    base: Any = importlib.import_module("tqdm").tqdm

    class Silent(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})

    return Silent


def weights_digest(files: Iterable[Path]) -> str:
    """BLAKE2b-128 of the files' names and content, 32 hex digits, whatever their order.

    A file is read once per process while its size and time stay. Raises RequirementError.
    """
    total = hashlib.blake2b(digest_size=16)
    for file in sorted(files, key=lambda file: file.name):
        try:
            about = file.stat()
            content = _content_digest(file.resolve(), about.st_size, about.st_mtime_ns)
        except OSError as error:
            raise RequirementError(
                f"{file}: weights cannot be read ({error.strerror or error})"
            ) from error
        total.update(f"{file.name}\0{content}\0".encode())
    return total.hexdigest()


@functools.lru_cache(maxsize=256)
def _content_digest(file: Path, size: int, time: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(
            stream,
            lambda: hashlib.blake2b(digest_size=16),  # type: ignore[arg-type,unused-ignore]
        ).hexdigest()


def read_json(file: Path) -> dict[str, Any]:
    """An object from a JSON file; raises RequirementError if it cannot be read."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequirementError(f"{file}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise RequirementError(f"{file}: damaged, it is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise RequirementError(f"{file}: damaged, it should hold a JSON object")
    return content


def read_weights(files: Iterable[Path]) -> dict[str, Any]:
    """What weights files hold, on the CPU: tensors by name, merged over the files (shards).

    safetensors, or pickles that hold nothing but tensors and plain values: those may nest
    (`{"model": {…}, "epoch": 3}`). Raises RequirementError for a file that is damaged, or that
    would run code to be read.
    """
    merged: dict[str, Any] = {}
    for file in files:
        merged.update(_read_safetensors(file) if file.suffix == ".safetensors" else _unpickle(file))
    return merged


def _read_safetensors(file: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        loaded: dict[str, Any] = load_file(file)
    except OSError as error:
        raise RequirementError(
            f"{file}: weights cannot be read ({error.strerror or error})"
        ) from error
    except SafetensorError as error:
        raise RequirementError(f"{file}: damaged, it is not safetensors ({error})") from error
    return loaded


def _unpickle(file: Path) -> dict[str, Any]:
    import pickle

    import torch

    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise RequirementError(
            f"{file}: weights cannot be read ({error.strerror or error})"
        ) from error
    except pickle.UnpicklingError as error:
        raise RequirementError(
            f"{file}: refused as an unsafe pickle: it holds more than tensors, and reading it "
            "could run any code; convert the weights to safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise RequirementError(f"{file}: damaged, it is no weights file ({reason})") from error
    if not isinstance(loaded, dict):
        raise RequirementError(f"{file}: holds no tensors by name, but {type(loaded).__name__}")
    return loaded
