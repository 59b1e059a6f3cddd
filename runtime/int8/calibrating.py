"""onnxruntime's static quantizer, kept quiet: scales from the ranges that calibration found, QDQ around each node."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.int8.preparing import Prepared
from archonnx.runtime.translate import ort_errors

if TYPE_CHECKING:
    from archonnx.runtime.samples import Sample

Method = Literal["minmax", "percentile", "entropy"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy")
PERCENTILE = 99.999
_ROUNDED = ("Conv", "ConvTranspose", "Gemm")
_ERRORS: tuple[type[Exception], ...] = (ValueError, TypeError, KeyError, IndexError, RuntimeError)


def quantize(
    prepared: Prepared,
    samples: Sequence[Sample],
    method: Method,
    folder: Path,
    operators: Sequence[str],
    narrow: bool = False,
) -> Any:
    """The ModelProto with weights of int8, a scale for each channel, and the rest uint8 between its products.

    method: how ranges are made of what was seen; they are kept in `folder` and found again; operators: all that may be
    quantized, in this call or a later one; narrow: weights of 7 bits, for processors whose 8-bit products saturate.

    Raises MachineError where onnxruntime's quantizer fails.
    """
    import onnx
    from onnxruntime import quantization

    methods = quantization.CalibrationMethod
    kinds = {"minmax": methods.MinMax, "percentile": methods.Percentile, "entropy": methods.Entropy}
    target = folder / "int8.onnx"
    try:
        with _quiet():
            quantization.quantize_static(
                str(prepared.path),
                str(target),
                _reader(samples),
                op_types_to_quantize=list(operators),
                per_channel=True,
                reduce_range=narrow,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_quantize=[*prepared.products, *prepared.following],
                calibrate_method=kinds[method],
                calibration_cache_path=str(folder / f"{method}.json"),
                extra_options={
                    "CalibPercentile": PERCENTILE,
                    "CalibStridedMinMax": 1,  # examples one by one: a histogram keeps all that it was given
                    "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
                    "MatMulConstBOnly": True,
                },
            )
        found = onnx.load(str(target))
    except _ERRORS + ort_errors() as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MachineError(f"onnxruntime's quantizer does not take this model: {reason}") from error
    finally:
        target.unlink(missing_ok=True)
    _spare(found, prepared)
    _guard(found, prepared)
    return found


def _spare(quantized: Any, prepared: Prepared) -> None:
    """Give nodes of float32 what was there before it was rounded for others: a sum needs more than 8 bits. Not what an
    int8 convolution gives, or what follows one, as that would have to be kept twice."""
    chosen = {*prepared.products, *prepared.following}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    for node in quantized.graph.node:
        if node.name in chosen or node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        for at, name in enumerate(node.input):
            back = makers.get(name)
            low = makers.get(back.input[0]) if back is not None and back.op_type == "DequantizeLinear" else None
            if low is None or low.op_type != "QuantizeLinear":
                continue
            maker = makers.get(low.input[0])
            if maker is None or maker.name not in chosen or maker.op_type in ("Gemm", "MatMul"):
                node.input[at] = low.input[0]


def _guard(quantized: Any, prepared: Prepared) -> None:
    """Keep onnxruntime from rounding what is to stay in float32: where it finds such a product between
    DequantizeLinear and QuantizeLinear, it rounds its constants to int8 itself, with one scale for all channels
    (WeightBiasQuantization). A maximum with the lowest number there is stands between, and changes nothing."""
    import numpy as np
    from onnx import helper, numpy_helper

    chosen = {*prepared.products, *prepared.following}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    guarded = [
        node
        for node in quantized.graph.node
        if node.op_type in _ROUNDED and node.name not in chosen and node.input[0] in makers
        if makers[node.input[0]].op_type == "DequantizeLinear"
    ]
    if not guarded:
        return
    lowest, nodes = "archonnx.lowest", list(quantized.graph.node)
    quantized.graph.initializer.append(numpy_helper.from_array(np.array(np.finfo(np.float32).min), lowest))
    for node in guarded:
        output = node.output[0]
        node.output[0] = f"archonnx.guarded.{output}"
        guard = helper.make_node("Max", [node.output[0], lowest], [output], name=f"archonnx.guard.{node.name}")
        nodes.insert(next(at for at, each in enumerate(nodes) if each is node) + 1, guard)
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del quantized.graph.node[:]
    quantized.graph.node.extend(kept)


def _reader(samples: Sequence[Sample]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Samples, one by one."""

        def __init__(self) -> None:
            self._at, self._end = 0, len(samples)

        def __len__(self) -> int:
            return len(samples)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._at, self._end = start_index, end_index

        def get_next(self) -> Sample | None:
            if self._at >= self._end:
                return None
            self._at += 1
            return dict(samples[self._at - 1])

    return Reader()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer prints, and warns through the root logger, which would set up a handler there."""
    root, handler = logging.getLogger(), logging.NullHandler()

    def foreign(record: logging.LogRecord) -> bool:
        return "onnxruntime" not in record.pathname.replace("\\", "/").split("/")

    root.addHandler(handler)
    root.addFilter(foreign)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.removeFilter(foreign)
        root.removeHandler(handler)
