"""What attention asks of its inputs: axes, lengths, masks and the cache, and what it says where they do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.attention_masks import check_sizes
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.layers.common import equal, require_equal, require_rank, require_text
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Context, Layer
    from archonnx.compiler.lowering.attention import Geometry
    from archonnx.contract.dims import Dim

STEPS = ("batch", "steps", "features")
NAMES = ("query", "value", "key")


def check_ranks(layer: Layer, *sides: TensorType | None) -> None:
    """E0302 unless query, value and key have at least three axes, and as many as one another."""
    query = sides[0]
    assert query is not None
    for number, x in enumerate(sides):
        if x is None:
            continue
        if x.rank < 3:
            help = f"write the axis of the steps too: {x.dtype}[N, T, {x.shape[-1]}]" if x.rank == 2 else None
            raise LayerError(
                "E0302",
                f"{layer.type_name} needs at least 3 axes (batch, steps, features), got a {NAMES[number]} {x}",
                input=number,
                help=help,
            )
        if x.rank != query.rank:
            raise LayerError(
                "E0302",
                f"{layer.type_name} needs inputs of as many axes as one another, got {query} and {x}",
                input=number,
            )


def attention_axes(layer: Layer, x: TensorType, given: tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes that are attended over, counted from the first. E0311 where one is the batch, the last, or none."""
    if given is None:
        return tuple(range(1, x.rank - 1))
    axes = tuple(axis + x.rank if axis < 0 else axis for axis in given)
    for axis, number in zip(axes, given, strict=True):
        if not 1 <= axis < x.rank - 1:
            span = "axis 1" if x.rank == 3 else f"axes 1 to {x.rank - 2}"
            what = {0: "the batch", x.rank - 1: "the features"}.get(axis, "not one of its axes")
            raise LayerError(
                "E0311",
                f"{layer.type_name} attends over {span} of {x}; axis {number} is {what}",
                argument="attention_axes",
            )
    if len(set(axes)) != len(axes) or not axes:
        raise LayerError(
            "E0311",
            f"{layer.type_name} needs one or more axes of {x}, each once, got {given}",
            argument="attention_axes",
        )
    return axes


def only_steps(layer: Layer, x: TensorType) -> tuple[int, ...]:
    """Axis 1. E0302 unless there are three axes."""
    require_rank(layer, x, STEPS)
    return (1,)


def check_lengths(layer: Layer, c: Context, key: TensorType, value: TensorType, axis: int) -> None:
    """E0308 where key and value have different lengths, E0309 where that is not known."""
    a, b = key.shape[axis], value.shape[axis]
    verdict = equal(c.facts, a, b)
    if verdict is Verdict.YES:
        return
    if verdict is Verdict.NO:
        raise LayerError(
            "E0308",
            f"{layer.type_name} needs a value for every key: the key {key} has {a} steps, the value {value} {b}",
            input=2,
            axis=axis,
            label=f"{a} here",
            help="the order of the inputs is query, value, key",
        )
    raise LayerError(
        "E0309",
        f"{layer.type_name} cannot tell whether the key {key} has as many steps as the value {value}",
        input=2,
        axis=axis,
        label=f"{a} here",
        help=f"state it: {require_text('==', a, b)}",
    )


def check_sides(layer: Layer, c: Context, given: Any, attended: tuple[int, ...]) -> None:
    """E0302, E0308 and E0309 unless query, value and key go together."""
    query, value, key = given.query, given.value, given.key
    check_ranks(layer, query, value, key)
    for axis in range(query.rank - 1):
        if axis not in attended:
            require_equal(layer, c.facts, query.shape[axis], value.shape[axis], (query, value), input=1, axis=axis)
            if key is not None:
                require_equal(layer, c.facts, query.shape[axis], key.shape[axis], (query, key), input=2, axis=axis)
        elif key is not None:
            check_lengths(layer, c, key, value, axis)


def check_order(layer: Layer, query: TensorType, attended: tuple[int, ...]) -> None:
    """E0322 where steps have to be in order, and there is more than one axis of them."""
    for name in ("use_causal_mask", "sliding_window"):
        if getattr(layer, name) and len(attended) != 1:
            raise LayerError(
                "E0322",
                f"{layer.type_name} attends over {len(attended)} axes {attended} of {query} at once, "
                f"and {name} needs one along which steps are in order",
                argument=name,
                help="name one: attention_axes=1",
            )


