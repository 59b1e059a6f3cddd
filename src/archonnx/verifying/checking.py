"""`verify`: the same weights and inputs through every side, what differs, and where."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from archonnx.contract.diagnostics import ArchonnxError, Diagnostic
from archonnx.verifying import divergence, ledger
from archonnx.verifying.agreement import Difference, compare, flat, usual_tolerance
from archonnx.verifying.sides import FailedError, FileSide, Ours, Prediction, Route, Side, TorchPrediction, timed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archonnx.compiler.artifact import CompiledModel
    from archonnx.verifying.matching import Other

    Array: TypeAlias = NDArray[Any]

PATIENCE = 2.0  # seconds of measuring times
Via = Literal["keras", "prediction", "torch"]
Stage = Callable[[str], AbstractContextManager[object]]


@dataclass(slots=True)
class Pair:
    """A side against a reference: the difference of each output, worst over the runs; `layers`: of all results."""

    side: Side
    reference: Side
    outputs: dict[str, Difference] = field(default_factory=dict)
    layers: tuple[int, float] | None = None  # how many results of layers were compared, their largest error
    failed: str = ""
    run: int = 0  # the first run that is beyond the tolerance, or the one with the largest error
    found: Diagnostic | None = None
    said: str = ""  # why no layer could be named

    @property
    def error(self) -> float:
        """The largest error, infinite where a side failed."""
        errors = [difference.error for difference in self.outputs.values()]
        inner = [self.layers[1]] if self.layers is not None else []
        return float("inf") if self.failed else max([*errors, *inner], default=0.0)

    def agrees(self, tolerance: float) -> bool:
        return self.error <= tolerance


@dataclass(slots=True)
class Report:
    """All that verifying found. `refused` says why the second route is left out; times are seconds of a run."""

    model: CompiledModel
    runs: list[dict[str, int]]
    tolerance: float
    seed: int
    spread: int
    pairs: list[Pair] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    ledger: ledger.Ledger | None = None
    notes: list[str] = field(default_factory=list)
    refused: ArchonnxError | None = None

    @property
    def agrees(self) -> bool:
        return all(pair.agrees(self.tolerance) for pair in self.pairs)


def verify(
    model: CompiledModel,
    *,
    via: Via | None = None,
    against: Path | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    bind: Mapping[str, int] | None = None,
    layers: bool = False,
    stage: Stage | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Report:
    """Compare a model's graph with Keras' prediction and the second route (`via`), or another file, or all of them.

    via: "keras" insists on the second route, "prediction" leaves it out; by default both are compared with, where
    there is one, unless `against` names a file, which is compared with alone; "torch" compares with PyTorch instead.
    tolerance: of the error, relative to the
    largest number of an output; by default 1e-4, more for types of 16 bits. bind: symbols that have one value.
    layers: whether results of layers are compared even where outputs agree; they are in any case where outputs tell
    little. stage: a context around each step, which is told what is done.

    Errors: MachineError without Keras; ArchonnxError where Keras lacks a layer, RouteError and CompileError where the
    second route was asked for and is refused; OtherError for a file with other inputs; those of CompiledModel.save.
    """
    from archonnx.verifying.sizes import runs
    from archonnx.verifying.weights import spread

    doing: Stage = stage or (lambda _: nullcontext())
    graph = model.graph
    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
        other = None
        if against is not None:
            from archonnx.verifying.matching import Other

            other = Other(against, graph)
        fixed = {**(other.fixed if other is not None else {}), **(bind or {})}
        # Against a file, its weights are what is checked: ours stay as `build` writes them.
        numbers, count = spread(model, seed) if other is None else (model, 0)
        if tolerance is None:
            tolerance = usual_tolerance(v.type.dtype for node in graph.nodes for v in node.outputs)
        report = Report(numbers, runs(graph, fixed), tolerance, seed, count)
        report.notes += other.notes if other is not None else []
        with doing("building"):
            ours = Ours(numbers, Path(folder) / "ours.onnx", seed)
            assert ours.path is not None
            numbers.save(ours.path, seed=seed)
        keras, route, torch = None, None, None
        if via == "torch":
            with doing("building the module of PyTorch"):
                torch = TorchPrediction(numbers, seed)
        elif via is not None or other is None:
            keras, route = _keras_sides(report, via, Path(folder), doing)
        report.pairs = [Pair(ours, keras)] if keras is not None else []
        report.pairs += [Pair(route, keras)] if route is not None and keras is not None else []
        report.pairs += [Pair(ours, side) for side in (torch, other) if side is not None]
        sides: list[Side] = [side for side in (ours, route, keras, torch, other) if side is not None]
        with _closed(sides):
            _compare(report, ours, layers, doing)
            failed = next((pair.failed for pair in report.pairs if pair.side is route and pair.failed), "")
            if failed and via != "keras":  # onnxruntime has no kernels for what tf2onnx wrote: no opinion of the model
                report.refused, route = FailedError(failed), None
                report.pairs = report.pairs[:1]
                sides = [side for side in sides if not isinstance(side, Route)]
            _measure(report, [s for s in sides if isinstance(s, FileSide)], doing, clock)
            with doing("counting"):
                report.ledger = _count(report, ours, route, keras, torch, other)
    return report


def _keras_sides(report: Report, via: Via | None, folder: Path, doing: Stage) -> tuple[Prediction | None, Route | None]:
    """Keras' prediction and the second route, as far as they are asked for and there."""
    from archonnx.compiler.keras.refusals import NoCounterpartError

    try:
        with doing("building the model of Keras"):
            keras = Prediction(report.model, report.seed)
    except NoCounterpartError as refused:
        raise ArchonnxError(f"{refused}\n  another file is compared with without Keras: --against OTHER.onnx") from None
    if via == "prediction":
        return keras, None
    from archonnx.compiler.keras.route import saving as second

    route = Route(report.model, folder / "route.onnx", report.seed)
    assert route.path is not None
    try:
        with doing("converting through Keras and tf2onnx"):
            graph = second.route(report.model, seed=report.seed)
            second.write(report.model, graph, route.path, seed=report.seed)
        route.graph = graph
    except ArchonnxError as refused:  # a MachineError too: without tf2onnx Keras' prediction is there all the same
        if via == "keras":
            raise
        report.refused = refused
        return keras, None
    return keras, route


