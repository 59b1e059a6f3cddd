"""Lowering to weights of 4 or 8 bits: what is asked for is checked, and what was done is said in the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from archonnx.compiler.weights.blocks import BITS, BLOCK_SIZES
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.ir import OperatorGraph
    from archonnx.compiler.passes.quantize_weights import Quantization


def check_blocks(weight_bits: int | None, block_size: int) -> None:
    """UsageError unless weights are quantized so. None: they are not."""
    for name, value, known in (("weight_bits", weight_bits, BITS), ("block_size", block_size, BLOCK_SIZES)):
        if value is not None and (value not in known or isinstance(value, bool)):
            *some, last = known
            raise UsageError(f"{name} is {', '.join(map(str, some))} or {last}, got {value!r}")


def quantized(graph: OperatorGraph, bits: int, block_size: int) -> OperatorGraph:
    """The graph with its matrices quantized. UsageError where there is none to quantize, with the reasons."""
    from archonnx.compiler.passes.quantize_weights import LEAST, quantize_weights
    from archonnx.compiler.passes.share_constants import share_constants

    graph = share_constants(quantize_weights(graph, bits, block_size))
    found = graph.quantization
    assert found is not None
    if not found.quantized:
        reasons = "; ".join(f"{use.tensor.name} {use.tensor.type}: {use.reason}" for use in found.left[:3])
        raise UsageError(
            f"the model {graph.name} has nothing to keep in {bits} bits: no matrix of at least {LEAST:,} numbers is "
            "multiplied with or looked up"
            + (f" ({reasons}{'; ...' if len(found.left) > 3 else ''})" if reasons else "")
            + "; build it as it is"
        )
    return graph


def said_of(found: Quantization) -> str:
    """What the file's metadata say. Rows: the matrices that keep their axes, by the names of their numbers."""
    rows = {use.name: use.scales.name for use in found.quantized if use.rows and use.scales is not None}
    return json.dumps({"bits": found.bits, "block_size": found.block_size, "rows": rows}, ensure_ascii=False)
