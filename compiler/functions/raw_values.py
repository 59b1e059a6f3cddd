"""What small tensors hold while compiling: shapes and axes that raw operators work out of numbers of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archonnx.compiler.functions.raw import Raw
    from archonnx.compiler.graph import TensorType

LARGEST = 1024  # elements of a tensor that is worked out

# What shapes are calculated with. Left to their kernels: whatever draws, rounds in its own way or is large.
_EVALUATED = frozenset(
    "Abs Add And Cast Ceil Concat Constant ConstantOfShape Div Equal Expand Floor Gather Greater Identity Less Max Min "
    "Mod Mul Neg Not Or Range ReduceMax ReduceMin ReduceProd ReduceSum Reshape Size Slice Split Squeeze Sub Tile "
    "Transpose Unsqueeze Where".split()
)


def results_of(
    layer: Raw, opset: int, types: Sequence[TensorType | None], arrays: Sequence[NDArray[Any] | None], count: int
) -> list[NDArray[Any]] | None:
    """The results of an operator whose inputs are known, by onnx's reference implementation, else None.

    `types` and `arrays` are its inputs', None for one that is left out. A Shape needs sizes alone.
    """
    import numpy as np

    name, attributes = layer.type_name, layer.attributes()
    if name == "Shape" and types[0] is not None:
        sizes = types[0].shape[attributes.get("start", 0) : attributes.get("end")]
        known = [size for size in sizes if isinstance(size, int)]
        return [np.array(known, dtype=np.int64)] if len(known) == len(sizes) else None
    if name not in _EVALUATED or any(t is not None and a is None for t, a in zip(types, arrays, strict=True)):
        return None
    if any(a is not None and (a.size > LARGEST or a.dtype.kind not in "biuf") for a in arrays):
        return None
    if name == "Div" and any(a is not None and a.dtype.kind == "i" and (a < 0).any() for a in arrays):
        return None  # ONNX rounds towards zero, the reference downwards
    if name in ("ConstantOfShape", "Expand", "Tile", "Range") and _elements(name, arrays) > LARGEST:
        return None
    return _evaluated(layer, opset, arrays, count)


def _elements(name: str, arrays: Sequence[NDArray[Any] | None]) -> float:
    """About how many elements an operator would make."""
    import numpy as np

    given = [a.astype(float) for a in arrays if a is not None]
    if name == "Range":
        start, limit, step = given
        return float(np.abs(limit - start) / np.maximum(np.abs(step), 1e-30))
    made = float(np.abs(np.prod(given[-1])))
    return made if name == "ConstantOfShape" else made * given[0].size


def _evaluated(layer: Raw, opset: int, arrays: Sequence[NDArray[Any] | None], count: int) -> list[NDArray[Any]] | None:
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator

    names = [f"i{k}" if a is not None else "" for k, a in enumerate(arrays)]
    node = layer.node(names, [f"o{k}" for k in range(count)])
    feeds = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    graph = onnx.helper.make_graph(
        [node],
        "values",
        [onnx.helper.make_empty_tensor_value_info(n) for n in feeds],
        [onnx.helper.make_empty_tensor_value_info(o) for o in node.output],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            made = ReferenceEvaluator(model).run(None, feeds)
    except (ArithmeticError, IndexError, TypeError, ValueError):
        return None  # the kernel will say what is wrong with these numbers
    results = [np.asarray(a) for a in made]
    return results if all(a.size <= LARGEST for a in results) else None
