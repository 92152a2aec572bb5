"""Where a workspace's generated audio lies."""

import errno
import os
import shutil
from pathlib import Path

from emoforge.errors import WorkspaceError

PARTIAL = ".partial"
"""Folder under the audio root for files that are being written; a killed run leaves some."""


class AudioStore:
    """Where generated audio lies: `root/ab/ab12….flac`; `root` is a local path or fsspec URL.

    Plain data, so that worker processes can have a copy.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.remote = "://" in root

    def path(self, key: str) -> str:
        """Full path or URL of a stored clip, from its key or its candidate id."""
        if "/" not in key:
            key = f"{key[:2]}/{key}.flac"
        return f"{self.root}/{key}"

    def clear_partial(self) -> None:
        """Remove what a killed run left half-written."""
        if not self.remote:
            shutil.rmtree(Path(self.root) / PARTIAL, ignore_errors=True)

    def write(self, candidate: str, flac: bytes) -> str:
        """Store a file under a temporary name, then rename it; returns its key.

        Raises WorkspaceError when the disk is full or the place cannot be written.
        """
        key = f"{candidate[:2]}/{candidate}.flac"
        try:
            if self.remote:
                import fsspec

                # Object stores show an object only once all of it has arrived.
                with fsspec.open(self.path(key), "wb") as target:
                    target.write(flac)
            else:
                final = Path(self.path(key))
                partial = Path(self.root) / PARTIAL / f"{candidate}.{os.getpid()}"
                final.parent.mkdir(parents=True, exist_ok=True)
                partial.parent.mkdir(exist_ok=True)
                try:
                    partial.write_bytes(flac)
                    partial.replace(final)
                finally:
                    partial.unlink(missing_ok=True)
        except OSError as error:
            raise WorkspaceError(storage_sentence(self.root, error)) from error
        return key


def storage_sentence(place: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{place}: the disk is full; free some space and run the same command again"
    return f"{place}: cannot be written ({error.strerror or error})"
