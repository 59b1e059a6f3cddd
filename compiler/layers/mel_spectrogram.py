"""MelSpectrogram: what of a signal is heard over time.

The transform takes the form that measured best in onnxruntime: a convolution with constant waves for short frames, the
operator STFT for frames of LONG places or more whose number is a power of two, and past LARGE; in float64, which Conv
lacks, always.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, decide, product
from archonnx.compiler.layers.domains import Flag, Optional, Real, Whole
from archonnx.compiler.layers.spectrogram import LONGEST, SignalWindow

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

LONG = 1024
LARGE = 4096  # past it the waves of a convolution would take more than 64 MB
LN10 = 2.302585092994046
# The mel scale of the Hidden Markov Model Toolkit: 1127 * ln(1 + f / 700).
BREAK, HIGH = 700.0, 1127.0


class MelSpectrogram(KerasLayer):
    """Loudness by mel bands over time: [samples] or [batch, samples] to [..., num_mel_bins, frames].

    The signal is mirrored at both ends by half a transform. `top_db` holds for the loudest place of the whole batch.
    """

    inputs = ("inputs",)
    masking = "drop"
    fft_length = arg(Whole(2, LONGEST), default=2048, doc="Length of the transform.")
    sequence_stride = arg(Whole(1, 1 << 20), default=512, doc="Samples from frame to frame.")
    sequence_length = arg(Optional(Whole(1, LONGEST)), default=None, doc="Samples of the window; None: fft_length.")
    window = arg(SignalWindow("hann", "hamming"), default="hann", doc="The window that frames are multiplied by.")
    sampling_rate = arg(Whole(1, 1 << 30), default=16000, doc="Samples a second.")
    num_mel_bins = arg(Whole(1, 1024), default=128, doc="Bands.")
    min_freq = arg(Real(0.0, 1e9), default=20.0, doc="Where the lowest band begins, in hertz.")
    max_freq = arg(
        Optional(Real(maximum=1e9, above=0.0)),
        default=None,
        doc="Where the highest band ends, in hertz; None: half the rate.",
    )
    power_to_db = arg(Flag(), default=True, doc="Whether decibels are given.")
    top_db = arg(Real(), default=80.0, doc="Decibels below the loudest that are kept apart.")
    mag_exp = arg(Real(above=0.0), default=2.0, doc="The power of the magnitude: 1 amplitude, 2 energy.")
    min_power = arg(Real(above=0.0), default=1e-10, doc="The least power that decibels are taken of.")
    ref_power = arg(Real(), default=1.0, doc="The power of 0 decibels.")
    keras = "MelSpectrogram"
    onnx = (
        "Pad",
        "Conv",
        "STFT",
        "Split",
        "Slice",
        "Mul",
        "Add",
        "Sqrt",
        "Pow",
        "MatMul",
        "Max",
        "Log",
        "Sub",
        "ReduceMax",
    )
    formula = (
        "s = abs(short-time Fourier transform of x) ** mag_exp\n"
        "m = bands @ s, triangles of equal width in mel = 1127 * ln(1 + hertz / 700)\n"
        "y = 10 * log10(max(m, min_power) / max(abs(ref_power), min_power)), at least its maximum - top_db"
    )
    example = "input sound: float32[N, 16000]\nMelSpectrogram(400, 160, num_mel_bins=80)"

    def validate(self) -> None:
        if self._frame > self.fft_length:
            raise LayerError(
                "E0346",
                f"MelSpectrogram has a window of {self._frame} samples for a transform of {self.fft_length}",
                argument="sequence_length",
                help=f"write fft_length={self._frame}, or shorten the window",
            )
        if isinstance(self.window, tuple) and len(self.window) != self._frame:
            raise LayerError(
                "E0346",
                f"MelSpectrogram has a window of {len(self.window)} numbers for frames of {self._frame}",
                argument="window",
            )
        # The edges of the bands are float32 numbers: those of one band must differ.
        low, high = (HIGH * math.log1p(hertz / BREAK) for hertz in (self.min_freq, self._top))
        if (high - low) / (self.num_mel_bins + 1) <= high * 2.0**-21:
            raise LayerError(
                "E0347",
                f"MelSpectrogram has {self.num_mel_bins} bands from {self.min_freq:g} to {self._top:g} hertz"
                + (f", half of sampling_rate={self.sampling_rate}" if self.max_freq is None else ""),
                argument="min_freq" if self.max_freq is None else "max_freq",
                help="the highest frequency is above the lowest, as far as that they can be told apart",
            )

    @property
    def _frame(self) -> int:
        return int(self.sequence_length or self.fft_length)

    @property
    def _top(self) -> float:
        return float(self.max_freq or self.sampling_rate // 2)

    @property
    def _bins(self) -> int:
        return int(self.fft_length) // 2 + 1

    @property
    def _computed(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        if x.rank not in (1, 2):
            raise LayerError("E0302", f"MelSpectrogram needs 1 or 2 axes (batch, samples), got {inputs}", input=0)
        half = self.fft_length // 2
        if decide(c.facts, ">=", x.shape[-1], half + 1) is False:
            raise LayerError(
                "E0304",
                f"MelSpectrogram mirrors {half} samples at each end, and {inputs} has {x.shape[-1]}",
                argument="fft_length",
                help="take a shorter transform",
            )
        return TensorType(x.dtype, (*x.shape[:-1], self.num_mel_bins, self._frames(c.facts, x.shape[-1])))

    def _frames(self, facts: Facts, samples: Dim) -> Dim:
        padded = samples + 2 * (self.fft_length // 2)
        return facts.normalize((padded - self.fft_length) // self.sequence_stride + 1)

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """The bands' sums, and the transform as a product with its waves."""
        return product((*outputs[0].shape, self._bins)) + product(
            (*outputs[0].shape[:-2], outputs[0].shape[-1], 2 * self._bins, self.fft_length)
        )

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = b.cast(inputs, self._computed)
        x = x if x.rank == 2 else b.expand_dims(x, [0])
        frames = self._frames(b.facts, x.shape[1])
        half = self.fft_length // 2
        real, imag = self._transformed(b, b.pad(x, (0, half), (0, half), mode="reflect"), frames)
        power = b.op("Add", b.op("Mul", real, real), b.op("Mul", imag, imag))
        if self.mag_exp == 1:
            power = b.op("Sqrt", power)
        elif self.mag_exp != 2:
            power = b.op("Pow", power, b.like(power, self.mag_exp / 2), result=power.type)
        y = b.matmul(b.constant(self._bands().T, power.dtype), power)
        y = self._decibels(b, y) if self.power_to_db else y
        return b.cast(y if inputs.rank == 2 else b.squeeze(y, [0]), self.compute_dtype)

    def _transformed(self, b: Builder, x: Tensor, frames: Dim) -> tuple[Tensor, Tensor]:
        """Both parts, each [N, bins, frames]."""
        import numpy as np

        from archonnx.compiler.weights.waves import fourier, window_values

        length, count = self.fft_length, self._bins
        # TensorFlow's periodic windows of an odd length are symmetric.
        periodic = self._frame % 2 == 0
        values = np.ones(self._frame) if self.window is None else window_values(self.window, self._frame, periodic)
        before = (length - self._frame) // 2
        window = np.pad(values, (before, length - self._frame - before))
        power_of_two = length & (length - 1) == 0
        if x.dtype == "float64" or (power_of_two and length >= LONG) or length > LARGE:
            z = b.op(
                "STFT",
                b.expand_dims(x, [2]),
                b.constant(self.sequence_stride, "int64"),
                b.constant(window, x.dtype),
                b.constant(length, "int64"),
                result=TensorType(x.dtype, (x.shape[0], frames, count, 2)),
                onesided=1,  # the default, which onnx's shape inference does not know
            )
            z = b.transpose(z, (3, 0, 2, 1))
            return b.gather(z, 0, 0), b.gather(z, 1, 0)
        waves = b.constant(fourier(length, window), x.dtype)
        z = b.conv(b.expand_dims(x, [1]), waves, spatial=[frames], strides=[self.sequence_stride])
        real, imag = b.split(z, (count, count), 1)
        return real, imag

    def _bands(self) -> Any:
        """float32 [bins, bands]: triangles in mel, of height 1; the first bin, of no frequency, is in none of them."""
        import numpy as np

        one = np.float32(1.0)

        def mel(hertz: Any) -> Any:
            from archonnx.compiler.weights.normal import logarithm

            ratio = (one + np.asarray(hertz, np.float32) / np.float32(BREAK)).astype(np.float64)
            return np.float32(HIGH) * logarithm(np.atleast_1d(ratio)).astype(np.float32)

        lines = np.linspace(0.0, self.sampling_rate / 2, self._bins)[1:]
        places = mel(lines)[:, None]
        low, high = float(mel(self.min_freq)[0]), float(mel(self._top)[0])
        edges = np.linspace(low, high, self.num_mel_bins + 2).astype(np.float32)
        lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (places - lower) / (centre - lower), (upper - places) / (upper - centre)
        return np.pad(np.maximum(np.float32(0.0), np.minimum(rising, falling)), ((1, 0), (0, 0)))

    def _decibels(self, b: Builder, power: Tensor) -> Tensor:
        import numpy as np

        from archonnx.compiler.weights.normal import logarithm

        factor = b.like(power, 10.0 / LN10)
        level = b.op("Mul", b.op("Log", b.op("Max", power, b.like(power, self.min_power))), factor, result=power.type)
        reference = 10.0 / LN10 * float(logarithm(np.array([max(abs(self.ref_power), self.min_power)]))[0])
        if reference:
            level = b.op("Sub", level, b.like(level, reference), result=power.type)
        floor = b.op("Sub", b.reduce("Max", level), b.like(level, self.top_db))
        return b.op("Max", level, floor, result=power.type)
