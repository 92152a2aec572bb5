"""A folder that appears complete or not at all."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emoforge.errors import ExportError

CARD = "emoforge.json"
"""The machine-readable card; it also marks a folder as an export, which may be replaced."""


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `out`; when the block ends well it takes the name `out`.

    When the block raises, or the process dies, nothing stands under the name, or the earlier
    export still does. What a killed run left behind is cleared by the next one. Raises
    ExportError if `out` holds anything but an earlier export, if another process is exporting
    to it, or for an OSError in the block (a full disk, a forbidden folder).
    """
    out = Path(os.path.realpath(out))
    _check_replaceable(out)
    partial = out.with_name(f".{out.name}.emoforge-partial")
    earlier = out.with_name(f".{out.name}.emoforge-earlier")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with _locked(partial, out):
            try:
                _empty(partial)
                yield partial
                if out.exists():
                    shutil.rmtree(earlier, ignore_errors=True)
                    out.rename(earlier)
                partial.rename(out)
                shutil.rmtree(earlier, ignore_errors=True)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ExportError(
                f"{out}: the disk is full, nothing was exported; free some space and run the "
                "same command again"
            ) from error
        raise ExportError(f"{out}: cannot be written ({error.strerror or error})") from error


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise ExportError(f"{out}: is a file; name a folder that does not exist yet")
    names = {entry.name for entry in out.iterdir()}
    if not names:
        return
    try:
        written = set(json.loads((out / CARD).read_text("utf-8"))["entries"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ExportError(
            f"{out}: holds files that are no export of emoforge; name a new or an empty folder"
        ) from None
    if foreign := sorted(names - written):
        raise ExportError(
            f"{out}: holds '{foreign[0]}', which the export there did not write; "
            "move it away, or name another folder"
        )


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Had another export finished in between, the folder would have another name by now.
        if not os.path.samestat(os.fstat(handle), os.stat(folder)):
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):
        os.close(handle)
        raise ExportError(f"{out}: another export is writing here; wait for it") from None
    try:
        yield
    finally:
        os.close(handle)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
