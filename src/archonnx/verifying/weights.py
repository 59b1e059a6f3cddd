"""The weights that two sides are compared with: none all alike, so that no zero and no one hides a mistake."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from archonnx.contract.dtypes import is_float

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.recipes import Recipe


def spread(model: CompiledModel, seed: int) -> tuple[CompiledModel, int]:
    """The model with numbers drawn around those that its initializers make all alike, biases and norms; how many.

    Weights that are given, or written out in the source, stay what they are.
    """
    import numpy as np

    from archonnx.compiler.recipes import Constant, numpy_dtype
    from archonnx.compiler.weights import kinds

    alike = (kinds.Zeros, kinds.Ones, kinds.Constant)
    drawn: dict[str, Recipe] = {}
    for weight in model.graph.weights():
        if weight.path in model.given or not isinstance(weight.initializer, alike) or not is_float(weight.dtype):
            continue
        rng = np.random.default_rng([seed, zlib.crc32(weight.path.encode())])
        middle = getattr(weight.initializer, "value", 1.0 if isinstance(weight.initializer, kinds.Ones) else 0.0)
        # A variance stays positive, and a scale near what it was: deep models neither die nor overflow.
        array = middle + rng.uniform(-0.25, 0.25, weight.shape)
        drawn[weight.path] = Constant(array.astype(numpy_dtype(weight.dtype)), weight.dtype)
    return (model.with_given(drawn) if drawn else model), len(drawn)