def check_cache(layer: Any, c: Context, given: Any) -> None:
    """E0323 unless the cache comes as it goes, and where a mask that travels with an input would be lost to it."""
    past = {"past_key": given.past_key, "past_value": given.past_value}
    present = [name for name, x in past.items() if x is not None]
    if not layer.use_cache and not present:
        return
    name = layer.type_name
    if not layer.use_cache:
        raise LayerError(
            "E0323",
            f"{name} is given {present[0]} and gives no cache back",
            help="set use_cache=True, or leave the past out",
            input=7 if present[0] == "past_key" else 8,
        )
    if given.query.rank != 3:
        raise LayerError(
            "E0302", f"{name} with a cache needs 3 axes (batch, steps, features), got {given.query}", input=0
        )
    if len(present) == 1:
        (missing,) = past.keys() - set(present)
        raise LayerError("E0323", f"{name} is given {present[0]} without {missing}", help="the cache is both of them")
    for number in (0, 1, 2):
        if c.mask(number) is not None:
            raise LayerError(
                "E0323",
                f"{name} keeps keys and values for later steps, and the mask that travels with its {NAMES[number]} "
                "is not kept with them",
                input=number,
                help="give the mask of all steps as attention_mask, and take inputs that carry none",
            )
    if not present:
        return
    widths = {"past_key": layer.key_width, "past_value": layer.value_width}
    steps: Dim = given.past_key.shape[2] if given.past_key.rank == 4 else 0
    for number, (which, x) in enumerate(past.items(), 7):
        expected = (given.query.shape[0], layer.groups, steps, widths[which])
        sizes = f"{expected[0]}, {expected[1]}, past, {expected[3]}"
        wanted = f"{layer.compute_dtype}[{sizes}] (batch, heads, past steps, width)"
        if x.dtype != layer.compute_dtype or x.rank != 4:
            raise LayerError("E0323", f"{name} needs {which} of {wanted}, got {x}", input=number)
        turned = equal(c.facts, x.shape[2], layer.groups) is Verdict.YES
        for axis, (size, right) in enumerate(zip(x.shape, expected, strict=True)):
            verdict = equal(c.facts, size, right)
            # Heads and widths are numbers here: a symbol in their place is another axis.
            if verdict is Verdict.NO or (axis in (1, 3) and verdict is not Verdict.YES):
                raise LayerError(
                    "E0323",
                    f"{name} needs {which} of {wanted}, got {x}: {size} is not {right}",
                    help=f"turn it: transpose({which}, (0, 2, 1, 3))" if turned else None,
                    input=number,
                    axis=axis,
                    label=f"{size} here",
                )
            if verdict is not Verdict.YES:
                raise LayerError(
                    "E0309",
                    f"{name} cannot tell whether {size} and {right} are equal: it needs {which} of {wanted}, got {x}",
                    input=number,
                    axis=axis,
                    label=f"{size} here",
                    help=f"state it: {require_text('==', size, right)}",
                )


def check_not_padding(layer: Layer, c: Context, mask: TensorType, g: Geometry) -> None:
    """E0321 for [batch, value steps]: it would be read as [query steps, value steps]."""
    if mask.rank != 2 or len(g.steps) != 1:
        return
    batch, steps = (equal(c.facts, mask.shape[0], size) for size in (g.batch[0], g.steps[0]))
    if (
        batch is Verdict.YES
        and steps is not Verdict.YES
        and not (isinstance(mask.shape[0], int) and mask.shape[0] == 1)
    ):
        raise LayerError(
            "E0321",
            f"{layer.type_name} reads an attention_mask of two axes as query steps by value steps, got {mask}",
            input=6,
            help="if it says which of the values count, give it an axis for the query's steps: attention_mask[:, None]",
        )


def check_masks(layer: Any, c: Context, given: Any, g: Geometry, attended: tuple[int, ...]) -> None:
    """E0321 and E0309 unless the masks that are given lie on what they mask; E0324 for one that Keras leaves unread."""
    query, value = given.query, given.value
    if given.query_mask is not None and not layer.takes_query_mask:
        raise LayerError(
            "E0324",
            f"{layer.type_name} reads no query_mask: Keras takes the mask that travels with the query",
            input=3,
            help="mask whole rows by attention_mask=query_mask[:, :, None]",
        )
    others = [f"axis {axis}" for axis in range(1, query.rank - 1) if axis not in attended]
    many = len(attended) > 1
    steps = [f"query axis {axis}" if many else "query steps" for axis in attended]
    source = [f"value axis {axis}" if many else "value steps" for axis in attended]
    if given.attention_mask is not None:
        check_not_padding(layer, c, given.attention_mask, g)
        axes = ["batch", *others, "heads", *steps, *source]
        check_sizes(
            layer, c, "an attention_mask", given.attention_mask, g.scores, axes, input=6, skipped=2 * len(attended)
        )
    for number, name, x in ((3, "query_mask", query), (4, "value_mask", value), (5, "key_mask", value)):
        mask = given[number]
        if mask is None:
            continue
        sizes = list(x.shape[:-1])
        if number > 3:  # the past counts
            for axis, size in zip(attended, g.source, strict=True):
                sizes[axis] = size
        axes = ["batch", *("steps" if x.rank == 3 else f"axis {axis}" for axis in range(1, x.rank - 1))]
        check_sizes(layer, c, f"a {name}", mask, sizes, axes, input=number)