def _compare(report: Report, ours: Ours, layers: bool, doing: Stage) -> None:
    """Run everything and enter the results into the pairs."""
    from archonnx.verifying.inputs import draw

    feeds = [draw(report.model.graph, sizes, report.seed) for sizes in report.runs]
    pairs = report.pairs
    telling = False
    for number, arrays in enumerate(feeds):
        results: dict[int, list[Array] | str] = {}
        for side in {id(s): s for pair in pairs for s in (pair.side, pair.reference)}.values():
            with doing(f"running {side.title}, {number + 1} of {len(feeds)}"):
                results[id(side)] = _results(side, arrays)
        mine = results.get(id(ours))
        telling = telling or (isinstance(mine, list) and not all(flat(array) for array in mine))
        for pair in pairs:
            _enter(pair, number, results[id(pair.side)], results[id(pair.reference)], report)
    for pair in pairs:
        wanted = not pair.reference.loose and (layers or not telling)
        with doing("comparing layer by layer") if wanted or not pair.agrees(report.tolerance) else nullcontext():
            _look_inside(pair, feeds, report, wanted=wanted, telling=telling)


def _results(side: Side, arrays: Mapping[str, Array]) -> list[Array] | str:
    try:
        return side.run(arrays)
    except FailedError as failure:
        return str(failure)


def _enter(pair: Pair, number: int, found: list[Array] | str, reference: list[Array] | str, report: Report) -> None:
    """Enter the outputs of one run into a pair."""
    from archonnx.verifying.matching import Other

    if isinstance(found, str) or isinstance(reference, str):
        pair.failed = pair.failed or (found if isinstance(found, str) else str(reference))
        return
    typed = not isinstance(pair.reference, Other)
    names = [output.name for output in report.model.graph.outputs]
    before = pair.error
    for name, y, expected in zip(names, found, reference, strict=True):
        difference = compare(y, expected, typed=typed)
        if name not in pair.outputs or difference.error > pair.outputs[name].error:
            pair.outputs[name] = difference
    if before <= report.tolerance < pair.error or (pair.error > before and pair.error <= report.tolerance):
        pair.run = number


def _look_inside(
    pair: Pair, feeds: Sequence[Mapping[str, Array]], report: Report, *, wanted: bool, telling: bool
) -> None:
    """Compare results of layers: where the outputs differ, to name the first that does; where asked, all of them."""
    from archonnx.verifying.matching import locate_in

    graph, arrays, tolerance = report.model.graph, feeds[pair.run], report.tolerance
    if pair.failed:
        return
    if pair.agrees(tolerance):
        if not wanted:
            return
        try:
            found, expected = pair.side.values(arrays), pair.reference.values(arrays)
        except FailedError as failure:
            pair.said = f"results of layers could not be compared: {failure}"
            return
        shared = [name for name in found if name in expected]
        worst = max((compare(found[n], expected[n]).error for n in shared), default=0.0)
        pair.layers = len(shared), worst
        if not telling:
            report.notes.append("the outputs are all 0, 1 or alike, which tells little: results of layers are compared")
        if worst <= tolerance:
            return
    place: divergence.Divergence | str
    if pair.reference.loose:
        try:
            place = locate_in(graph, pair.side.values(arrays), pair.reference.values(arrays), tolerance)
        except FailedError as failure:
            place = f"no layer can be named: {failure}"
    else:
        place = divergence.locate(graph, pair.side, pair.reference, arrays, tolerance)
    if isinstance(place, str):
        pair.said = place
    else:
        pair.found = place.diagnostic(pair.side, pair.reference, tolerance)


def _measure(report: Report, files: Sequence[FileSide], doing: Stage, clock: Callable[[], float]) -> None:
    """Sizes and times of the files, on the first run's input."""
    from archonnx.verifying.inputs import draw

    failed = {id(side) for pair in report.pairs if pair.failed for side in (pair.side, pair.reference)}
    running = [side for side in files if id(side) not in failed]
    report.files = {side.name: side.size or 0 for side in files}
    if running:
        with doing("measuring times"):
            arrays = draw(report.model.graph, report.runs[0], report.seed)
            report.times = timed(running, arrays, PATIENCE, clock)


def _count(
    report: Report,
    ours: Ours,
    route: Route | None,
    keras: Prediction | None,
    torch: TorchPrediction | None,
    other: Other | None,
) -> ledger.Ledger:
    """The accounts of all sides."""
    model, graph = report.model, report.model.graph
    made = ledger.opened(graph)
    if keras is not None:
        ledger.enter_keras(made, keras.parameters())
    ledger.enter_torch(made, graph, torch.parameters() if torch is not None else None)
    assert ours.path is not None
    ledger.enter_graph(made, ours.name, model, model.lower(), ours.path)
    if route is not None and route.path is not None and route.graph is not None:
        ledger.enter_graph(made, route.name, model, route.graph, route.path)
    if other is not None and other.path is not None:
        ledger.enter_other(made, other.name, model, report.seed, other.path)
    return made


@contextmanager
def _closed(sides: Sequence[Side]) -> Iterator[None]:
    try:
        yield
    finally:
        for side in sides:
            side.close()
