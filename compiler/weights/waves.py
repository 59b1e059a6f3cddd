"""Cosine waves, windows, and the kernels of a Fourier transform, by + - * / and sqrt alone: the same on every machine.

STFT            Keras' initializer of the kernels of a short-time Fourier transform
cosines         cos(2 pi k / n) of every k below n
window_values   a window by its name, as scipy.signal.get_window gives it, or the numbers given
scale           what a window is divided by
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from archonnx.compiler.weights.elements import Elements, Shape, Waves
from archonnx.compiler.weights.kinds import Initializer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles: TypeAlias = "NDArray[np.float64]"

HALF_PI = 1.5707963267948966
TERMS = 10  # of the series up to pi / 4, where the next is below 2**-56
# Windows that are sums of cosines: the factor of each, beginning with the constant.
COSINE_SUMS = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}
WINDOWS = (*COSINE_SUMS, "bartlett", "boxcar")


@dataclass(frozen=True)
class STFT(Initializer):
    """Kernels [frame, 1, bins]: the cosine ("real") or the negative sine ("imag") of each bin, times a window."""

    side: str = "real"
    window: str | tuple[float, ...] | None = "hann"
    scaling: str | None = "density"
    periodic: bool = False

    def elements(self, shape: Shape) -> Elements:
        return Waves(self.side, self.window, self.scaling, self.periodic)


def kernel(waves: Waves, shape: Shape, index: NDArray[np.int64]) -> Doubles:
    """The elements at these places, in C order, of a kernel [frame, 1, bins]."""
    import numpy as np

    frame, bins = shape[0], shape[-1]
    length = 2 * (bins - 1)
    time, number = np.divmod(index, bins)
    phase = time * number % length
    wave: Doubles = cosines(length)[phase] if waves.side == "real" else -sines(length)[phase]
    if waves.window is None:
        return wave
    values = window_values(waves.window, frame, waves.periodic)
    result: Doubles = wave * (values / scale(values, waves.scaling))[time]
    return result


def cosines(count: int) -> Doubles:
    """cos(2 pi k / count) of k from 0 to count - 1, within an ulp or so; exact where it is 0, 1 or -1."""
    import numpy as np

    quadrant, rest = np.divmod(4 * np.arange(count), count)
    near, far = _quarter(rest, count)
    signed = np.stack([near, -far, -near, far])
    result: Doubles = signed[quadrant, np.arange(count)] + 0.0  # no negative zeros
    return result


def sines(count: int) -> Doubles:
    """sin(2 pi k / count), likewise."""
    import numpy as np

    quadrant, rest = np.divmod(4 * np.arange(count), count)
    near, far = _quarter(rest, count)
    signed = np.stack([far, near, -far, -near])
    result: Doubles = signed[quadrant, np.arange(count)] + 0.0
    return result


def _quarter(rest: NDArray[np.int64], count: int) -> tuple[Doubles, Doubles]:
    """Cosine and sine of rest / count of a right angle, by their series up to half of one."""
    import numpy as np

    past = 2 * rest > count
    x = np.where(past, count - rest, rest) / count * HALF_PI
    square = x * x
    cosine, sine = np.zeros_like(x), np.zeros_like(x)
    for k in reversed(range(TERMS)):
        sign = -1.0 if k % 2 else 1.0
        cosine = cosine * square + sign / math.factorial(2 * k)
        sine = sine * square + sign / math.factorial(2 * k + 1)
    sine = sine * x
    cosine[2 * rest == count] = sine[2 * rest == count]  # alike at half a right angle
    return np.where(past, sine, cosine), np.where(past, cosine, sine)


def window_values(window: str | tuple[float, ...], length: int, periodic: bool) -> Doubles:
    """The window's values; a periodic one is the first part of a symmetric one that is longer by one."""
    import numpy as np

    if not isinstance(window, str):
        return np.asarray(window, np.float64)
    span = length if periodic else length - 1
    if window == "boxcar" or span < 1:
        return np.ones(length)
    places = np.arange(length)
    if window == "bartlett":
        return np.where(2 * places <= span, 2.0 * places / span, 2.0 - 2.0 * places / span)
    wave = cosines(span)
    result = np.zeros(length)
    for number, factor in enumerate(COSINE_SUMS[window]):
        result += (-factor if number % 2 else factor) * wave[number * places % span]
    return result


def scale(values: Doubles, scaling: str | None) -> float:
    """The root of the sum of squares ("density"), the sum of magnitudes ("spectrum"), or 1."""
    if scaling == "density":
        return math.sqrt(math.fsum(v * v for v in values.tolist()))
    return math.fsum(abs(v) for v in values.tolist()) if scaling == "spectrum" else 1.0


def fourier(frame: int, window: Doubles) -> Any:
    """[2 * (frame // 2 + 1), 1, frame]: kernels of a convolution, all cosines and then all negative sines."""
    import numpy as np

    phase = np.arange(frame // 2 + 1)[:, None] * np.arange(frame) % frame
    waves = np.concatenate([cosines(frame)[phase], -sines(frame)[phase]])
    return (waves * window)[:, None, :]
