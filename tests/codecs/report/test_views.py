"""Who hears the emotion: heads of other speakers, divergences, and the random anchor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

from emoforge.codecs.report import Listeners, centred_cosine, divergence, strangers
from emoforge.label import BASIC4

Floats = np.ndarray


def clips(speakers: int = 8, each: int = 12, width: int = 6) -> tuple[Floats, ...]:
    """Embeddings in which emotions differ, corpora, folds and emotions."""
    rng = np.random.default_rng(0)
    count = speakers * each
    emotions = np.arange(count) % 4
    corpora = np.where(np.arange(count) < count // 2, "one", "two")
    folds = np.arange(count) // each % 4
    centres = rng.normal(size=(4, width)) * 4
    embeddings = centres[emotions] + rng.normal(size=(count, width))
    return embeddings.astype(np.float32)[:, None], corpora, folds, emotions


def test_heads_hear_only_clips_of_other_speakers() -> None:
    """A label that is wrong in one fold alone is heard right there, and nowhere else wrong."""
    embeddings, corpora, folds, emotions = clips()
    known = np.ones(len(emotions), bool)
    listeners = Listeners(BASIC4, corpora, folds, emotions)
    heard = listeners.hear(listeners.learn(embeddings, known), embeddings, known)
    assert (heard == emotions).mean() > 0.95
    wrong = emotions.copy()
    own = (corpora == "one") & (folds == 0)
    wrong[own] = (wrong[own] + 1) % 4
    deceived = Listeners(BASIC4, corpora, folds, wrong)
    again = deceived.hear(deceived.learn(embeddings, known), embeddings, known)
    assert np.array_equal(again[own], heard[own])
    assert np.array_equal(again[corpora == "two"], heard[corpora == "two"])


def test_clips_without_an_embedding_teach_nothing_and_are_not_heard() -> None:
    embeddings, corpora, folds, emotions = clips()
    known = np.ones(len(emotions), bool)
    known[::7] = False
    broken = embeddings.copy()
    broken[~known] = np.nan
    listeners = Listeners(BASIC4, corpora, folds, emotions)
    heard = listeners.hear(listeners.learn(broken, known), broken, known)
    assert (heard[~known] == -1).all()
    assert (heard[known] >= 0).all()


def test_one_speaker_or_one_emotion_has_no_heads() -> None:
    embeddings, corpora, folds, emotions = clips()
    known = np.ones(len(emotions), bool)
    for own_folds, own_emotions in (
        (np.full(len(folds), -1), emotions),
        (folds, np.zeros_like(emotions)),
    ):
        listeners = Listeners(BASIC4, corpora, own_folds, own_emotions)
        heads = listeners.learn(embeddings, known)
        assert heads == []
        assert (listeners.hear(heads, embeddings, known) == -1).all()


distributions = arrays(
    np.float32, (3, 4), elements=st.floats(0, 1, width=32).map(lambda value: value + 2**-20)
).map(lambda rows: rows / rows.sum(1, keepdims=True))


@given(distributions, distributions)
def test_the_divergence_is_that_of_scipy_symmetric_and_within_a_bit(p: Floats, q: Floats) -> None:
    found = divergence(p, q)
    with np.errstate(invalid="ignore"):  # its sums of nearly equal ones fall below 0
        wanted = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)]
    assert found == pytest.approx(np.nan_to_num(wanted), abs=1e-4)
    assert found == pytest.approx(divergence(q, p), abs=1e-6)
    assert divergence(p, p) == pytest.approx(0, abs=1e-6)


def test_certain_and_contrary_distributions_are_one_bit_apart() -> None:
    one = np.array([[1, 0, 0, 0]], np.float32)
    assert divergence(one, one[:, ::-1]) == pytest.approx([1.0])


def test_the_cosine_is_centred_in_each_corpus() -> None:
    """What all clips share, and what a corpus has of its own, does not make them alike."""
    embeddings, corpora, *_ = clips()
    known = np.ones(len(corpora), bool)
    rng = np.random.default_rng(1)
    other = (embeddings + rng.normal(size=embeddings.shape)).astype(np.float32)
    plain = centred_cosine(other, embeddings, corpora, known)
    shift = np.where(corpora == "one", 50, -80).astype(np.float32)[:, None, None]
    assert centred_cosine(other + shift, embeddings + shift, corpora, known) == pytest.approx(
        plain, abs=1e-3
    )
    assert centred_cosine(embeddings, embeddings, corpora, known) == pytest.approx(1, abs=1e-6)
    swapped = centred_cosine(embeddings[strangers(corpora)], embeddings, corpora, known)
    assert abs(np.mean(swapped)) < 0.3


def test_a_stranger_is_of_the_same_corpus_and_everyone_is_one() -> None:
    corpora = clips()[1]
    found = strangers(corpora)
    assert (corpora[found] == corpora).all()
    assert sorted(found) == list(range(len(corpora)))
    assert (found != np.arange(len(corpora))).mean() > 0.9
