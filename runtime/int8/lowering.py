"""A model lowered to int8 on a user's data: what it comes to, what stays in float32, and what that would have cost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.int8.calibrating import Method, quantize
from archonnx.runtime.int8.choosing import MUCH, choices, first_of, light_choices, share_of, work_of
from archonnx.runtime.int8.mixing import mix, share_constants
from archonnx.runtime.int8.preparing import Prepared, prepare
from archonnx.runtime.int8.rounding import improve, inputs_seen
from archonnx.runtime.int8.saturating import saturates
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.candidates import largest_error
from archonnx.runtime.precision.deciding import LoweredNode, Lowering
from archonnx.runtime.threads import set_threads
from archonnx.runtime.translate import load_error, ort_errors, run_error
from archonnx.runtime.values import FOREIGN

if TYPE_CHECKING:
    from archonnx.runtime.samples import Sample

CALIBRATED, JUDGED, SEEN = 128, 32, 96  # examples at most: for ranges, for errors, for the rounding of weights
APART = 4  # every so many-th example tells errors alone, where there are enough
FEW = 8
ALONE = 4  # examples that the error of one layer alone is measured on


class PastBoundError(MachineError):
    """No choice of products stays within the error that is allowed."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """model: the .onnx file in int8. error: the largest over outputs and examples, against float32; agreement: the
    share of rows whose largest number of the last axis is the same one, None where the first output has none;
    judged: how many examples told both, apart: none of which calibrated; calibrated: how many did."""

    model: bytes
    lowering: Lowering
    error: float
    agreement: float | None
    judged: int
    calibrated: int
    apart: bool

    def __str__(self) -> str:
        kept = self.lowering.kept
        same = "" if self.agreement is None else f", the same largest score in {self.agreement:.1%}"
        examples = f"{self.calibrated:,} example{'' if self.calibrated == 1 else 's'}"
        whose = f"{self.judged:,} other{'' if self.judged == 1 else 's'}" if self.apart else "the same"
        return (
            f"{len(self.lowering.nodes) - len(kept):,} of {len(self.lowering.nodes):,} products in int8, calibrated on "
            f"{examples}; error {self.error:.1e}{same} on {whose}"
        )

    def about(self) -> dict[str, Any]:
        """What is told of it beside the model and its products."""
        names = ("error", "agreement", "judged", "calibrated", "apart")
        return {name: getattr(self, name) for name in names}


def quantized_from(path: Path, lowering: Lowering, about: Mapping[str, Any]) -> Quantized | None:
    """What was kept by `about`; None where that is damaged, or the file cannot be read."""
    try:
        return Quantized(path.read_bytes(), lowering, **about)
    except (OSError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class _Made:
    """A choice that was quantized: the products kept in float32, the ModelProto, its outputs and their error."""

    kept: set[str]
    proto: Any
    outputs: list[list[Any]]
    error: float


def split(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Examples that calibrate, and those that tell errors: others, where there are at least FEW."""
    if len(samples) < FEW:
        return list(samples), list(samples)
    judging = [sample for place, sample in enumerate(samples) if place % APART == APART - 1]
    others = [sample for place, sample in enumerate(samples) if place % APART != APART - 1]
    return _some(others, CALIBRATED), _some(judging, JUDGED)


