"""Sounds as inputs: decoded to -1..1, brought to one channel and to the model's sampling rate, each step said."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec

if TYPE_CHECKING:
    import numpy as np

Say = Callable[[str], None]
_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})


def check_takes_sound(spec: Spec) -> None:
    """Raise InputError for an input that takes no sound: it is of floats, [samples] or a batch [N, samples]."""
    rank = -1 if spec.shape is None else len(spec.shape)
    reason = ""
    if spec.shape is None or not 1 <= rank <= 2 or spec.kind != "tensor":
        reason = "it has 1 axis, or 2 with a batch's"
    elif spec.dtype not in _DTYPES:
        reason = f"{spec.dtype} does not hold -1 to 1"
    if reason:
        raise InputError(f"input {spec.name}: {spec.type} takes no sound: {reason}; give an array", spec.name)


def decode_sound(spec: Spec, path: str, say: Say, rate: int | None) -> np.ndarray[Any, Any]:
    """The sound of the WAV file at `path` as one input: values -1 to 1 in the input's dtype, with a batch axis where it
    has one.

    rate: the samples a second that the model takes, None where it does not tell. Raises InputError for what is no sound
    or does not fit, OSError for a file that cannot be read.
    """
    import numpy as np

    from archonnx.runtime.wavfile import WavError, read_wav

    check_takes_sound(spec)
    with open(path, "rb") as stream:
        try:
            wav = read_wav(stream)
        except WavError as error:
            raise InputError(f"{path}: {error}", spec.name) from None
    count, channels = wav.samples.shape
    if count == 0:
        raise InputError(f"{path}: the sound has no samples", spec.name)
    if not np.isfinite(wav.samples).all():
        place = int(np.argmin(np.isfinite(wav.samples).all(axis=1)))
        raise InputError(f"{path}: sample {place:,} of the sound is not finite", spec.name)
    length = f"{count / wav.rate:.3g} s" if count < 1000 * wav.rate else f"{count / wav.rate:,.0f} s"
    many = "1 channel" if channels == 1 else f"{channels} channels"
    say(f"{spec.name}: {path}, WAV sound of {length}, {many}, {wav.rate:,} {wav.stored} a second")
    if wav.lost:
        say(f"{spec.name}: what is behind its last whole sample is left out")
    if channels > 1:
        say(f"{spec.name}: the mean of its {channels} channels is taken")
    samples = wav.samples.mean(axis=1, dtype=np.float64).astype(np.float32) if channels > 1 else wav.samples[:, 0]
    if rate is None:
        say(f"{spec.name}: taken at {wav.rate:,} samples a second, as it is: the model does not tell its sampling_rate")
    elif rate != wav.rate:
        from archonnx.runtime.resampling import resample

        samples = resample(samples, wav.rate, rate)
        say(f"{spec.name}: resampled from {wav.rate:,} to {rate:,} samples a second")
    return _fitted(spec, samples, say)


def _fitted(spec: Spec, samples: np.ndarray[Any, Any], say: Say) -> np.ndarray[Any, Any]:
    """The samples as the input takes them. Raises InputError where it takes another number of them."""
    import numpy as np

    assert spec.shape is not None
    length = spec.shape[-1]
    if isinstance(length, int) and length != len(samples):
        message = f"{spec.type} takes {length:,} samples, and the sound has {len(samples):,}"
        raise InputError(f"input {spec.name}: {message}; cut it, or give an array", spec.name)
    if len(spec.shape) == 2:
        samples = samples[None]
        say(f"{spec.name}: first axis added: a batch of 1")
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(samples).astype(numpy_dtype(spec.dtype))
    if not np.isfinite(result).all():
        loudest = float(np.abs(samples).max())
        message = f"{spec.type} does not hold the sound, which goes up to {loudest:.3g}; sounds are -1 to 1: scale it"
        raise InputError(f"input {spec.name}: {message}", spec.name)
    shape, least, most = ", ".join(map(str, result.shape)), float(result.min()), float(result.max())
    say(f"{spec.name}: {spec.dtype}[{shape}], values {least:.3g} to {most:.3g}")
    return result
