"""Rules of products of matrices. A sum over the tokens is the same where one factor is 0 behind the mask, and the other
one a number.

Sources: the operators' own texts in onnx/docs/Operators.md, and onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from dataclasses import replace

from archonnx.runtime.batching.extents import ONE, Size
from archonnx.runtime.batching.values import Unprovable
from archonnx.runtime.padding.ranges import ANYTHING, ZERO, Range, add, multiply, within
from archonnx.runtime.padding.states import PLAIN, Made, State, Step, joint, spread


def matmul(node: Step) -> Made:
    """numpy's matmul."""
    node.fixed(*range(2, len(node.inputs)))
    return multiplied(node, node.state(0), node.state(1))


def multiplied(node: Step, left: State, right: State) -> Made:
    """The product of two values of known rank."""
    a, b = left.shape, right.shape
    if a is None or b is None:
        raise Unprovable("the rank of an input is not known")
    if len(a) < 2 or len(b) < 2:
        if left.carries or right.carries:
            raise Unprovable("one of its factors is no matrix")
        return Made(None, bound(left.whole, right.whole, None, node.count(a[-1] if a else None)))
    last, first = len(a) - 1, len(b) - 2
    size = summing(left, last, right, first, a[last], b[first])
    links, dims = joint(node, [left, right], skipped=2)
    rank = len(dims) + 2
    if last - 1 in left.tails:
        links[0][rank - 2] = last - 1
    if first + 1 in right.tails:
        links[1][rank - 1] = first + 1
    columns = column_sum(right)
    return spread([left, right], links, lambda x, y: bound(x, y, columns, node.count(size)), [*dims, a[-2], b[-1]])


def summing(left: State, last: int, right: State, first: int, a: Size, b: Size) -> Size:
    """The size of the axis that is summed over, of which the tokens must add nothing behind the mask."""
    if last not in left.tails and first not in right.tails:
        return a if a.known is not None else b
    if a != b or left.grain(last) != PLAIN or right.grain(first) != PLAIN:
        raise Unprovable("it sums over the tokens and over something else at once")
    x, y = left.tails[last], right.tails[first]
    if not ((x.only == 0 and y.sure) or (y.only == 0 and x.sure)):
        raise Unprovable(f"it sums over the tokens, {_unsure(x, y)}")
    return a


def _unsure(x: Range, y: Range) -> str:
    if x.only == 0 or y.only == 0:
        return "and what is multiplied by 0 behind the mask may be infinite, as far as the graph tells"
    return "and no factor is 0 behind the mask"


def bound(x: Range, y: Range, columns: float | None, count: float) -> Range:
    """What sums of `count` products of two ranges may be. columns: the largest sum of magnitudes of a column of the
    right factor, where that is a constant."""
    if (x.only == 0 and y.sure) or (y.only == 0 and x.sure):
        return ZERO
    if not (x.sure and y.sure):
        return ANYTHING
    return within(x.most * min(count * y.most if y.most else 0.0, math.inf if columns is None else columns))


def column_sum(right: State) -> float | None:
    """The largest sum of magnitudes along the axis before the last; None of what is no constant of floats."""
    import numpy as np

    array = right.array()
    if array is None or array.ndim < 2 or array.dtype.kind != "f":
        return None
    return float(np.abs(array).sum(-2, dtype=np.float64).max(initial=0.0))


def gemm(node: Step) -> Made:
    """alpha * A B + beta * C, each of A and B perhaps transposed."""
    parts = [node.state(0), node.state(1)]
    if any(len(node.shape(place)) != 2 for place in (0, 1)):
        raise Unprovable("its factors are no matrices")
    turned = [
        turn(part) if node.attribute(name, 0) else part for part, name in zip(parts, ("transA", "transB"), strict=True)
    ]
    made = multiplied(node, *turned)
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    product = State(
        tuple(size for size in made.dims or () if size is not None),
        whole=made.whole,
        tails=made.tails,
        fronts=made.fronts,
        grains=made.grains,
    )
    added = node.maybe(2)
    others = [] if added is None else [added]
    links, dims = joint(node, [product, *others])

    def function(x: Range, *rest: Range) -> Range:
        found = multiply(x, Range(alpha, alpha))
        return add(found, multiply(rest[0], Range(beta, beta))) if rest else found

    return spread([product, *others], links, function, dims)


