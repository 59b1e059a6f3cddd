"""What one elaboration knows: the graph so far, diagnostics, facts, counters; and the frame of one body's execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate import limits
from archonnx.compiler.elaborate.arithmetic import Problem
from archonnx.compiler.elaborate.loader import Loader, Module
from archonnx.compiler.elaborate.naming import Scope, given_names
from archonnx.compiler.elaborate.values import POISON, Abort, Appliable, Stop, holds_tensor
from archonnx.compiler.graph import LayerGraph, Node, TensorType, Value, Weight
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Diagnostic, Diagnostics, Label, Place
from archonnx.contract.diagnostics import Frame as Application
from archonnx.contract.dims import Expr, Facts
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.elaborate.cells import CellInputs


@dataclass(slots=True)
class Binding:
    """A name of a body, or `it`, with whether anything has read it."""

    value: Any
    place: Place
    kind: str  # "tensor" for assigned names and lines, "input", "symbol", "parameter", "loop", "layer"
    read: bool = False


@dataclass(slots=True, eq=False)
class State:
    """One elaboration."""

    loader: Loader
    diagnostics: Diagnostics
    graph: LayerGraph
    facts: Facts
    opset: int
    steps: int = 0
    depth: int = 0
    failures: int = 0  # statements that could not be finished, each time they were tried
    fresh: int = 0
    weights: dict[str, Weight] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    appliables: list[tuple[Appliable, tuple[Application, ...]]] = field(default_factory=list)
    reserved: dict[int, frozenset[str]] = field(default_factory=dict)
    axis_places: dict[int, list[Place | None]] = field(
        default_factory=dict
    )  # id of an input's value -> where its axes are written
    silent: set[int] = field(default_factory=set)  # ids of nodes that carry masks: left out without a word
    executed: set[int] = field(default_factory=set)  # ids of the bodies that have run
    bounded_sizes: set[Expr] = field(default_factory=set)  # sizes that may be small enough
    known: dict[int, Any] = field(default_factory=dict)  # id of a value -> its elements, an array, or None
    calling: list[tree.Def] = field(default_factory=list)
    evaluating: set[tuple[str, str]] = field(default_factory=set)

    def step(self, place: Place, count: int = 1) -> None:
        """Count steps of elaboration."""
        self.steps += count
        if self.steps > limits.STEPS:
            raise Stop(
                Diagnostic(
                    "E0801",
                    f"elaboration takes more than {limits.STEPS:,} steps",
                    place,
                    help="a loop is larger than it was meant to be",
                )
            )

    def walk(self, place: Place, *values: Any) -> None:
        """Count the steps of copying or walking through what is long."""
        elements = sum([len(v) for v in values if isinstance(v, (list, tuple, str, range))])
        if elements >= limits.ELEMENTS_A_STEP:
            self.step(place, elements // limits.ELEMENTS_A_STEP)

    def names_given(self, body: tree.Body) -> frozenset[str]:
        known = self.reserved.get(id(body))
        if known is None:
            known = self.reserved[id(body)] = given_names(body.statements)
        return known

    def add_node(
        self,
        path: str,
        layer: Layer,
        inputs: Sequence[Value | None],
        types: Sequence[TensorType],
        frame: Frame,
        place: Place,
    ) -> Node:
        """Append one application to the graph."""
        if len(self.graph.nodes) >= limits.LAYERS:
            what = f"this model has more than {limits.LAYERS:,} layers, the most of a graph"
            raise Stop(Diagnostic("E0802", what, place, trail=frame.trail))
        use = self.uses.get(path, 0)
        self.uses[path] = use + 1
        node = Node(path, use, layer, tuple(inputs), (), place, frame.trail, frame.scope.blocks)
        name = node.name
        node.outputs = tuple(
            Value(t, node, i, name if i == 0 else f"{name}:{i}", place=place) for i, t in enumerate(types)
        )
        self.graph.nodes.append(node)
        return node


@dataclass(slots=True, eq=False)
class Frame:
    """The execution of one body, or of a file's constants (body None)."""

    state: State
    module: Module
    body: tree.Body | None
    scope: Scope
    trail: tuple[Application, ...] = ()
    trainable: bool = True
    names: dict[str, Binding] = field(default_factory=dict)
    it: Binding | None = None
    it_is_input: bool = False
    is_model: bool = False  # the model that is compiled, not a block inside it
    loops: list[tuple[str, Any]] = field(default_factory=list)
    given: list[tuple[str | None, Any, Place]] = field(default_factory=list)  # inputs still to be taken, by the caller
    inputs: list[str] = field(default_factory=list)  # those that the body has declared so far
    omitted: frozenset[str] = frozenset()  # the compiled model's optional inputs that are left out
    zero_symbols: frozenset[str] = frozenset()  # symbols that `require X >= 0` allows to be 0
    outputs: list[tuple[str | None, Any, Place]] = field(default_factory=list)
    reports: int = 0
    application: Place | None = None
    cell: CellInputs | None = None  # what the inputs take where RNN runs the body
    active: tuple[tree.Body, ...] = ()  # the bodies that are being executed, outermost first

    def error(
        self,
        code: str,
        message: str,
        place: Place,
        help: str | None = None,
        label: str = "",
        labels: Sequence[Label] = (),
    ) -> Abort:
        """An error at a place of this body; raise what it returns."""
        return Abort(Diagnostic(code, message, place, label, tuple(labels), self.trail, help))

    def report(
        self, code: str, message: str, place: Place, help: str | None = None, labels: Sequence[Label] = ()
    ) -> None:
        """Record an error and go on. It counts in `reports` even where the same was said before."""
        self.reports += 1
        self.state.diagnostics.add(Diagnostic(code, message, place, "", tuple(labels), self.trail, help))

    def warn(self, code: str, message: str, place: Place, help: str | None = None) -> None:
        self.state.diagnostics.add(Diagnostic(code, message, place, "", (), self.trail, help, "warning"))

    def problem(self, problem: Problem, place: Place) -> Abort | Stop:
        """What to raise for a Problem met at a place."""
        diagnostic = Diagnostic(problem.code, problem.message, place, trail=self.trail, help=problem.help)
        return Stop(diagnostic) if problem.stop else Abort(diagnostic)

    def check_age(self, dtype: str, place: Place) -> None:
        """E0902 for a dtype that came with a later operator set; opset 0 stands for none, where nothing is compiled."""
        since, opset = DTYPES[dtype].since, self.state.opset
        if 0 < opset < since:
            message = f"{dtype} came with opset {since}, and this is opset {opset}"
            raise self.error("E0902", message, place, f"build with --opset {since}")

    def outside(self) -> Frame:
        """A frame whose errors are the caller's: without the innermost application in their trail."""
        return Frame(self.state, self.module, None, self.scope, self.trail[1:])

    def bind(self, name: str, value: Any, place: Place, kind: str) -> None:
        """Give a name a value; what it held before must have been read."""
        if name == "_":
            return
        earlier = self.names.get(name)
        if earlier is not None:
            self.check_read(name, earlier)
        self.names[name] = Binding(value, place, kind)

    def set_it(self, value: Any, place: Place) -> None:
        """A line is a tensor: it becomes `it`; the one before must have been read."""
        if self.it is not None and not self.it_is_input:
            self.check_read("it", self.it)
        self.it = Binding(value, place, "tensor")
        self.it_is_input = False

    def check_read(self, name: str, binding: Binding) -> None:
        if binding.read or binding.kind not in ("tensor", "input") or not holds_tensor(binding.value):
            return
        binding.read = True
        if binding.kind == "input":
            if self.state.diagnostics.errors:
                return  # what would have read it may be what is wrong
            self.warn("W0602", f"nothing reads the input {name}", binding.place, "remove it, or use it")
        elif name == "it":
            self.report(
                "E0601",
                "nothing reads the tensor of this line",
                binding.place,
                "give it a name and use it, make it an output, or remove the line",
            )
        else:
            self.report(
                "E0601", f"nothing reads the tensor {name}", binding.place, "use it, call it `_`, or remove the line"
            )

    def poison(self, target: tree.Target) -> None:
        """Bind every name of a target to POISON, after an error on its right side."""
        stack: list[tree.Target] = [target]
        while stack:
            top = stack.pop()
            if isinstance(top, tree.TargetTuple):
                stack.extend(top.items)
            else:
                self.bind(top.id, POISON, top.place, "tensor")


@dataclass(frozen=True, slots=True)
class Model:
    """What is to be compiled: a body, the module it stands in, the arguments that variants and the caller set.

    calls: those by which a variant comes to the body, innermost first.
    """

    name: str
    body: tree.Body
    module: Module
    arguments: dict[str, Any]
    documentation: str | None
    calls: tuple[Application, ...] = ()
