"""Impulse responses of box-shaped rooms by the image-source method.

J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room acoustics",
JASA 65(4), 1979. Written here in NumPy because a candidate must be made again exactly from its
lineage: pyroomacoustics sums reflections in as many parts as the machine has cores, so that
the samples depend on the machine; and it takes seconds to import. The tests compare the two.
"""

import numpy as np
import numpy.typing as npt

SPEED_OF_SOUND = 343.0
"""Metres a second, at 20 °C."""
OVERSAMPLING = 8
"""Reflections are placed on a grid this many times finer than the sampling rate."""

Point = tuple[float, float, float]


def sabine_absorption(size: Point, rt60: float) -> float:
    """Mean energy absorption of the walls for a reverberation time in seconds (Sabine).

    Above 1 where no wall absorbs enough for so short a time.
    """
    x, y, z = size
    volume, surface = x * y * z, 2 * (x * y + y * z + x * z)
    return float(24 * np.log(10) * volume / (SPEED_OF_SOUND * surface * rt60))


def impulse_response(
    size: Point, source: Point, microphone: Point, rt60: float, rate: int
) -> tuple[npt.NDArray[np.float64], int]:
    """Response of the room from source to microphone, and the sample of the direct sound.

    size, source, microphone: metres, with one corner at the origin. All reflections that
    arrive within `rt60` seconds are in it; the direct sound has amplitude 1.
    """
    reflection = np.sqrt(1 - min(sabine_absorption(size, rt60), 1.0))
    reach = SPEED_OF_SOUND * rt60
    # Along an axis of length L the images lie at 2mL ± s, behind |2m| or |2m ∓ 1| walls.
    offsets, bounces = [], []
    for length, s, m in zip(size, source, microphone, strict=True):
        count = int(reach / (2 * length)) + 1
        order = np.arange(-count, count + 1)
        offsets.append(np.concatenate((2 * order * length + s, 2 * order * length - s)) - m)
        bounces.append(np.concatenate((np.abs(2 * order), np.abs(2 * order - 1))))
    squares = [offset**2 for offset in offsets]
    distance = np.sqrt(
        squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]
    )
    heard = distance < reach
    walls = (bounces[0][:, None, None] + bounces[1][None, :, None] + bounces[2][None, None, :])[
        heard
    ]
    distance = distance[heard]
    direct = float(np.linalg.norm(np.subtract(source, microphone)))
    amplitude = reflection ** np.arange(walls.max() + 1)
    fine = rate * OVERSAMPLING
    arrivals = np.rint(distance * (fine / SPEED_OF_SOUND)).astype(np.int64)
    dense = np.bincount(arrivals, amplitude[walls] * (direct / distance)).astype(np.float64)
    return _to_rate(dense, rate), round(direct * rate / SPEED_OF_SOUND)


def _to_rate(dense: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    """From the fine grid to the sampling rate, without the image method's rumble.

    All reflections being positive, they add up at frequencies where a room has no mode; Allen
    and Berkley remove these too.
    """
    from scipy.signal import butter, resample_poly, sosfilt

    response = OVERSAMPLING * resample_poly(dense, 1, OVERSAMPLING)
    rumble = butter(2, 50, "highpass", fs=rate, output="sos")
    return np.asarray(sosfilt(rumble, response))