def turn(state: State) -> State:
    """A value whose last two axes change places."""
    shape = state.shape or ()
    rank = len(shape)
    places = {rank - 1: rank - 2, rank - 2: rank - 1}
    array = state.array

    def elements() -> object:
        found = array()
        return None if found is None else found.swapaxes(-1, -2)

    return replace(
        state,
        shape=(*shape[:-2], shape[-1], shape[-2]),
        tails={places.get(axis, axis): found for axis, found in state.tails.items()},
        fronts={places.get(axis, axis): found for axis, found in state.fronts.items()},
        grains={places.get(axis, axis): found for axis, found in state.grains.items()},
        constant=None,
        numbers=None,
        elements=elements,
    )


def fused_matmul(node: Step) -> Made:
    """com.microsoft's FusedMatMul: alpha * A B, the last two axes of each perhaps swapped."""
    if node.attribute("transBatchA", 0) or node.attribute("transBatchB", 0):
        raise Unprovable("it moves the axes of a batch of matrices")
    parts = [node.state(0), node.state(1)]
    turned = [
        turn(part) if node.attribute(name, 0) else part for part, name in zip(parts, ("transA", "transB"), strict=True)
    ]
    made = multiplied(node, *turned)
    alpha = float(node.attribute("alpha", 1.0))
    scale = Range(alpha, alpha)
    made.whole = multiply(made.whole, scale)
    made.tails = {axis: multiply(found, scale) for axis, found in made.tails.items()}
    made.fronts = {axis: multiply(found, scale) for axis, found in made.fronts.items()}
    return made


def einsum(node: Step) -> Made:
    """Of one value or two: letters of tokens stand in the result, or are summed over where they add nothing."""
    equation = node.attribute("equation", b"")
    text = (equation.decode() if isinstance(equation, bytes) else str(equation)).replace(" ", "")
    terms, arrow, result = text.partition("->")
    words, states = terms.split(","), node.states()
    if not arrow or "." in text or len(words) > 2 or len(words) != len(states):
        raise Unprovable("its equation leaves axes unnamed, or has more than two values")
    sizes: dict[str, Size] = {}
    holders: dict[str, list[tuple[State, int]]] = {}
    for place, (word, state) in enumerate(zip(words, states, strict=True)):
        shape = node.shape(place)
        if len(shape) != len(word) or len(set(word)) != len(word):
            raise Unprovable("its equation takes a diagonal")
        for axis, (letter, size) in enumerate(zip(word, shape, strict=True)):
            before = sizes.setdefault(letter, size)
            if before != size and (before.batch or size.batch):
                raise Unprovable("an input may have another number of places along the axis that holds the tokens")
            sizes[letter] = size if before.known is None or before == ONE else before
            if axis in state.tails:
                holders.setdefault(letter, []).append((state, axis))
    count = 1.0
    for letter, size in sizes.items():
        if letter in result:
            continue
        count *= node.count(size)
        if letter in holders:
            _adds_nothing(letter, holders[letter], states, words)
    links = [
        {result.index(letter): axis for axis, letter in enumerate(word) if axis in state.tails and letter in result}
        for word, state in zip(words, states, strict=True)
    ]

    def function(*given: Range) -> Range:
        if not all(each.sure for each in given):
            return within(float("inf"))
        if any(each.only == 0 for each in given):
            return Range(0, 0)
        most = count
        for each in given:
            most *= each.most
        return within(most)

    return spread(states, links, function, [sizes[letter] for letter in result])


def _adds_nothing(letter: str, held: list[tuple[State, int]], states: list[State], words: list[str]) -> None:
    """That a sum over a letter of tokens has nothing from behind the mask."""
    if any(state.grain(axis) != PLAIN for state, axis in held):
        raise Unprovable("it sums over the tokens and over something else at once")
    ranges = [
        state.tail(word.index(letter) if letter in word else None) for state, word in zip(states, words, strict=True)
    ]
    if not any(each.only == 0 for each in ranges) or not all(each.sure for each in ranges):
        raise Unprovable(
            f"it sums over the tokens, {_unsure(*ranges) if len(ranges) > 1 else 'which are not 0 behind the mask'}"
        )