def _some(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most so many, evenly apart."""
    if len(samples) <= most:
        return list(samples)
    return [samples[place * len(samples) // most] for place in range(most)]


def lower(
    source: str | bytes,
    model: ModelFile,
    samples: Sequence[Sample],
    *,
    max_error: float | None = None,
    method: Method = "minmax",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Quantized:
    """Quantize a model: its products with constant factors, per channel, and what passes int8 on between them.

    samples: inputs that have been checked; every fourth of eight or more tells the error and calibrates nothing.
    max_error: of the whole. Products that lose more alone stay in float32, then those that lose most, until it holds.
    progress: gets a word on each step that takes long.

    Raises UsageError where samples give other values to constants, PastBoundError where no choice stays within
    max_error, MachineError where nothing can be quantized, RunError, ModelFileError, OSError.
    """
    foreign = next((spec for spec in model.inputs if spec.dtype in FOREIGN), None)
    if foreign is not None:
        reason = f"its input {foreign} is of a type that onnxruntime's calibration is not given from Python"
        raise MachineError(f"{model.path}: {reason}; make it float32, and a Cast behind it")
    overridden = sorted({name for sample in samples for name in sample if name in model.initializers})
    if overridden:
        reason = f"the data give {', '.join(overridden)}, which the file has values for"
        raise UsageError(f"{model.path}: {reason}, and int8 rounds those ahead; leave them out of the data")
    calibrating, judging = split(samples)
    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        progress("folding constants")
        prepared = prepare(source, model, folder)
        run = _Run(model, threads)
        progress("running float32")
        reference = run.outputs(source, judging)
        every = {*prepared.products, *prepared.following}
        operators = sorted({node.op_type for node in prepared.proto.graph.node if node.name in every})
        progress(f"calibrating on {len(calibrating):,} examples")
        narrow = saturates()

        def made(some: Prepared) -> Any:
            return quantize(some, calibrating, method, folder, operators=operators, narrow=narrow)

        whole = made(prepared)
        progress("rounding weights")
        seen = inputs_seen(prepared, model, _some(calibrating, SEEN))
        known: dict[str, Any] = {}
        improve(whole, prepared, seen, known)
        outputs = run.outputs(whole.SerializeToString(), judging)
        best = _Made(set(), whole, outputs, largest_error(outputs, reference))
        alone: dict[str, float] = {}
        if max_error is not None and best.error > max_error:
            few = range(min(ALONE, len(judging)))
            light, shared = share_constants(prepared)
            for place, product in enumerate(prepared.products):
                progress(f"measuring product {place + 1} of {len(prepared.products)} alone")
                one = mix(light, whole, {product})
                read = {tensor.name: shared[tensor.name] for tensor in one.graph.initializer if tensor.name in shared}
                found = run.outputs(one.SerializeToString(), [judging[at] for at in few], read)
                alone[product] = largest_error(found, [reference[at] for at in few])
            work = work_of(prepared, calibrating[0])
            within: list[_Made] = []
            passing: list[tuple[float, int]] = []  # errors past it, with how many products were kept

            def try_of(several: Sequence[set[str]]) -> None:
                """Quantize some of the choices, until the first is found that stays within the error."""
                fed = [kept | prepared.feeding(kept) for kept in several]
                fed = [kept for kept in fed if len(kept) < len(prepared.products)]
                held: list[_Made] = []

                def holds(number: int) -> bool:
                    kept = fed[number]
                    progress(f"keeping {len(kept)} products in float32")
                    some = prepared.without(kept)
                    proto = made(some)
                    improve(proto, some, seen, known)
                    outputs = run.outputs(proto.SerializeToString(), judging)
                    error = largest_error(outputs, reference)
                    if error > max_error:
                        passing.append((error, len(kept)))
                        return False
                    held[:] = [_Made(kept, proto, outputs, error)]
                    return True

                if first_of(len(fed), holds) is not None:
                    within.extend(held)

            try_of(choices(alone, max_error))
            if not within or share_of(within[0].kept, work) > MUCH:
                try_of(light_choices(alone, work, best.error, max_error))
            if not within:
                fewer = "".join(f", and {e:.1e} with {n} of {len(alone)} products in float32" for e, n in passing[-1:])
                reason = f"its error is {best.error:.1e}{fewer}"
                raise PastBoundError(f"{model.path}: int8 does not stay within max_error={max_error:g}: {reason}")
            best = min(within, key=lambda each: share_of(each.kept, work))
        nodes = _told(prepared, model, best.kept, alone, max_error)
    return Quantized(
        _finished(best.proto, source, model),
        Lowering("int8", best.error, nodes),
        best.error,
        _agreement(best.outputs, reference),
        len(judging),
        len(calibrating),
        len(samples) >= FEW,
    )


def _told(
    prepared: Prepared, model: ModelFile, kept: Collection[str], alone: dict[str, float], bound: float | None
) -> tuple[LoweredNode, ...]:
    """What became of each product."""
    found = []
    for node in prepared.proto.graph.node:
        if node.name not in prepared.left and node.name not in prepared.products:
            continue
        place = model.nodes.get(node.name)
        layer, where = (place.layer, place.place) if place else (None, None)
        why = prepared.left.get(node.name, "")
        if node.name in kept:
            more = alone[node.name] > (bound or 0.0)
            why = f"alone it passes {bound:g}" if more else "it loses much, or makes what such a one takes"
        precision = "float32" if why else "int8"
        found.append(LoweredNode(node.name, node.op_type, layer, where, precision, alone.get(node.name), why))  # type: ignore[arg-type]
    return tuple(found)


def _finished(proto: Any, source: str | bytes, model: ModelFile) -> bytes:
    """The file, with the metadata of the model that it was made of."""
    del proto.metadata_props[:]
    for key, value in model.metadata.items():
        proto.metadata_props.add(key=key, value=value)
    proto.producer_name = "archonnx"
    made: bytes = proto.SerializeToString()
    return made


def _agreement(outputs: Sequence[Sequence[Any]], reference: Sequence[Sequence[Any]]) -> float | None:
    import numpy as np

    same: list[Any] = []
    for mine, other in zip(outputs, reference, strict=True):
        y, ref = mine[0], other[0]
        if not isinstance(ref, np.ndarray) or ref.dtype.kind != "f" or ref.ndim < 2 or ref.shape[-1] < 2:
            return None
        same.append((y.argmax(axis=-1) == ref.argmax(axis=-1)).reshape(-1))
    every = np.concatenate(same)
    return float(every.mean()) if every.size else None


class _Run:
    """A model's outputs on the CPU, in the types of its file."""

    def __init__(self, model: ModelFile, threads: int | None) -> None:
        self._model, self._threads = model, threads

    def outputs(
        self, source: str | bytes, samples: Sequence[Sample], shared: Mapping[str, Any] | None = None
    ) -> list[list[Any]]:
        """shared: onnxruntime's values of constants whose numbers are not in `source`. Raises ModelFileError, RunError,
        MachineError."""
        import onnxruntime

        options, quiet = onnxruntime.SessionOptions(), onnxruntime.RunOptions()
        options.log_severity_level = quiet.log_severity_level = 4
        set_threads(options, self._threads)
        if shared:
            options.add_external_initializers(list(shared), list(shared.values()))
        try:
            session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except ort_errors() as error:
            raise load_error(self._model, error, "cpu") from error
        try:
            return [session.run(None, dict(sample), quiet) for sample in samples]
        except ort_errors() as error:
            raise run_error(self._model, error) from error
