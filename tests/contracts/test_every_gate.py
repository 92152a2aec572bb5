"""What holds for every registered gate that runs with what is here."""

import pickle
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from emoforge.audio import Audio, Samples, read
from emoforge.component import Promise, create, registered, rng_for
from emoforge.label import Label
from emoforge.selection.gates import Gate, Given

WEIGHTS = {"dnsmos", "nisqa"}
GATES = sorted(set(registered("gate")) - {"wer"})
"""No recogniser's weights are among the shared ones: `test_wer` makes its own."""

LIMITS = ("lowest", "highest")


@pytest.fixture(scope="module", params=GATES)
def gate(request: pytest.FixtureRequest, shared: Path) -> Gate:
    name = request.param
    options = {"model": str(shared / "weights" / name)} if name in WEIGHTS else {}
    made = cast(Gate, create("gate", name, options))
    made.check_requirements()
    made.setup()
    return made


@pytest.fixture(scope="module")
def spoken(shared: Path) -> Audio:
    return read(shared / "corpora" / "ravdess" / "03-01-03-01-01-01-02.flac")


def wanted(audio: Audio, source: Audio) -> Given:
    promise = Promise(
        Label.of("happy"), "s", max(audio.duration, 0.01), "Kids are talking by the door.", "en-US"
    )
    return Given(promise, source, [source])


def measured(gate: Gate, audio: Audio, source: Audio) -> float | None:
    value = gate.measure(audio, wanted(audio, source))
    assert value is None or (type(value) is float and np.isfinite(value))
    return value


def test_speech_has_a_number_and_always_the_same(gate: Gate, spoken: Audio) -> None:
    value = measured(gate, spoken, spoken)
    assert value is not None
    measured(gate, spoken.resampled(8000), spoken)
    assert measured(gate, spoken, spoken) == value


def sounds() -> dict[str, Samples]:
    noise = rng_for("gates").normal(0, 0.1, 16000).astype(np.float32)
    return {
        "nothing": noise[:0],
        "one sample": noise[:1],
        "silence": np.zeros(16000, np.float32),
        "offset": np.full(16000, 0.5, np.float32),
        "short noise": noise[:800],
        "noise": noise,
        "click": np.eye(1, 16000, 8000, dtype=np.float32)[0],
    }


@pytest.mark.parametrize("what", sounds())
def test_sounds_at_the_edge_have_numbers_or_none(gate: Gate, spoken: Audio, what: str) -> None:
    audio = Audio(sounds()[what], 16000)
    for source in (spoken, audio):
        value = measured(gate, audio, source)
        assert value is None or gate.reject(value) is None or gate.reject(value)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 48000])
def test_every_rate_is_measured(gate: Gate, spoken: Audio, rate: int) -> None:
    assert measured(gate, spoken.resampled(rate), spoken) is not None


def test_long_audio_is_measured(gate: Gate, spoken: Audio) -> None:
    """A minute, which may be too long for a network, but is no error."""
    measured(gate, Audio(np.resize(spoken.samples, 60 * 16000), 16000), spoken)


def test_without_text_source_and_references_there_is_a_number_or_none(
    gate: Gate, spoken: Audio
) -> None:
    promise = Promise(Label.of("happy"), "s", spoken.duration, None, None)
    value = gate.measure(spoken, Given(promise))
    assert value is None or np.isfinite(value)


def test_a_copy_for_a_worker_carries_options_and_measures_alike(gate: Gate, spoken: Audio) -> None:
    copy = pickle.loads(pickle.dumps(gate))
    assert copy == gate
    assert len(pickle.dumps(gate)) < 1000
    assert measured(copy, spoken, spoken) == measured(gate, spoken, spoken)


@pytest.mark.parametrize("name", sorted(registered("gate")))
def test_a_rejection_says_value_and_limit(name: str) -> None:
    gate = cast(Gate, create("gate", name))
    limits = {limit: getattr(gate, limit) for limit in LIMITS if hasattr(gate, limit)}
    for limit, value in limits.items():
        beyond = value + (1 if limit == "highest" else -1) * 0.25 * (abs(value) + 0.1)
        sentence = gate.reject(beyond)
        assert sentence is not None
        assert "\n" not in sentence
        shown = [
            f"{number:{form}}" for form in (".2f", ".1f", ".0%", ".2%") for number in (beyond,)
        ]
        assert any(one in sentence for one in shown), sentence
        shown = [f"{value:{form}}" for form in (".2f", ".1f", ".0%", ".2%")]
        assert any(one in sentence for one in shown), sentence
        assert gate.reject(value) is None
    if not limits:  # a count that must be 0
        assert gate.reject(0.0) is None
        assert "7" in str(gate.reject(7.0))


def test_what_is_not_always_measured_says_so() -> None:
    named = {name for name in registered("gate") if cast(Gate, create("gate", name)).always}
    assert named == {
        "finite", "decodable", "duration", "silence", "clipping", "level", "voiced", "duplicate",
    }  # fmt: skip
