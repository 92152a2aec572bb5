"""Asking a judge about audio files."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from emoforge.audio import Audio
from emoforge.errors import AudioError, ConfigError, nearest
from emoforge.label import BASIC4
from emoforge.label import scheme as scheme_named
from emoforge.selection.judges.encoded import encode_all
from emoforge.selection.judges.judge import Encoding, Judge

T = TypeVar("T")
Heard = dict[str, float]
"""Class → probability."""


def score_items(
    judge: Judge, items: Iterable[T], read: Callable[[T], Audio], scheme: str = ""
) -> Iterator[tuple[T, Heard | AudioError]]:
    """What a judge hears in many items, one after another, in bounded memory.

    read: decodes an item, in threads; an item that raises AudioError gets it for an answer.
    scheme: basic4, or else the first that the judge knows, if not set. Raises ConfigError if the
    judge does not know it.
    """
    name = chosen_scheme(judge, scheme)
    return _scored(judge, items, read, name)


def chosen_scheme(judge: Judge, scheme: str = "") -> str:
    """The scheme to ask a judge about; raises ConfigError if the judge does not know it."""
    known = [*judge.schemes]
    if not known:
        raise ConfigError(
            f"the judge '{judge.name}' brings no classes of its own: give it a head, "
            "judge.head=FILE (emoforge judge train recipe=head makes one)"
        )
    if scheme and scheme not in known:
        raise ConfigError(
            f"the judge '{judge.name}' does not know scheme '{scheme}': {nearest(scheme, known)}"
        )
    return scheme or (BASIC4.name if BASIC4.name in known else known[0])


def _scored(
    judge: Judge, items: Iterable[T], read: Callable[[T], Audio], scheme: str
) -> Iterator[tuple[T, Heard | AudioError]]:
    classes = scheme_named(scheme).classes
    for batch in encode_all(judge, items, read):
        heard = iter(judge.distributions([e for _, e in batch if isinstance(e, Encoding)]))
        for item, answer in batch:
            if isinstance(answer, AudioError):
                yield item, answer
            else:
                yield item, dict(zip(classes, next(heard)[scheme], strict=True))
