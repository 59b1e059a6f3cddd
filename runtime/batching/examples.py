"""Rules of operators that know of a batch themselves: what they make of an example follows from that example.

Sources: the operators' own texts in onnx/docs/Operators.md, and onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

from archonnx.runtime.batching.extents import ONE, Size
from archonnx.runtime.batching.nodes import Found, Node, Rule
from archonnx.runtime.batching.values import Unprovable


def examples(*places: int, like: bool = False, rank: int | None = None) -> Rule:
    """The first axis counts the examples, of the inputs `places` and of all outputs; other inputs are the same for all.
    like: the first output has the shape of the first input; rank: of outputs, where it is not that of the first input.
    """
    taken = places or (0,)

    def rule(node: Node) -> list[Found]:
        node.only_rows(*taken)
        extent = node.extent(0)
        for place in taken:
            if node.given(place) is None:
                continue
            if node.axis(place) != 0:
                raise Unprovable(
                    f"the rows are on axis {node.axis(place)} of its input {place}, its examples on axis 0"
                )
            if node.extent(place) != extent:
                raise Unprovable("its inputs hold different numbers of places for a row")
        shape = node.shape(0)
        other = Found(0, [extent, *[None] * ((rank or len(shape)) - 1)])
        return [Found(0, shape) if like else other] + [other] * (len(node.outputs) - 1)

    return rule


def table(node: Node) -> list[Found]:
    """Classifiers and regressors of tables: a row of features each, a label or numbers, and scores."""
    axis, shape = node.row_axis(), node.shape(0)
    if axis != 0 or len(shape) != 2:
        raise Unprovable("its input is no table of rows")
    wide = Found(0, [shape[0], None])
    return [Found(0, [shape[0]]), wide] if node.operator.endswith("Classifier") else [wide]


def single(rule: Rule) -> Rule:
    """Of operators whose further outputs count places of the whole batch: the first one alone."""

    def only(node: Node) -> Found | list[Found]:
        if sum(bool(name) for name in node.outputs) > 1:
            raise Unprovable("its second output counts places of the whole batch")
        return rule(node)

    return only


def normalize_batch(node: Node) -> Found:
    """BatchNormalization, where it is not training."""
    axis = node.row_axis()
    used = sum(bool(name) for name in node.outputs)
    if node.attribute("training_mode", 0) or used > 1 or node.opset < 7:
        raise Unprovable("it is training: it takes the mean of the batch")
    if axis == 1:
        raise Unprovable("it works along axis 1, which holds the rows")
    return Found(axis, node.shape(0))


def dropout(node: Node) -> list[Found]:
    """Dropout, where it is not training: from opset 12 its third input tells."""
    axis, shape = node.row_axis(), node.shape(0)
    keeps(node)
    return [Found(axis, shape), Found(axis, shape)]


def keeps(node: Node) -> None:
    """That a Dropout drops nothing."""
    training = node.given(2)
    if training is not None and (training.numbers is None or training.numbers.known != [0]):
        raise Unprovable("it draws what it drops")


def recurrent(node: Node) -> list[Found]:
    """LSTM, GRU and RNN: [steps, batch, inputs], or with layout 1 the batch first; states have it second, or first."""
    late = int(node.attribute("layout", 0)) == 0
    axis, state = (1, 1) if late else (0, 0)
    node.only_rows(0, 4, 5, 6)
    if node.axis(0) != axis:
        raise Unprovable(f"the rows are on axis {node.axis(0)}, and its batch on axis {axis}")
    for place, wanted in ((4, 0), (5, state), (6, state)):
        value = node.given(place)
        if value is not None and (value.axis != wanted or node.extent(place) != node.extent(0)):
            raise Unprovable(f"its input {place} holds no rows where others do, or on another axis")
    shape = node.shape(0)
    units = Size(int(node.attribute("hidden_size"))) if "hidden_size" in node.attributes else None
    both = node.attribute("direction", b"forward") in (b"bidirectional", "bidirectional")
    ways = Size(2 if both else 1)
    if late:
        every, last = Found(2, [shape[0], ways, shape[1], units]), Found(1, [ways, shape[1], units])
    else:
        every, last = Found(0, [shape[0], shape[1], ways, units]), Found(0, [shape[0], ways, units])
    return [every, last, last]


def attention(node: Node) -> list[Found]:
    """Attention of opset 23: query, key, value, mask, past key and value. The mask ends in [queries, keys]; with four
    axes its first is the batch's."""
    node.only_rows(0, 1, 2, 3, 4, 5)
    extent = node.extent(0)
    for place in range(6):
        value = node.given(place)
        if value is None:
            continue
        fits = value.axis == 0 and node.extent(place) == extent and (place != 3 or node.rank(place) == 4)
        if place == 3 and value.same:
            shape = node.shape(3)
            fits = len(shape) < 4 or shape[0] == ONE
        if not fits:
            raise Unprovable(f"its input {place} does not have the rows on its first axis")
    shape = node.shape(0)
    return [Found(0, [*shape[:-1], None])] + [Found(0, [extent, None, None, None])] * 3


