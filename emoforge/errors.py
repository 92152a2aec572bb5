"""Every error that emoforge expects, in one tree.

    EmoforgeError             shown to the user as one sentence, without a traceback
    ├── ConfigError           a setting, option or component name that cannot be used
    ├── CorpusError           a corpus that cannot be read: what, which file, which row
    │   └── LabelError        an emotion that the scheme does not have
    ├── AudioError            audio that cannot be read, written or used
    ├── ExportError           a training set that cannot be written
    ├── RequirementError      a package or weights file that a component needs is absent
    ├── WorkspaceError        a workspace that cannot be opened or written
    │   └── WorkspaceBusyError  another process is writing to it
    └── RunStoppedError       more failures than `max_failures` allows

`SkipClip` is not an error: a generator raises it from `plan` when a clip does not suit it.
"""

import difflib
from collections.abc import Iterable


class EmoforgeError(Exception):
    """Base of all expected errors; its message is one sentence meant for the user."""


class ConfigError(EmoforgeError):
    pass


class CorpusError(EmoforgeError):
    pass


class LabelError(CorpusError):
    pass


class AudioError(EmoforgeError):
    pass


class ExportError(EmoforgeError):
    pass


class RequirementError(EmoforgeError):
    pass


class WorkspaceError(EmoforgeError):
    pass


class WorkspaceBusyError(WorkspaceError):
    pass


class RunStoppedError(EmoforgeError):
    pass


class SkipClip(Exception):  # noqa: N818 - a signal, not an error
    """Raised by `Generator.plan` for a clip that it cannot serve; the message is the reason."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names come closest: `did you mean 'x'? Known: …` (for error messages)."""
    known = sorted(known)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}known: {', '.join(known)}"
