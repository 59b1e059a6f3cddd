"""Writing weights as the initializers of an ONNX model without nodes, saved as compiled models are.

Past what protobuf holds, tensors stand in `NAME.<hash>.data` beside the model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from archonnx.compiler.ir import Tensor as Value
from archonnx.compiler.weights.files.base import CannotHoldError, Tensor
from archonnx.compiler.weights.files.stored import encode
from archonnx.compiler.weights.recipe import Evaluation, Recipe
from archonnx.contract.dtypes import DTYPES

OPSET = 25  # of a model of weights alone: the first with every type that is written
LONGEST = 1_900_000_000  # bytes of weights in the model itself; protobuf ends at 2**31 - 1


class _Given(Recipe):
    """The bytes of a tensor that is written: no slice but all, in order."""

    is_literal = False
    in_order = True

    def __init__(self, name: str, tensor: Tensor) -> None:
        self.name, self.tensor = name, tensor
        self.dtype, self.shape = tensor.entry.dtype, tensor.entry.shape

    def iter_bytes(self, evaluation: Evaluation) -> Iterator[memoryview]:
        yield from encode(self.name, self.tensor)


def write_model(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a model, and its data beside it where they are large: whole or not at all, and read back.

    Errors: CannotHoldError for a name that ONNX does not have, ArchonnxError where the file cannot be written.
    """
    import onnx
    from onnx import helper

    from archonnx.compiler.committing import tidy
    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.layout import Outgoing, lay_out
    from archonnx.compiler.saving import explained
    from archonnx.compiler.streaming import Saving
    from archonnx.compiler.writer import Initializer, Skeleton

    if "" in tensors:
        raise CannotHoldError("an initializer without a name is none in an ONNX model")
    imports = [helper.make_opsetid("", OPSET)]
    model = onnx.ModelProto(ir_version=helper.find_min_ir_version_for(imports), opset_import=imports)
    helper.set_model_props(model, dict(metadata))
    initializers = []
    for name, tensor in tensors.items():
        entry = tensor.entry
        head = onnx.TensorProto(name=name, dims=entry.shape, data_type=DTYPES[entry.dtype].onnx)
        recipe = _Given(name, tensor)
        initializers.append(Initializer(Value(name, TensorType(entry.dtype, entry.shape), recipe=recipe), recipe, head))
    skeleton = Skeleton(model, onnx.GraphProto(name="weights"), initializers)
    needed = sum(tensor.entry.bytes for tensor in tensors.values())
    outgoing = Outgoing(skeleton, Path(os.path.realpath(path)), Evaluation(0))
    tidy(outgoing.target)
    with explained(path, needed):
        layout = lay_out([outgoing], bare=False, external="auto", limit=LONGEST)
        Saving([outgoing], layout, stem=outgoing.target.stem).run()
