"""What the inputs and outputs of a model are for when it generates: tokens, a mask, states that come back, scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archonnx.contract import metadata as keys
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.contract import Contract
from archonnx.runtime.modelfile import ModelFile, Spec

MASKS = ("attention_mask", "input_mask")
PLACES = ("position_ids",)
_WHOLE = ("int32", "int64")
# How others' exporters call the cache: what goes in, and what comes out of the same layer.
_PAST = re.compile(r"past_key_values\.(.+)")
_LONGEST = 1 << 24  # a context beyond this is none


@dataclass(frozen=True, slots=True)
class Roles:
    """What each part of a model is for.

    name: what messages call the model. ids: the tokens, [batch, steps]. mask: which of all tokens so far count; places:
    their positions; None where the model takes none. scores: the output that is sampled. states: input -> the output
    that is its next value. growing: whether the states become longer by each token, as keys and values do. others: the
    inputs that stay as they are given. vocabulary: tokens are 0 to this, less one; None where nothing tells it.
    context: the most tokens that the model reads; None where nothing bounds them. cache: the model can be built with a
    cache, and was not.
    """

    name: str
    ids: Spec
    mask: Spec | None
    places: Spec | None
    scores: Spec
    states: Mapping[str, str]
    growing: bool
    others: tuple[Spec, ...]
    vocabulary: int | None
    context: int | None
    cache: bool = False

    @property
    def single(self) -> bool:
        """Whether the model reads one token at a time, and no more."""
        return self.steps == 1

    @property
    def steps(self) -> int | None:
        """How many tokens the model reads at a time, None where that is free."""
        assert self.ids.shape is not None
        size = self.ids.shape[1]
        return size if isinstance(size, int) else None


def read_roles(model: ModelFile, contract: Contract) -> Roles:
    """What a model's inputs and outputs are for. Raises UsageError where it is none that generates."""
    name = model.metadata.get(keys.MODEL) or Path(model.path).name
    states = _states(model, contract)
    rest = [spec for spec in contract.inputs if spec.name not in states]
    mask, places = _named(rest, MASKS), _named(rest, PLACES)
    rest = [spec for spec in rest if spec not in (mask, places)]
    ids = _ids(rest, contract)
    scores = _scores([spec for spec in model.outputs if spec.name not in states.values()])
    if ids is None or scores is None:
        takes, gives = (", ".join(map(str, specs)) or "nothing" for specs in (contract.inputs, model.outputs))
        wanted = (
            "one input of tokens, int64[batch, steps]" if ids is None else "an output of scores, [batch, steps, tokens]"
        )
        raise UsageError(f"{name} does not generate: {wanted} is expected; it takes {takes} and gives {gives}")
    size = scores.shape[-1] if scores.shape else None
    told = contract.tokens[ids.name].size if ids.name in contract.tokens else None
    if told is not None and isinstance(size, int) and 2 * size < told:
        what = f"it scores {size:,} classes, and {told:,} tokens could come next"
        raise UsageError(f"{name} does not generate: {what}; it takes {ids} and gives {scores}")
    growing = any(_grows(spec, ids) for spec in contract.inputs if spec.name in states)
    others = tuple(spec for spec in rest if spec is not ids and not spec.optional)
    return Roles(
        name=name,
        ids=ids,
        mask=mask,
        places=places,
        scores=scores,
        states=states,
        growing=growing,
        others=others,
        vocabulary=told if told is not None else size if isinstance(size, int) else None,
        context=_context(contract, ids, [spec for spec in contract.inputs if spec.name in states], bool(states)),
        cache=not states and _has_cache(model),
    )


def _states(model: ModelFile, contract: Contract) -> dict[str, str]:
    """Input -> the output that is its next value: as our own metadata pairs them, else by the names of others."""
    found = model.json(keys.STATES, {})
    if isinstance(found, dict) and found:
        return {str(before): str(after) for after, before in found.items()}
    outputs = {spec.name for spec in model.outputs}
    pairs = {}
    for spec in contract.inputs:
        match = _PAST.fullmatch(spec.name)
        if match and f"present.{match[1]}" in outputs:
            pairs[spec.name] = f"present.{match[1]}"
    return pairs


def _named(specs: Sequence[Spec], names: Sequence[str]) -> Spec | None:
    return next((spec for name in names for spec in specs if spec.name == name), None)


def _ids(specs: Sequence[Spec], contract: Contract) -> Spec | None:
    """The tokens: the input of this name, else the one that is looked up in a table, else the only one of its type."""
    fitting = [s for s in specs if s.dtype in _WHOLE and s.shape is not None and len(s.shape) == 2]
    named = _named(fitting, ("input_ids",))
    told = [spec for spec in fitting if spec.name in contract.tokens]
    for found in ([named] if named else [], told, fitting):
        if len(found) == 1:
            return found[0]
    return None


def _scores(specs: Sequence[Spec]) -> Spec | None:
    """The scores: the output of this name, else the only one that is no state."""
    found = _named(specs, ("logits",)) or (specs[0] if len(specs) == 1 else None)
    if found is None or found.shape is None or len(found.shape) not in (2, 3):
        return None
    return found if found.dtype.startswith(("float", "bfloat", "double")) else None


def free_axes(spec: Spec, ids: Spec) -> list[int]:
    """The axes of a state that are neither the batch nor of a known size: they grow with the tokens."""
    assert ids.shape is not None
    return [
        axis
        for axis, size in enumerate(spec.shape or ())
        if not isinstance(size, int) and not (axis == 0 or (size is not None and size == ids.shape[0]))
    ]


def _grows(spec: Spec, ids: Spec) -> bool:
    return bool(free_axes(spec, ids))


def _has_cache(model: ModelFile) -> bool:
    """Whether the source has a parameter `cache`, which was not set."""
    arguments = model.json(keys.ARGUMENTS, {})
    return isinstance(arguments, dict) and arguments.get("cache") == "False"


def _context(contract: Contract, ids: Spec, states: Sequence[Spec], held: bool) -> int | None:
    """The most tokens for which all that the model requires of their number holds."""
    assert ids.shape is not None
    batch, steps = ids.shape
    if isinstance(steps, int) and not held:
        return steps
    past = {s for spec in states for axis in free_axes(spec, ids) if (s := (spec.shape or ())[axis]) is not None}
    names = {name for name in (batch, steps, *past) if isinstance(name, str)}
    bounds = [each.condition for each in contract.symbols.requirements if each.condition.symbols() <= names]

    def fits(count: int) -> bool:
        values = {str(batch): 1, **dict.fromkeys(map(str, past), 0), str(steps): count}
        return all(bound.evaluate({n: values[n] for n in bound.symbols()}) for bound in bounds)

    return _most(fits)


def _most(fits: Callable[[int], bool]) -> int | None:
    """The largest number that fits, where those above it do not; None where there is no such bound."""
    if not fits(1) or fits(_LONGEST):
        return None
    low, high = 1, _LONGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
