"""What a node makes of small constants: some exporters compute even the sizes that they know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.runtime.batching.values import MOST, Value

if TYPE_CHECKING:
    import numpy as np

FOLDED = frozenset(
    "Add And Cast Concat ConstantOfShape Equal Expand Gather Greater Less Max Min Mod Mul Neg Not Or Reshape Slice "
    "Squeeze Sub Tile Transpose Unsqueeze Where".split()
)


def folded(node: Any, inputs: Sequence[Value | None], opset: int) -> np.ndarray[Any, Any] | None:
    """The first output, where all inputs are constants and it is small; else None."""
    import numpy as np

    if not inputs or any(value is not None and value.constant is None for value in inputs):
        return None
    arrays = [None if value is None else value.constant for value in inputs]
    if node.op_type in ("ConstantOfShape", "Expand", "Tile") and _large(node.op_type, arrays):
        return None
    import onnx
    from onnx.reference import ReferenceEvaluator

    graph = onnx.helper.make_graph(
        [node],
        "folded",
        [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in dict(zip(node.input, arrays, strict=True)).items()
            if array is not None
        ],
        [onnx.ValueInfoProto(name=node.output[0])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    feeds = {name: array for name, array in zip(node.input, arrays, strict=True) if array is not None}
    try:
        (found,) = ReferenceEvaluator(model).run(None, feeds)
    except (ValueError, IndexError, TypeError, NotImplementedError, RuntimeError, OverflowError):
        return None  # onnxruntime will say what is wrong with it, if anything is
    return found if isinstance(found, np.ndarray) and found.size <= MOST else None


def _large(operator: str, arrays: Sequence[Any]) -> bool:
    """Whether more would be made than is looked at."""
    import numpy as np

    sizes = arrays[0] if operator == "ConstantOfShape" else arrays[1]
    scale = arrays[0].size if operator == "Tile" else 1
    return sizes is None or float(np.prod(np.maximum(sizes.astype(float), 1))) * max(scale, 1) > MOST
