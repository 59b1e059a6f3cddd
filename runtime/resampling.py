"""Sounds at another sampling rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CROSSINGS = 32  # of the sinc with zero, on either side: where the kernel ends
ROLL_OFF = 0.95  # how much of the lower rate's band is kept
TERMS = (0.35875, 0.48829, 0.14128, 0.01168)  # of the window over the kernel


def resample(samples: np.ndarray[Any, Any], old: int, new: int) -> np.ndarray[Any, Any]:
    """A sound [samples] at `new` instead of `old` samples a second: ceil(samples * new / old), the first where it was.

    Each is a mean of those around it, weighed by a sinc under a window, without the frequencies that the lower
    of the two rates does not hold. Before and behind the sound is silence.
    """
    import numpy as np

    step, phases = old // math.gcd(old, new), new // math.gcd(old, new)
    count = -(-len(samples) * phases // step)
    band = ROLL_OFF * min(1.0, new / old)  # of the old rate's
    half = math.ceil(CROSSINGS / band)
    padded = np.pad(samples.astype(np.float64), (half, half + 1))
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    taps = np.arange(-half, half + 1)
    result = np.empty(count, np.float32)
    for phase in range(min(phases, count)):  # results that lie alike between samples share their weights
        first, between = divmod(phase * step, phases)
        distance = taps - between / phases
        kernel = band * np.sinc(band * distance) * _window(distance / (half + 1))
        ends = slice(phase, None, phases)
        result[ends] = around[first::step][: len(result[ends])] @ kernel
    return result


def _window(place: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The window of Blackman and Harris with four terms, from -1 to 1: its side lobes are 92 dB down."""
    import numpy as np

    window = sum(term * np.cos(np.pi * order * place) for order, term in enumerate(TERMS))
    return np.asarray(window)
