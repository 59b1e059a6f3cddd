"""Runs an expression over tensors twice: compiled and run by ONNX Runtime, and by numpy, which reads the same text."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import archonnx
from archonnx.contract.dims import evaluate

Array = NDArray[Any]
SIZES = {"N": 2, "H": 5, "W": 3, "T": 4, "K": 3}  # what symbols are in the tables
TYPE = re.compile(r"(\w+)\[(.*)\]")


@dataclass(frozen=True)
class Case:
    """An expression over inputs of these types. `low` and `high` bound the numbers that are drawn.

    `reference` is what numpy evaluates where it reads the expression otherwise; `before` are lines of the body.
    """

    expression: str
    types: Mapping[str, str]
    low: float = -4.0
    high: float = 4.0
    reference: str | None = None
    before: str = ""
    tolerance: float = 1e-5
    oldest: int = 17
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.expression} of {', '.join(self.types.values())}"


def draw(case: Case) -> dict[str, Array]:
    """An array for each input, the same for the same case everywhere."""
    random = np.random.default_rng(zlib.crc32(case.id.encode()))
    made: dict[str, Array] = {}
    for name, text in case.types.items():
        match = TYPE.fullmatch(text)
        assert match is not None
        dtype, sizes = match[1], [s for s in match[2].split(",") if s.strip()]
        shape = [int(eval(s, dict(SIZES))) for s in sizes]
        if name in case.values:
            made[name] = np.asarray(case.values[name], dtype=dtype)
            assert list(made[name].shape) == shape
        elif dtype == "bool":
            made[name] = random.integers(0, 2, shape).astype(bool)
        elif np.dtype(dtype).kind in "iu":
            low = max(math.ceil(case.low), 0) if np.dtype(dtype).kind == "u" else math.ceil(case.low)
            made[name] = random.integers(low, math.floor(case.high) + 1, shape).astype(dtype)
        else:
            made[name] = random.uniform(case.low, case.high, shape).astype(dtype)
    return made


def source(case: Case) -> str:
    lines = ["model A():"]
    lines += [f"    input {name}: {text}" for name, text in case.types.items()]
    lines += [f"    {line}" for line in case.before.splitlines()]
    return "\n".join([*lines, f"    output result = {case.expression}", ""])


def run(
    text: str, arrays: Mapping[str, Array], folder: Path, opset: int | None = None, sizes: Mapping[str, int] = SIZES
) -> list[Array]:
    """The outputs of a model; each has the shape, for these sizes, and the dtype that the compiler promised."""
    model = archonnx.compile(text=text, opset=opset)
    model.save(folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    wanted = {given.name for given in session.get_inputs()}
    results = session.run(None, {name: array for name, array in arrays.items() if name in wanted})
    for output, result in zip(model.graph.outputs, results, strict=True):
        kind = output.value.type
        known = [d if isinstance(d, int) else evaluate(d, sizes) for d in kind.shape if _tells(d, sizes)]
        assert [n for d, n in zip(kind.shape, result.shape, strict=True) if _tells(d, sizes)] == known
        assert str(result.dtype) == kind.dtype
    return [np.asarray(result) for result in results]


def _tells(dim: Any, sizes: Mapping[str, int]) -> bool:
    """Whether the sizes of its symbols are known: those that depend on data are not."""
    return isinstance(dim, int) or dim.symbols() <= sizes.keys()


def by_numpy(case: Case, arrays: Mapping[str, Array], references: Mapping[str, Any]) -> Any:
    """What numpy makes of the expression; symbols are numbers there."""
    names = {n: getattr(np, n) for n in dir(np) if not n.startswith("_")}
    dtypes = {n: n for n in ("float32", "float16", "float64", "int32", "int64", "uint8", "int8")}
    with np.errstate(all="ignore"):
        return eval(case.reference or case.expression, {**names, **dtypes, **SIZES, **references, **arrays})
