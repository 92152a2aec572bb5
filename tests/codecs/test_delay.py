"""The delay that is measured is the delay that there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.audio import Samples
from emoforge.codecs.delay import LATEST_S, measure_delay
from emoforge.codecs.libav import AAC, G722, G7231, AMRNarrowband


def line(delay: int, gain: float = 1.0, noise: float = 0.0) -> tuple[int, int]:
    """Measured at 8 and 16 kHz for a line that is late by so many samples."""

    def late(samples: Samples) -> Samples:
        hiss = np.random.default_rng(0).standard_normal(len(samples)) * noise
        return np.concatenate([np.zeros(delay), gain * samples + hiss]).astype(np.float32)

    return measure_delay(late, 8000), measure_delay(late, 16000)


@settings(max_examples=15)
@given(
    delay=st.integers(0, round(LATEST_S * 8000) - 100),
    gain=st.floats(0.05, 1),
    noise=st.floats(0, 0.01),
)
def test_a_late_line_is_found_to_the_sample(delay: int, gain: float, noise: float) -> None:
    assert line(delay, gain, noise * gain) == (delay, delay)


@pytest.mark.parametrize(
    ("codec", "rate", "samples"),
    [
        (AMRNarrowband(kbps=12.2), 8000, 40),
        (AMRNarrowband(kbps=4.75), 8000, 40),
        (G722(kbps=64), 16000, 22),
        (G7231(kbps=6.3), 8000, 60),
        (AAC(kbps=32), 16000, 1024),
        (AAC(kbps=64), 48000, 1024),
    ],
)
def test_the_delays_of_the_standards(
    codec: AMRNarrowband | G722 | G7231 | AAC, rate: int, samples: int
) -> None:
    # 5 ms of lookahead, two filters of 24 taps at half the rate, 7.5 ms of lookahead, a frame.
    assert codec.delay(rate) == samples
