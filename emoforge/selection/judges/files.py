"""Asking a judge about audio files."""

from collections.abc import Sequence
from pathlib import Path

from emoforge.audio import Samples, read
from emoforge.errors import AudioError, ConfigError, nearest
from emoforge.label import scheme as scheme_named
from emoforge.selection.judges.judge import Judge


def score_files(
    judge: Judge, files: Sequence[Path], scheme: str
) -> dict[Path, dict[str, float] | AudioError]:
    """File → class → probability under one of the judge's schemes, or why it cannot be judged.

    Raises ConfigError if the judge does not know the scheme.
    """
    classes = scheme_named(scheme).classes
    judge.setup()
    decoded = {file: _decoded(file, judge.rate) for file in files}
    heard = iter(judge.score([a for a in decoded.values() if not isinstance(a, AudioError)]))
    answers: dict[Path, dict[str, float] | AudioError] = {}
    for file, audio in decoded.items():
        answer = audio if isinstance(audio, AudioError) else next(heard)
        if isinstance(answer, AudioError):
            answers[file] = answer
        elif scheme not in answer.distributions:
            known = nearest(scheme, answer.distributions)
            raise ConfigError(f"the judge does not know scheme '{scheme}': {known}")
        else:
            answers[file] = dict(zip(classes, answer.distributions[scheme], strict=True))
    return answers


def _decoded(file: Path, rate: int) -> Samples | AudioError:
    try:
        return read(file).resampled(rate).samples
    except AudioError as error:
        return error