def multi_head(node: Node) -> list[Found]:
    """com.microsoft's MultiHeadAttention: query, key, value, bias, padding mask, bias of the scores, past ones."""
    node.only_rows(0, 1, 2, 4, 5, 6, 7)
    extent = node.extent(0)
    for place in (0, 1, 2, 4, 5, 6, 7):
        value = node.given(place)
        if value is None:
            continue
        fits = value.axis == 0 and node.extent(place) == extent and (place != 4 or node.rank(place) > 1)
        if place == 5 and value.same:
            fits = node.shape(5)[0] == ONE
        if not fits:
            raise Unprovable(f"its input {place} does not have the rows on its first axis")
    if node.rank(0) != 3:
        raise Unprovable("its heads are packed")
    return [Found(0, [*node.shape(0)[:-1], None])] + [Found(0, [extent, None, None, None])] * 2


def fused_attention(node: Node) -> Found:
    """com.microsoft's Attention: input, weights, bias, mask; a mask of one axis packs lengths of the whole batch."""
    node.only_rows(0, 3, 5)
    extent = node.extent(0)
    for place in (0, 3, 5):
        value = node.given(place)
        if value is None:
            continue
        fits = value.axis == 0 and node.extent(place) == extent and node.rank(place) > 1
        if place == 5 and value.same:
            fits = node.shape(5)[0] == ONE
        if not fits:
            raise Unprovable(f"its input {place} does not have the rows on its first axis")
    if node.given(4) is not None or sum(bool(name) for name in node.outputs) > 1:
        raise Unprovable("it keeps what came before with the batch on another axis")
    return Found(0, [*node.shape(0)[:-1], None])


def embedding(node: Node) -> list[Found]:
    """com.microsoft's EmbedLayerNormalization: tokens [batch, steps] to [batch, steps, width]."""
    node.only_rows(0, 1, 7, 8)
    shape = node.shape(0)
    for place in (0, 1, 7, 8):
        value = node.given(place)
        if value is not None and (value.axis != 0 or node.extent(place) != shape[0]):
            raise Unprovable(f"its input {place} does not have the rows on its first axis")
    full = Found(0, [*shape, None])
    return [full, Found(0, [shape[0]]), full]


def rotated(positions: int) -> Rule:
    """RotaryEmbedding: an input, tables and positions. positions: which input these are; of two axes, they are the
    rows' own, and tables are where they have three."""

    def rule(node: Node) -> Found:
        node.only_rows(0, 1, 2, 3)
        extent = node.extent(0)
        for place in range(4):
            value = node.given(place)
            if value is None:
                continue
            for_all = place and value.same and node.rank(place) <= (1 if place == positions else 2)
            if not for_all and (value.axis != 0 or node.extent(place) != extent):
                raise Unprovable(f"its input {place} does not have the rows on its first axis")
        return Found(0, node.shape(0))

    return rule


def sequences(node: Node) -> Found:
    """DFT: along one axis, an attribute or from opset 20 an input."""
    axis, shape = node.row_axis(), node.shape(0)
    at = node.ints("axis", 2, [1 if node.opset < 20 else -2])[0]
    node.apart(node.normal(at, len(shape)))
    if axis == len(shape) - 1:
        raise Unprovable("it works along the last axis, which holds the rows")
    return Found(axis, [size if place == axis else None for place, size in enumerate(shape)])
