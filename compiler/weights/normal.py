"""Normal numbers from random bits by + - * / and sqrt alone, which IEEE 754 rounds alike on every machine.

The quantile function is Wichura's PPND16: "Algorithm AS 241: The percentage points of the normal distribution", Applied
Statistics 37 (1988), 477-484, relative error about 1e-16. numpy's logarithm depends on the processor: here is another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

# P(|x| < 2) / 2 of the standard normal distribution.
HALF_WITHIN_TWO = 0.47724986805182079

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # their sum is ln 2; e * LN2_HIGH is exact
SQRT_HALF = 0.70710678118654752440

_A = (
    3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
)  # fmt: skip
_B = (
    1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
)  # fmt: skip
_C = (
    1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
    1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
)  # fmt: skip
_D = (
    1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: Doubles) -> Doubles:
    """Horner's scheme, lowest coefficient first in the tuple."""
    result = x * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        result += c
        result *= x
    result += coefficients[0]
    return result


def logarithm(x: Doubles) -> Doubles:
    """ln x of positive normal doubles, within 1 ulp or so: x = m * 2**e, ln m = 2 artanh((m - 1) / (m + 1))."""
    mantissa, exponent = np.frexp(x)  # exact
    low = mantissa < SQRT_HALF
    mantissa[low] *= 2.0
    e = exponent.astype(np.float64)
    e[low] -= 1.0
    s = (mantissa - 1.0) / (mantissa + 1.0)
    s2 = s * s  # at most 0.0295, so the first term left out is below 2**-58
    series = _polynomial(tuple(2.0 / (2 * k + 1) for k in range(11)), s2)
    result: Doubles = e * LN2_HIGH + (s * series + e * LN2_LOW)
    return result


def quantile(q: Doubles) -> Doubles:
    """The standard normal quantile of probability 0.5 + q, for |q| <= 0.5 - 2**-33 (AS 241 without its far tail)."""
    r = q * q
    np.subtract(0.180625, r, out=r)  # 0.425 ** 2
    tail = np.flatnonzero(r < 0.0)
    result = _polynomial(_A, r)
    result *= q
    result /= _polynomial(_B, r)
    if len(tail):
        side = q[tail]
        p = 0.5 - np.abs(side)
        t = np.sqrt(-logarithm(p))  # at most 4.79: the far tail begins at 5
        t -= 1.6
        x = _polynomial(_C, t)
        x /= _polynomial(_D, t)
        result[tail] = np.copysign(x, side)
    return result


CHUNK = 1 << 15  # elements at once: the passes over a chunk stay in the processor's cache, and outweigh their calls


def normal(words: NDArray[np.uint32], *, truncated: bool) -> Doubles:
    """Standard normal numbers, one a word; `truncated`: given that they lie within 2.

    Word w, read as signed, gives the odd number j = 2w + 1 of 33 bits, so j / 2**33 lies strictly between -1/2 and 1/2
    and the distribution is exactly symmetric.
    """
    out = np.empty(len(words), dtype=np.float64)
    scale = 2.0**-32 * (HALF_WITHIN_TWO if truncated else 0.5)
    signed = words.view(np.int32)
    for start in range(0, len(words), CHUNK):
        q = signed[start : start + CHUNK].astype(np.float64)
        q *= 2.0
        q += 1.0
        q *= scale
        out[start : start + CHUNK] = quantile(q)
    return out
