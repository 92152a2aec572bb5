"""What holds for every registered measure that runs with what is here, on real speech."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from emoforge.audio import Audio, read
from emoforge.component import component_class, create, registered, rng_for
from emoforge.errors import AudioError, ConfigError, RequirementError
from emoforge.selection.measures import Measure

WEIGHTS = {"dnsmos", "dnsmospro", "nisqa"}
MEASURES = sorted(set(registered("measure")) - {"ecapa"})
"""ECAPA's published weights are not among the shared ones: `test_ecapa` makes its own."""

PERFECT = {
    "f0_corr": 1.0, "f0_rmse_cents": 0.0, "voicing_error": 0.0, "energy_error_db": 0.0,
    "rate_error": 0.0, "mel_db": 0.0, "si_sdr_db": 100.0, "stoi": 1.0, "pesq": 4.644,
    "speaker_cosine": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module", params=MEASURES)
def measure(request: pytest.FixtureRequest, shared: Path) -> Measure:
    name = request.param
    options = {"model": str(shared / "weights" / name)} if name in WEIGHTS else {}
    made = cast(Measure, create("measure", name, options))
    made.check_requirements()
    made.setup()
    return made


@pytest.fixture(scope="module")
def pair(shared: Path) -> tuple[Audio, Audio]:
    """A recording and what a codec left of it."""
    folder = shared / "reference" / "codec_mushra" / "audio" / "stim_01"
    original, coded = (read(folder / f"{name}.flac") for name in ("ref", "lyra_32"))
    return original.resampled(16000), coded.resampled(16000)


def measured(measure: Measure, original: Audio, other: Audio) -> dict[str, float]:
    values = dict(measure.compare(measure.prepare(original), other))
    assert list(values) == [result.name for result in measure.results]
    assert all(type(value) is float for value in values.values())
    return values


def test_the_original_itself_is_perfect(measure: Measure, pair: tuple[Audio, Audio]) -> None:
    for result in measure.results:
        value = measured(measure, pair[0], pair[0])[result.name]
        if result.alone:
            assert 1 <= value <= 5
        else:
            assert value == pytest.approx(PERFECT[result.name], abs=1e-3)


def test_worse_sound_is_worse_and_the_answer_is_always_the_same(
    measure: Measure, pair: tuple[Audio, Audio]
) -> None:
    """A codec, and noise on top: the codec alone is too good for some predictors of quality."""
    hiss = rng_for("measures").normal(0, 0.005, len(pair[1].samples)).astype(np.float32)
    worse = Audio(pair[1].samples + hiss, pair[1].rate)
    original, coded = (measured(measure, pair[0], other) for other in (pair[0], worse))
    assert measured(measure, pair[0], worse) == coded
    for result in measure.results:
        sign = 1 if result.better == "higher" else -1
        change = sign * (original[result.name] - coded[result.name])
        # The syllables may be as many still.
        assert change >= 0 if result.name == "rate_error" else change > 0


def test_half_the_level_changes_only_what_says_so(
    measure: Measure, pair: tuple[Audio, Audio]
) -> None:
    quiet = Audio(0.5 * pair[1].samples, pair[1].rate)
    before, after = (measured(measure, pair[0], other) for other in (pair[1], quiet))
    counts = {"mel_db": 20 * np.log10(2)}
    for result in measure.results:
        change = abs(after[result.name] - before[result.name])
        if result.name in counts:
            assert 0 < change <= counts[result.name]
        elif not result.alone or result.name == "dnsmos_p808":
            assert change <= 1e-3


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(16000, np.float32),
        np.zeros(800, np.float32),
        np.full(16000, 0.5, np.float32),
        rng_for("measures").normal(0, 0.1, 800).astype(np.float32),
        rng_for("measures").normal(0, 0.1, 32000).astype(np.float32),
        np.sign(np.sin(np.arange(16000) / 12)).astype(np.float32),
        np.eye(1, 16000, 8000, dtype=np.float32)[0],
    ],
    ids=["silence", "short silence", "offset", "short noise", "noise", "clipped", "click"],
)
def test_sounds_at_the_edge_have_numbers_or_none(measure: Measure, sound: Any) -> None:
    audio = Audio(sound, 16000)
    others = [audio, Audio(np.zeros_like(sound), 16000)]
    for other in others:
        try:
            values = measured(measure, audio, other)
        except AudioError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either answer is right
            continue
        assert not any(np.isinf(value) for value in values.values())


def test_silence_has_no_number(measure: Measure, pair: tuple[Audio, Audio]) -> None:
    """But a distance, where there is one to the floor."""
    nothing = Audio(np.zeros_like(pair[0].samples), pair[0].rate)
    values = measured(measure, pair[0], nothing)
    assert {name for name, value in values.items() if not np.isnan(value)} <= {"mel_db"}


@pytest.mark.parametrize("rate", [8000, 24000, 44100, 48000])
def test_every_rate_is_measured(measure: Measure, pair: tuple[Audio, Audio], rate: int) -> None:
    values = measured(measure, *(sound.resampled(rate) for sound in pair))
    assert all(np.isfinite(value) for value in values.values())


def test_names_of_results_are_of_one_measure_only() -> None:
    names = [
        result.name
        for name in registered("measure")
        for result in cast(type[Measure], component_class("measure", name)).results
    ]
    assert len(names) == len(set(names))
    assert all(names)


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_missing_weights_are_one_sentence(name: str, tmp_path: Path) -> None:
    for folder in ("", str(tmp_path)):
        made = create("measure", name, {"model": folder})
        with pytest.raises(RequirementError, match=rf"set measures\.{name}\.model=DIR") as caught:
            made.setup()
        assert "github.com" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_damaged_weights_are_one_sentence(name: str, tmp_path: Path) -> None:
    made = create("measure", name, {"model": str(tmp_path)})
    for file in made.files:  # type: ignore[attr-defined]
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"no network")
    with pytest.raises(RequirementError, match="damaged") as caught:
        made.setup()
    assert "\n" not in str(caught.value)


def test_the_folder_of_weights_does_not_count_but_what_is_in_it(
    shared: Path, tmp_path: Path
) -> None:
    there = create("measure", "nisqa", {"model": str(shared / "weights" / "nisqa")})
    (tmp_path / "nisqa.tar").write_bytes(b"other")
    other = create("measure", "nisqa", {"model": str(tmp_path)})
    assert there.options() == other.options() == {}
    assert there.weights != other.weights


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="corpus"):
        create("measure", "dnsmospro", {"corpus": "TIMIT"})
