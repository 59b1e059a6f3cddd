"""Weights in 4 or 8 bits: products with a constant matrix, and tables that are looked up.

1. MatMul, and Gemm without factors, of a value and a constant matrix: com.microsoft::MatMulNBits. It has zero points at
   4 bits; at 8 they were measured to gain nothing. What is multiplied may be rounded to 8 bits (`accuracy_level`): only
   so is it faster than float32.
2. Gather of rows of a constant table: of its quantized rows and their scales, and what they stand for in operators of
   ONNX. GatherBlockQuantized would give zeros for a row that the table does not have, where Gather fails.
3. A table that is looked up and multiplied with stays one.

What else reads a matrix keeps it as it is, and so is left every use of it. No decision looks at what weights hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.weights.quantizing import BlockNumbers, Blocks, BlockScales, Blockwise, BlockZeros
from archonnx.contract.dims import Facts
from archonnx.contract.dtypes import DTYPES

MICROSOFT = "com.microsoft"
LEAST = 4096  # elements: below, a matrix is not what takes time or space
ACCURACY = 4  # MatMulNBits: the value may be rounded to int8, in blocks as the weights
DTYPES_TAKEN = ("float32", "float16")


@dataclass(slots=True)
class Use:
    """A constant matrix, how it is read, and what it becomes. `reason` says why it is left."""

    tensor: Tensor
    how: Blocks
    rows: bool = False  # whether its rows are what is looked up or multiplied with
    reason: str = ""
    numbers: Tensor | None = None
    scales: Tensor | None = None
    zeros: Tensor | None = None

    @property
    def name(self) -> str:
        """Its name in the file, that of its numbers where it is quantized."""
        return (self.numbers or self.tensor).name

    def prepare(self) -> None:
        """Make the constants that stand for it."""
        assert self.tensor.recipe is not None
        source = self.tensor.recipe if self.rows else self.tensor.recipe.transpose((1, 0))

        def constant(recipe: Blockwise) -> Tensor:
            return Tensor(self.tensor.name, TensorType(recipe.dtype, recipe.shape), recipe=recipe)

        self.numbers = constant(BlockNumbers(source, self.how))
        self.scales = constant(BlockScales(source, self.how))
        self.zeros = None if self.how.symmetric else constant(BlockZeros(source, self.how))


@dataclass(slots=True)
class Quantization:
    """What became of the matrices of a graph. `before` and `after` are the bytes of all its constants."""

    bits: int
    block_size: int
    uses: list[Use]
    before: int
    after: int

    @property
    def quantized(self) -> list[Use]:
        return [use for use in self.uses if not use.reason]

    @property
    def left(self) -> list[Use]:
        return [use for use in self.uses if use.reason]


def quantize_weights(graph: OperatorGraph, bits: int, block_size: int) -> OperatorGraph:
    """The graph with its matrices quantized where that can be; `quantization` says which were, and why others not.

    What is read twice is one tensor already (share_constants).
    """
    before = _bytes(graph)
    uses = list(_matrices(graph, bits, block_size))
    builder = Builder(OperatorGraph(graph.name, graph.opset), Facts())
    quantized = {id(use.tensor): use for use in uses if not use.reason}
    kept: list[Operator] = []
    for operator in graph.operators:
        matrix = _matrix_of(operator)
        use = None if matrix is None else quantized.get(id(matrix))
        if use is None:
            kept.append(operator)
            continue
        builder.graph.operators, builder.origin = [], Origin.of_operator(operator)
        (_row_lookup if operator.type == "Gather" else _product)(builder, operator, use)
        last = builder.graph.operators[-1]
        last.outputs = operator.outputs  # the same tensors, so that all who read them go on doing so
        for tensor in last.outputs:
            tensor.producer = last
        kept += builder.graph.operators
    graph.operators = kept
    graph.domains.update(builder.graph.domains)
    graph.quantization = Quantization(bits, block_size, uses, before, _bytes(graph))
    return graph


def _bytes(graph: OperatorGraph) -> int:
    return sum(tensor.recipe.nbytes for tensor in graph.constants() if tensor.recipe is not None)


def _matrices(graph: OperatorGraph, bits: int, block_size: int) -> Iterator[Use]:
    """Every matrix that is multiplied with or looked up, in order of first use, with what is to become of it."""
    readers: dict[int, list[Operator | None]] = {}
    for operator in graph.everywhere():
        for tensor in operator.inputs:
            if tensor is not None and tensor.recipe is not None:
                readers.setdefault(id(tensor), []).append(operator)
    for _, tensor in graph.outputs:
        if tensor.recipe is not None:
            readers.setdefault(id(tensor), []).append(None)
    own = {id(operator) for operator in graph.operators}
    seen: set[int] = set()
    for operator in graph.everywhere():
        matrix = _matrix_of(operator)
        if matrix is None or id(matrix) in seen:
            continue
        seen.add(id(matrix))
        by = readers[id(matrix)]
        looked_up = any(o is not None and o.type == "Gather" for o in by)
        use = Use(matrix, Blocks(bits, block_size, symmetric=looked_up or bits == 8))
        ways = {None if o is None or _matrix_of(o) is not matrix else _by_rows(o) for o in by}
        inside = any(o is not None and id(o) not in own for o in by)
        use.rows = True in ways
        use.reason = _reason(use, ways, looked_up, inside, by)
        if not use.reason:
            use.prepare()
        yield use


def _reason(use: Use, ways: set[bool | None], looked_up: bool, inside: bool, by: list[Operator | None]) -> str:
    """Why a matrix is left as it is, or ""."""
    tensor, size = use.tensor, use.how.size
    height, width = (d for d in tensor.shape if isinstance(d, int))
    if tensor.dtype not in DTYPES_TAKEN:
        return f"it is {tensor.dtype}, not {' or '.join(DTYPES_TAKEN)}"
    if height * width < LEAST:
        return f"it has fewer than {LEAST:,} numbers"
    if None in ways:
        other = next((o.type for o in by if o is not None and _matrix_of(o) is not tensor), "an output")
        return f"{other} reads it too"
    if len(ways) > 1:
        return "its rows are used, and its columns too"
    if inside:
        return "it is used within a loop"
    inner = width if use.rows else height
    if inner < size:
        return f"{inner} numbers are added up, fewer than a block"
    if looked_up and inner % size:
        return f"its rows of {inner} are no multiple of a block"
    return ""


def _matrix_of(operator: Operator) -> Tensor | None:
    """The constant matrix that an operator multiplies with or looks up, where it could be quantized."""
    if operator.domain or operator.type not in ("MatMul", "Gemm", "Gather"):
        return None
    place = 0 if operator.type == "Gather" else 1
    matrix, other = operator.inputs[place], operator.inputs[1 - place]
    if matrix is None or other is None or matrix.recipe is None or matrix.rank != 2 or other.recipe is not None:
        return None
    if DTYPES[matrix.dtype].kind != "float":
        return None
    attributes = operator.attributes
    if operator.type == "Gather":
        return matrix if attributes.get("axis", 0) in (0, -2) else None
    if operator.type == "MatMul":
        return matrix if other.rank >= 2 else None
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    plain = attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0 and not attributes.get("transA", 0)
    columns = operator.outputs[0].shape[-1]
    return matrix if plain and (bias is None or tuple(bias.shape) == (columns,)) else None


def _by_rows(operator: Operator) -> bool:
    return operator.type == "Gather" or bool(operator.attributes.get("transB", 0))


def _product(b: Builder, operator: Operator, use: Use) -> None:
    """Case 1."""
    assert use.numbers is not None
    rows, width = use.tensor.shape if use.rows else use.tensor.shape[::-1]
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    b.op(
        "MatMulNBits",
        operator.inputs[0],
        use.numbers,
        use.scales,
        use.zeros,
        None,  # the order of groups, which is no longer used
        bias,
        result=operator.outputs[0].type,
        domain=MICROSOFT,
        K=width,
        N=rows,
        bits=use.how.bits,
        block_size=use.how.size,
        accuracy_level=ACCURACY,
    )


def _row_lookup(b: Builder, operator: Operator, use: Use) -> None:
    """Case 2: rows of numbers, and of scales, and their product."""
    places, result = operator.inputs[1], operator.outputs[0].type
    assert places is not None
    assert use.numbers is not None
    assert use.scales is not None
    _, count, stored = (d for d in use.numbers.shape if isinstance(d, int))
    leading = places.shape
    rows = b.op("Gather", use.numbers, places, result=TensorType("uint8", (*leading, count, stored)))
    scales = b.op("Gather", use.scales, places, result=TensorType(use.tensor.dtype, (*leading, count)))
    if use.how.bits == 4:
        rows = _halves(b, rows, use.how.size)
    numbers = b.op("Sub", b.cast(rows, use.tensor.dtype), b.constant(2 ** (use.how.bits - 1), use.tensor.dtype))
    found = b.op("Mul", numbers, b.expand_dims(scales, [scales.rank]), result=numbers.type)
    target = b.ints([*([0] * len(leading)), count * use.how.size])
    b.op("Reshape", found, target, result=result)


def _halves(b: Builder, rows: Tensor, size: int) -> Tensor:
    """Bytes [..., blocks, bytes] as the two numbers in each, [..., blocks, size]."""
    low = b.op("Mod", rows, b.constant(16, "uint8"))
    high = b.op("BitShift", rows, b.constant(4, "uint8"), direction="RIGHT", result=rows.type)
    pair = TensorType("uint8", (*rows.shape, 2))
    both = b.op("Concat", *(b.expand_dims(half, [rows.rank]) for half in (low, high)), result=pair, axis=rows.rank)
    shape = (*rows.shape[:-1], size)
    return b.op("Reshape", both, b.ints([*([0] * (rows.rank - 1)), size]), result=TensorType("uint8", shape))
