"""Seeded arrays for a model's inputs, in the ranges that the layers which read them ask for.

whole numbers   below an Embedding's rows, a CategoryEncoding's tokens, an axis that is indexed; else 0 to 9
masked steps    where a mask is made of an input, rows from the second on end in what is masked
booleans        true for most places, and for the first of each row
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from archonnx.contract.dims import evaluate, symbols_of
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from archonnx.compiler.graph import LayerGraph, Node, Value
    from archonnx.contract.dims import Dim

    Array: TypeAlias = NDArray[Any]

PLAIN = 10  # whole numbers of which nothing is asked are below this
# Functions and layers whose results hold their input's own elements.
CARRYING = frozenset(
    "cast reshape transpose squeeze expand_dims moveaxis swapaxes getitem concat concatenate stack split flip roll "
    "tile repeat broadcast_to pad where sort Reshape Permute Flatten RepeatVector Identity Concatenate".split()
)


@dataclass(frozen=True, slots=True)
class Range:
    """What an input's numbers are: whole ones below `high` or one of `choices`; `masked` ends rows, where not None."""

    high: Dim | None = None
    choices: tuple[int | str, ...] = ()
    masked: float | None = None


def draw(graph: LayerGraph, sizes: Mapping[str, int], seed: int) -> dict[str, Array]:
    """An array for each input, by name; the same for the same seed, sizes and model."""
    import zlib

    import numpy as np

    drawn = {}
    for given in graph.inputs:
        rng = np.random.default_rng([seed, zlib.crc32(given.name.encode()), *sizes.values()])
        shape = tuple(evaluate(d, sizes) for d in given.value.type.shape)
        drawn[given.name] = _array(rng, given.value.type.dtype, shape, _range(graph, given.value), sizes)
    return drawn


def _array(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], asked: Range, sizes: Mapping[str, int]
) -> Array:
    import numpy as np

    from archonnx.compiler.recipes import numpy_dtype

    kind = DTYPES[dtype].kind
    if dtype == "string":
        words = np.array([*map(str, asked.choices), "other"], dtype=object)
        return words[rng.integers(0, len(words), shape)]
    array: Array
    if dtype == "bool":
        array = rng.random(shape) < 0.7
        if array.ndim:
            array[..., :1] = True
        return array
    if kind == "complex":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    if asked.choices:
        array = np.array([*asked.choices, 0])[rng.integers(0, len(asked.choices) + 1, shape)]
    elif asked.high is not None:
        # Of a size that only a run tells, the first place alone is sure to be there.
        high = evaluate(asked.high, sizes) if symbols_of(asked.high) <= sizes.keys() else 1
        low = 1 if asked.masked == 0 and high > 1 else 0
        array = rng.integers(low, max(high, low + 1), shape)
    elif kind == "float":
        array = rng.normal(size=shape)
    else:
        array = rng.integers(0, 256 if dtype == "uint8" else PLAIN, shape)
    made = array.astype(numpy_dtype(dtype))
    if asked.masked is not None and made.ndim > 1 and made.shape[1] > 1:
        for row in range(1, made.shape[0]):
            made[row, rng.integers(1, made.shape[1]) :] = asked.masked
    return made


def _range(graph: LayerGraph, value: Value) -> Range:
    """What the layers that read a value, or what carries its elements on, ask of it: the tightest of all."""
    high: Dim | None = None
    choices: tuple[int | str, ...] = ()
    masked: float | None = None
    for node, read in _readers(graph, value):
        asked = _asked(node, read)
        if asked.high is not None and (high is None or _smaller(asked.high, high)):
            high = asked.high
        choices = choices or asked.choices
        masked = asked.masked if masked is None else masked
    return Range(high, choices, masked)


def _smaller(a: Dim, b: Dim) -> bool:
    return isinstance(a, int) and (not isinstance(b, int) or a < b)


def _readers(graph: LayerGraph, value: Value) -> Iterator[tuple[Node, Value]]:
    """The nodes that read a value's elements, directly or through what carries them on, each with what it reads."""
    carried = [value]
    for node in graph.nodes:
        for read in [v for v in node.inputs if v is not None and any(v is c for c in carried)]:
            yield node, read
            if node.type_name in CARRYING:
                carried.extend(node.outputs)


def _asked(node: Node, read: Value) -> Range:
    """What a node asks of one of its inputs."""
    arguments = node.layer.arguments
    layer = arguments.get("layer") if node.type_name == "TimeDistributed" else None
    layer = getattr(getattr(layer, "appliable", None), "layer", None) or node.layer
    kind, arguments = layer.type_name, layer.arguments
    position = next(i for i, v in enumerate(node.inputs) if v is read)
    if kind in ("Embedding", "ReversibleEmbedding") and position == 0:
        return Range(arguments["input_dim"], masked=0 if arguments.get("mask_zero") else None)
    if kind == "CategoryEncoding" and position == 0:
        return Range(arguments["num_tokens"])
    if kind == "PositionEmbedding" and position == 1:
        return Range(arguments["sequence_length"])
    if kind == "one_hot":
        return Range(arguments["num_classes"])
    if kind in ("IntegerLookup", "StringLookup") and arguments.get("vocabulary"):
        return Range(choices=tuple(arguments["vocabulary"])[:1000])
    if kind == "Masking":
        return Range(masked=float(arguments["mask_value"]))
    if kind in ("take", "take_along_axis") and position == 1:
        indexed = node.inputs[0]
        axis = arguments.get("axis")
        if indexed is not None and indexed.type.rank:
            return Range(indexed.type.shape[axis if axis is not None else 0])
    return Range()
