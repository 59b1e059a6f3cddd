"""The calls that recipes are measured on, for a batch: made of the user's examples, or drawn at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.contract import Contract
from archonnx.runtime.measuring.drawing import inputs_of
from archonnx.runtime.measuring.sizes import batch_axis, check_batch, counts_examples
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.starting import DRAWN, MOST
from archonnx.runtime.samples import Data, Sample, read_samples


@dataclass(frozen=True, slots=True)
class Examples:
    """samples: of the user's data, None where inputs are drawn; said: where they come from, in words; bind: sizes of
    what is drawn; chosen: by the last call, those that nobody asked for."""

    model: ModelFile
    contract: Contract
    samples: Sequence[Sample] | None
    said: str
    bind: Mapping[str, int]
    seed: int

    def calls(self, batch: int | None) -> tuple[list[Sample], int, dict[str, int]]:
        """Inputs of calls, the first of which is timed; their batch; sizes that nobody asked for.

        batch: examples a call, None for what the data have, or 1. Raises UsageError, InputError.
        """
        path = self.model.path
        axis = batch_axis([spec for spec in self.contract.inputs if not spec.optional])
        check_batch(path, axis, batch)
        if self.samples is None:
            drawn = [
                inputs_of(path, self.contract, {}, batch=batch, bind=self.bind, seed=self.seed + place)
                for place in range(DRAWN)
            ]
            return [arrays for arrays, _ in drawn], drawn[0][1].batch, drawn[0][1].chosen
        counted = [spec.name for spec in self.contract.inputs if counts_examples(spec.shape, axis)]
        if batch is None:
            rows = [len(self.samples[0][name]) for name in counted if name in self.samples[0]]
            return list(self.samples), rows[0] if rows else 1, {}
        made = [self.contract.check(call) for call in joined(self.samples, counted, batch)]
        return made, batch, {}


def joined(samples: Sequence[Sample], counted: Sequence[str], batch: int) -> list[Sample]:
    """Calls of so many rows each, every sample in one of them: rows one after the other, from the start again where
    they run out; samples that are not alike are repeated, each for itself.

    counted: the inputs whose first axis counts examples.
    """
    import numpy as np

    if not counted:
        return list(samples)
    if not _alike(samples, counted):
        return [{n: _rows(v, range(batch)) if n in counted else v for n, v in each.items()} for each in samples]
    rows = {name: np.concatenate([each[name] for each in samples]) for name in counted if name in samples[0]}
    total = len(next(iter(rows.values())))
    others = {name: value for name, value in samples[0].items() if name not in rows}
    return [
        {**{name: _rows(array, range(place, place + batch)) for name, array in rows.items()}, **others}
        for place in range(0, math.ceil(total / batch) * batch, batch)
    ]


def _rows(array: Any, places: range) -> Any:
    import numpy as np

    return np.ascontiguousarray(array[np.asarray(places) % len(array)])


def _alike(samples: Sequence[Sample], counted: Sequence[str]) -> bool:
    """Whether their rows can stand in one call: the same inputs, of the same shapes but for the rows, and one value of
    what has no rows."""
    import numpy as np

    first = samples[0]
    for each in samples[1:]:
        if each.keys() != first.keys():
            return False
        for name, value in each.items():
            if name in counted:
                if np.shape(value)[1:] != np.shape(first[name])[1:]:
                    return False
            elif not np.array_equal(np.asarray(value), np.asarray(first[name])):
                return False
    return True


def examples_of(
    model: ModelFile, contract: Contract, data: Data | None, bind: Mapping[str, int], seed: int
) -> Examples:
    """Raises as `read_samples` does, UsageError where sizes are bound that the data have."""
    if data is None:
        return Examples(model, contract, None, f"drawn at random, seed {seed}", bind, seed)
    if bind:
        raise UsageError(f"sizes come from the data: leave out {', '.join(bind)}, or the data")
    found = read_samples(data, contract)
    what = data if isinstance(data, str) else "given"
    said = f"{what}, {len(found):,} example{'' if len(found) == 1 else 's'}"
    if len(found) > MOST:
        said = f"{what}, {MOST} of {len(found):,} examples"
        found = [found[place * len(found) // MOST] for place in range(MOST)]
    return Examples(model, contract, found, said, {}, seed)
