"""The sizes of the inputs that a model is measured on: those asked for, and likely ones for what is left open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Shape, Spec

if TYPE_CHECKING:
    from archonnx.runtime.contract import Contract

PICTURE, TOKENS, SAMPLES = 224, 128, 16_000  # pixels of a side, tokens of a text, samples of a second of sound
EXTENTS = (
    64,
    32,
    16,
    256,
    100,
    512,
    24,
    10,
    8,
    7,
    5,
    4,
    3,
    2,
    1,
    1024,
    0,
)  # tried in this order where those do not fit
MOST_TRIED = 5_000
_CHANNELS = (1, 3, 4)
_SOUNDS = ("audio", "wave", "sound", "speech")


@dataclass(slots=True)
class Sizes:
    """batch: the examples of a call; shapes: of the inputs to draw; chosen: the sizes that nobody asked for, by what
    they are called."""

    batch: int
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    chosen: dict[str, int] = field(default_factory=dict)


def batch_axis(specs: Sequence[Spec]) -> str | int | None:
    """What the first axis of the first input that has axes is: a symbol, "" where it has no name, its size where that
    is fixed; None where no input has an axis."""
    for spec in specs:
        if spec.kind == "tensor" and spec.shape:
            return "" if spec.shape[0] is None else spec.shape[0]
    return None


def counts_examples(shape: Shape | None, batch: str | int | None) -> bool:
    """Whether the first axis of an input counts the examples, `batch` being what `batch_axis` found."""
    return bool(shape) and isinstance(batch, str) and (shape[0] == batch or shape[0] is None)  # type: ignore[index]


def check_batch(path: str, batch: str | int | None, wanted: int | None) -> None:
    """Raise UsageError where a model does not take batches of the size that is asked for."""
    if wanted is None or isinstance(batch, str) or wanted == batch:
        return
    what = "no input of it has an axis of examples" if batch is None else f"its batch is fixed at {batch}"
    raise UsageError(f"--batch {wanted}: {path} cannot: {what}")


def sizes_of(
    path: str,
    contract: Contract,
    given: Mapping[str, tuple[int, ...]],
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    others: Collection[str] = (),
) -> Sizes:
    """The shapes of the inputs that are to be drawn. given: shapes of those that are not, the batch among them;
    bind: symbols' sizes; others: inputs that are given and have no shape, sequences and maps.

    Raises UsageError where an input cannot be drawn, or no sizes fit what the model requires.
    """
    specs = [spec for spec in contract.inputs if not spec.optional]
    known = {spec.name: spec for spec in [*contract.inputs, *contract.overridable]}
    axis = batch_axis(specs)
    check_batch(path, axis, batch)
    rows = [given[s.name][0] for s in specs if s.name in given and counts_examples(s.shape, axis)]
    batch = batch or next(iter(rows), None)
    fixed = dict(bind or {})
    if isinstance(axis, str) and axis and batch is not None:
        fixed[axis] = batch
    bound = contract.symbols.bind(dict(given), known)
    fixed |= {name: found.value for name, found in bound.items()}
    drawn = [spec for spec in specs if spec.name not in given and spec.name not in others]
    for spec in drawn:
        if spec.kind != "tensor" or spec.shape is None or spec.dtype == "?":
            raise undrawn(spec, path)
    open_sizes = _open(drawn, contract, fixed, axis, batch)
    for values in _tries(open_sizes):
        shapes = {s.name: _shape(s, contract, {**fixed, **values}) for s in drawn}
        if not open_sizes or _fits(contract, known, given, shapes):
            break
    else:
        if wide := _wide(open_sizes):
            beside = ", ".join(f"{name} = {size}" for name, size in (bind or {}).items())
            asked = f" beside {beside}" if beside else ""
            mend = f"give {'other ones' if asked else 'them'}: --bind {wide[0]}=16"
            raise UsageError(f"{path}: no sizes of {', '.join(wide)} were found that it allows{asked}; {mend}")
        values = open_sizes  # only the batch is open: the check of the call says what does not fit the others
        shapes = {s.name: _shape(s, contract, {**fixed, **values}) for s in drawn}
    examples = [shape[0] for s in specs if (shape := shapes.get(s.name) or given.get(s.name))]
    batches = {axis, *(_nameless(s, 0) for s in drawn if counts_examples(s.shape, axis))}
    chosen = {name: size for name, size in values.items() if name not in batches}
    return Sizes(next(iter(examples), 1), shapes, chosen)


def undrawn(spec: Spec, path: str) -> UsageError:
    """What to raise for an input that nothing is drawn of."""
    how = "--data FILE.npz, or data=" if spec.kind == "tensor" else "--input, or calls as data="
    return UsageError(f"{path}: no {spec.type} can be drawn for {spec.name}: give examples of it ({how})")


def _open(
    drawn: Sequence[Spec], contract: Contract, fixed: Mapping[str, int], axis: str | int | None, batch: int | None
) -> dict[str, int]:
    """The sizes that are to be chosen with the likeliest of each: symbols, and `input.axis` for what has no name."""
    from archonnx.contract.dims import symbols_of

    found: dict[str, int] = {}
    for spec in drawn:
        for place, size in enumerate(spec.shape or ()):
            if isinstance(size, int):
                continue
            if (place == 0 and counts_examples(spec.shape, axis)) or (axis == "" and _only_open(spec) == place):
                likely = batch or 1
            else:
                likely = _likely(spec)
            known = isinstance(size, str) and size in contract.symbols.sizes
            names = symbols_of(contract.symbols.sizes[str(size)]) if known else [_nameless(spec, place)]
            for name in sorted(names):
                if name not in fixed:
                    found.setdefault(name, likely)
    return found


def _nameless(spec: Spec, place: int) -> str:
    return f"{spec.name}.{place}"


def _only_open(spec: Spec) -> int | None:
    """The axis without a name among fixed ones, not the first: the batch of a state [layers, ?, units]."""
    shape = spec.shape or ()
    places = [place for place, size in enumerate(shape) if not isinstance(size, int)]
    return places[0] if len(places) == 1 and places[0] > 0 and shape[places[0]] is None else None


def _likely(spec: Spec) -> int:
    shape = spec.shape or ()
    if any(word in spec.name.lower() for word in _SOUNDS) and len(shape) <= 2:
        return SAMPLES
    if len(shape) == 4 and any(shape[place] in _CHANNELS for place in (1, 3)):
        return PICTURE
    return TOKENS


def _tries(likely: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Values to try: the likely ones, one size for all that are not a batch, then every combination."""
    yield dict(likely)
    wide = _wide(likely)
    for size in EXTENTS:
        yield {name: size if name in wide else first for name, first in likely.items()}
    orders = [(first, *(size for size in EXTENTS if size != first)) for first in likely.values()]
    for values in islice(product(*orders), MOST_TRIED):
        yield dict(zip(likely, values, strict=True))


def _wide(likely: Mapping[str, int]) -> list[str]:
    """Those of the sizes that are not a batch."""
    return [name for name, size in likely.items() if size in (PICTURE, TOKENS, SAMPLES)]


def _shape(spec: Spec, contract: Contract, values: Mapping[str, int]) -> tuple[int, ...]:
    from archonnx.contract.dims import evaluate

    shape = []
    for place, size in enumerate(spec.shape or ()):
        if isinstance(size, int):
            shape.append(size)
        elif isinstance(size, str) and size in contract.symbols.sizes:
            shape.append(evaluate(contract.symbols.sizes[size], values))
        else:
            shape.append(values[_nameless(spec, place)])
    return tuple(shape)


def _fits(
    contract: Contract,
    known: Mapping[str, Spec],
    given: Mapping[str, tuple[int, ...]],
    shapes: Mapping[str, tuple[int, ...]],
) -> bool:
    """Whether a call with these shapes is allowed, and none of them is nothing."""
    if any(size < 0 for shape in shapes.values() for size in shape):
        return False
    try:
        contract.symbols.bind({**given, **shapes}, known)
    except InputError:
        return False
    return True
