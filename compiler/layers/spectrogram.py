"""STFTSpectrogram: a signal's frequencies over time, by convolution with waves that are weights, as in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, product, require_rank
from archonnx.compiler.layers.convolution import windowed
from archonnx.compiler.layers.domains import (
    Choice,
    DataFormat,
    Domain,
    DomainError,
    Flag,
    Optional,
    Real,
    Repeated,
    Whole,
)
from archonnx.compiler.layers.preprocessing import EPSILON
from archonnx.compiler.layers.windows import Window, axis_names, moved
from archonnx.compiler.weights.waves import STFT, WINDOWS
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
LONGEST = 1 << 16  # places of a frame: kernels are frames by half as many bins
ENDS_AT_ZERO = ("hann", "bartlett", "blackman")
PI = 3.141592653589793


class SignalWindow(Domain):
    """A window by its name, or its values. The one form is a name, a tuple of numbers, or None."""

    def __init__(self, *names: str) -> None:
        self.named = Choice(*names)
        self.values = Repeated(Real(), alone=False, least=1)
        self.examples = (names[0], None)

    def parse(self, value: Any) -> Any:
        if value is None:
            return None
        try:
            return (self.named if isinstance(value, str) else self.values).parse(value)
        except DomainError as error:
            raise self.fail(error.help) from None

    def describe(self) -> str:
        return f"{self.named.describe()}, a tuple of a frame's numbers, or None"


class STFTSpectrogram(KerasLayer):
    """Frequencies over time: [batch, time, channels] to [batch, frames, channels * bins], bins = fft_length // 2 + 1.

    The waves are weights, which training changes: real_kernel and imag_kernel [frame_length, 1, bins].
    """

    inputs = ("inputs",)
    masking = "drop"
    mode = arg(Choice(*MODES), default="log", doc="What is given of each frequency; both parts for stft.")
    frame_length = arg(Whole(2, LONGEST), default=256, doc="Places of a frame.")
    frame_step = arg(Optional(Whole(1, LONGEST)), default=None, doc="Places from frame to frame; None: half a frame.")
    fft_length = arg(
        Optional(Whole(2, 2 * LONGEST)), default=None, doc="Length of the transform; None: the next power of two."
    )
    window = arg(SignalWindow(*WINDOWS), default="hann", doc="The window that frames are multiplied by.")
    periodic = arg(Flag(), default=False, doc="Whether the window is one period, its first value left out at the end.")
    scaling = arg(Optional(Choice("density", "spectrum")), default="density", doc="What the window is divided by.")
    padding = arg(Choice("valid", "same"), default="valid", doc="Whether the signal is padded.")
    expand_dims = arg(Flag(), default=False, doc="Whether frequencies get an axis of their own.")
    data_format = arg(
        DataFormat(), default=None, doc='Place of the channels: "channels_last" (None) or "channels_first".'
    )
    keras = "STFTSpectrogram"
    onnx = ("Conv", "Split", "Mul", "Add", "Max", "Sqrt", "Log", "Div", "Atan", "Where", "Less", "Equal")
    formula = (
        "z[t, k] = sum over i of x[t * step + i] * window[i] * exp(-2 pi i k / fft_length j) / scale\n"
        "log: log(abs(z)), magnitude: abs(z), psd: abs(z) ** 2, twice for all bins but the first and the last,\n"
        "real, imag, angle: of z, stft: real and imag"
    )
    example = "input sound: float32[N, 16000, 1]\nSTFTSpectrogram(frame_length=400, frame_step=160)"

    def validate(self) -> None:
        step, window = self.frame_step, self.window
        message = help = ""
        if step is not None and step > self.frame_length:
            message, argument = f"steps over {step} places, and its frames have {self.frame_length}", "frame_step"
            help = f"give {self.frame_length} at most"
        elif self.fft_length is not None and self.fft_length < self.frame_length:
            message = f"has frames of {self.frame_length} places for a transform of {self.fft_length}"
            argument, help = "fft_length", f"give {self.frame_length} or more, or None for the next power of two"
        elif isinstance(window, tuple) and len(window) != self.frame_length:
            message = f"has a window of {len(window)} numbers for frames of {self.frame_length}"
            argument, help = "window", "a number for each place of a frame"
        elif self.scaling is not None and self._empty:
            message, argument = f"divides a window of {self.frame_length} zeros by its {self.scaling}", "frame_length"
        if message:
            raise LayerError("E0346", f"STFTSpectrogram {message}", argument=argument, help=help or None)

    @property
    def _empty(self) -> bool:
        """Whether all values of the window are 0: those given, or the ends of one that begins and ends at 0."""
        if isinstance(self.window, tuple):
            return not any(self.window)
        return self.window in ENDS_AT_ZERO and self.frame_length == 2 and not self.periodic

    @property
    def _bins(self) -> int:
        length = self.fft_length or 1 << (self.frame_length - 1).bit_length()
        return int(length) // 2 + 1

    @property
    def _window(self) -> Window:
        step = self.frame_step or self.frame_length // 2
        return Window((self.frame_length,), (step,), (1,), self.padding)

    @property
    def _first(self) -> bool:
        return bool(self.data_format == "channels_first")

    def declare(self, c: Context, inputs: TensorType) -> None:
        shape = (self.frame_length, 1, self._bins)
        for side, unused in (("real", "imag"), ("imag", "real")):
            if self.mode != unused:
                waves = STFT(side, self.window, self.scaling, self.periodic)
                c.weight(f"{side}_kernel", shape, waves, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(1, self._first))
        if DTYPES[inputs.dtype].kind != "float":
            raise LayerError(
                "E0303",
                f"STFTSpectrogram needs floats, got {inputs}",
                input=0,
                help='convert first: cast(x, "float32")',
            )
        x = self.floating(inputs)
        frames, bins = self._frames(c.facts, x), self._bins * (2 if self.mode == "stft" else 1)
        channels = x.shape[1 if self._first else 2]
        if self.expand_dims:
            shape: tuple[Dim, ...] = (channels, frames, bins) if self._first else (frames, bins, channels)
        else:
            shape = (channels * bins, frames) if self._first else (frames, channels * bins)
        return TensorType(x.dtype, (x.shape[0], *shape))

    def _frames(self, facts: Facts, x: TensorType) -> Dim:
        return moved(self, facts, x, self._window, (2 if self._first else 1,), "frame_length")[0]

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        kernels = 1 if self.mode in ("real", "imag", "stft") else 2  # stft gives both
        return product((*outputs[0].shape, self.frame_length, kernels))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        frames = self._frames(b.facts, x.type)
        x = x if self._first else b.channels_first(x)
        batch, channels, time = x.shape
        waves = [b.transpose(b.weight(name), (2, 1, 0)) for name in self.weights]
        kernel = waves[0] if len(waves) == 1 else b.concat(waves, 0)
        signal = b.reshape(x, (batch * channels, 1, time))
        z = windowed(b, signal, kernel, None, self._window, [frames], 1)
        z = self._shown(b, b.reshape(z, (batch, channels, z.shape[1], frames)))
        bins = z.shape[2]
        if self.expand_dims:
            return b.transpose(z, (0, 1, 3, 2) if self._first else (0, 3, 2, 1))
        z = b.reshape(z, (batch, channels * bins, frames))
        return z if self._first else b.transpose(z, (0, 2, 1))

    def _shown(self, b: Builder, z: Tensor) -> Tensor:
        """What the mode gives of [N, C, bins or both parts of them, frames]."""
        if self.mode in ("real", "imag", "stft"):
            return z
        real, imag = b.split(z, (self._bins, self._bins), 2)
        if self.mode == "angle":
            return angle(b, real, imag)
        power = b.op("Add", b.op("Mul", real, real), b.op("Mul", imag, imag))
        if self.mode == "psd":
            twice = [[1.0] if k in (0, self._bins - 1) else [2.0] for k in range(self._bins)]
            return b.op("Mul", power, b.constant(twice, power.dtype), result=power.type)
        least = b.like(power, EPSILON)
        magnitude = b.op("Sqrt", b.op("Max", power, least, result=power.type))
        if self.mode == "magnitude":
            return magnitude
        return b.op("Log", b.op("Max", magnitude, least, result=power.type))


def angle(b: Builder, real: Tensor, imag: Tensor) -> Tensor:
    """atan2(imag, real), for which ONNX has no operator; 0 where both are 0."""

    def where(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
        return b.op("Where", condition, yes, no, result=real.type)

    zero = b.like(real, 0.0)
    below = b.op("Less", imag, zero)
    turn = where(below, b.like(real, -PI), b.like(real, PI))
    flat = b.op("Atan", b.op("Div", imag, real, result=real.type))
    turned = where(b.op("Less", real, zero), b.op("Add", flat, turn, result=real.type), flat)
    upright = b.op("Mul", turn, b.like(real, 0.5), result=real.type)
    upright = where(b.op("Equal", imag, zero), zero, upright)
    return where(b.op("Equal", real, zero), upright, turned)
