"""What a person asked for when a model was loaded, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

from archonnx.contract.diagnostics import UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.runtime.padding.declared import Buckets

Precision = Literal["float32", "tf32", "bfloat16", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bfloat16", "float16", "int8")
_OTHERS = {"fp32": "float32", "f32": "float32", "float": "float32", "single": "float32", "fp16": "float16"}
_OTHERS |= {"f16": "float16", "half": "float16", "bf16": "bfloat16", "i8": "int8", "tensorfloat32": "tf32"}


Optimisation = Literal["all", "extended", "basic"]
OPTIMISATIONS: tuple[Optimisation, ...] = ("all", "extended", "basic")


@dataclass(frozen=True, slots=True)
class Options:
    """How onnxruntime goes about it, the numbers being the same but for rounding: what a plan may say.

    optimisation: of the graph, "all" among it the layout of blocked channels, "extended" all else, "basic" without
    operators fused for the CPU; spinning: whether threads that wait keep their core busy; provider: options of the
    device's provider that differ from ours, in the order of their names.
    """

    optimisation: Optimisation = "all"
    spinning: bool = False
    provider: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """device: "auto", "cpu", "cuda" or "openvino"; threads: of one call on the CPU, None where onnxruntime decides.

    precision: what products are computed in, None where nothing was said; max_error: how far outputs may be from
    float32's, None where they may not be; data: what errors and times are measured on, None where it is to be drawn.
    cache: where what a start works out is kept for the next one: "auto", "off", "beside" or a folder.
    graphs: whether runs on CUDA are captured as graphs, None where that is left to us.
    plan: "auto" for the one beside the model where it fits, the path of one that is insisted on, None for none;
    batch: the most rows of a run, or the numbers that a run has one of, None where that is left to us.
    buckets: the sizes that calls are filled up to behind their mask, None where they are not.
    options: what a plan says; counted: whether somebody set the number of threads.
    """

    device: str = "auto"
    threads: int | None = None
    precision: Precision | None = None
    max_error: float | None = None
    data: Any = field(default=None, compare=False, repr=False)
    cache: str = "auto"
    graphs: bool | None = None
    plan: str | None = "auto"
    batch: int | tuple[int, ...] | None = None
    buckets: Buckets | None = None
    options: Options = field(default_factory=Options)
    counted: bool = False

    @property
    def insists(self) -> bool:
        """Whether the device is an order: a model that it does not take is an error. A precision orders one too, as no
        other may have it."""
        return self.device != "auto" or self.precision not in (None, "float32")


def read_precision(asked: Any) -> Precision | None:
    """A precision by its name. Raises UsageError."""
    if asked is None or asked in PRECISIONS:
        found: Precision | None = asked
        return found
    text = str(asked)
    near = _OTHERS.get(text.lower()) or next(iter(did_you_mean(text.lower(), PRECISIONS, 1)), None)
    hint = f"; did you mean {near!r}?" if near else ""
    raise UsageError(f"precision {asked!r} is not known; it is one of {', '.join(map(repr, PRECISIONS))}{hint}")


def read_max_error(asked: Any) -> float | None:
    """The largest error that is allowed. Raises UsageError for what is no number above 0."""
    if asked is None:
        return None
    if isinstance(asked, bool) or not isinstance(asked, Real) or not 0 < float(asked) < math.inf:
        raise UsageError(f"max_error is a number above 0, such as 1e-2; received {asked!r}")
    return float(asked)
