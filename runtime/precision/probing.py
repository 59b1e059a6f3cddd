"""What each node of a graph loses in half precision, measured on data: its inputs are rounded, it computes, its output
is rounded, and that is compared with what it gives in float32, for all nodes in one run on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.graphs import Graph
from archonnx.runtime.precision.lowering import ONNX, rounded
from archonnx.runtime.precision.operators import FLOAT, Floats
from archonnx.runtime.threads import set_threads
from archonnx.runtime.translate import load_error, ort_errors, run_error

Sample = Mapping[str, Any]
OLDEST = {"float16": 9, "bfloat16": 13}  # the first opsets with IsNaN and Where, and with a Cast to the type
# Operators that add up, and what tells of magnitudes how far their sums go: the operator, whether it divides.
SUMS = {
    "ReduceSum": ("ReduceSum", False),
    "ReduceL1": ("ReduceL1", False),
    "ReduceL2": ("ReduceSumSquare", False),
    "ReduceSumSquare": ("ReduceSumSquare", False),
    "ReduceMean": ("ReduceMean", True),
    "GlobalAveragePool": ("GlobalAveragePool", True),
}
_PREFIX = "archonnx.probe."


@dataclass(slots=True)
class Finding:
    """What was measured of a node, the worst of all samples. error: as everywhere, infinite where the half is not
    finite and float32 is; largest: of its outputs; total: what the sums inside of it come to at most; elements: of its
    inputs and outputs."""

    error: float = 0.0
    largest: float = 0.0
    total: float = 0.0
    elements: int = 0


def probe(
    graph: Graph,
    model: ModelFile,
    floats: Mapping[int, Floats],
    to: str,
    samples: Sequence[Sample],
    threads: int | None,
) -> dict[int, Finding]:
    """The findings by the places of nodes. graph: is changed, and of no use afterwards.

    Raises RunError, MachineError, ModelFileError.
    """
    nodes = graph.proto.graph.node
    builder = _Builder(graph, to)
    wanted: list[tuple[int, str, str]] = []
    for place, halves in floats.items():
        wanted += builder.add(nodes[place], halves, place)
    found = {place: Finding() for place in floats}
    names = {place: [name for name in [*nodes[place].input, *nodes[place].output] if name] for place in floats}
    for name in sorted({name for each in names.values() for name in each}):
        builder.size(name)
    shapes = {place: (nodes[place].op_type, nodes[place].input[0], nodes[place].output[0]) for place in floats}
    graph.proto.graph.node.extend(builder.nodes)
    graph.proto.graph.initializer.extend(builder.constants)
    del graph.proto.graph.output[:]
    graph.proto.graph.output.extend(builder.outputs)
    for outputs in evaluate(graph, model, samples, threads):
        result = dict(zip((value.name for value in builder.outputs), outputs, strict=True))
        for place, kind, name in wanted:
            one = found[place]
            value = float(result[name])
            if kind == "largest":
                one.largest = max(one.largest, value)
            else:
                relative = value / max(1e-6, float(result[name.removesuffix("error") + "largest"]))
                one.error = max(one.error, relative)
        for place, each in names.items():
            elements = sum(int(result[f"{_PREFIX}{name}.size"]) for name in each)
            found[place].elements = max(found[place].elements, elements)
        for place, (operator, taken, given) in shapes.items():
            if operator in SUMS:
                total = float(result[f"{_PREFIX}{place}.total"])
                if SUMS[operator][1]:
                    total *= int(result[f"{_PREFIX}{taken}.size"]) // max(1, int(result[f"{_PREFIX}{given}.size"]))
                found[place].total = max(found[place].total, total)
    return found


class _Builder:
    def __init__(self, graph: Graph, to: str) -> None:
        import numpy as np
        from onnx import numpy_helper

        self.graph, self.to = graph, to
        given = {value.name for value in graph.proto.graph.input}
        self.held = {tensor.name: tensor for tensor in graph.proto.graph.initializer if tensor.name not in given}
        self.nodes: list[Any] = []
        self.outputs: list[Any] = []
        self.constants = [numpy_helper.from_array(np.array(np.inf, np.float32), f"{_PREFIX}inf")]
        self.rounded: dict[str, str] = {}

    def add(self, node: Any, floats: Floats, place: int) -> list[tuple[int, str, str]]:
        """Build the measurement of a node; gives what it is called: (place, "largest" or "error", output)."""
        shadow = type(node)()
        shadow.CopyFrom(node)
        shadow.name = f"{_PREFIX}{place}"
        for at in floats.inputs:
            shadow.input[at] = self._round(node.input[at])
        for at, name in enumerate(node.output):
            shadow.output[at] = f"{_PREFIX}{place}.{at}.raw" if name else ""
        self.nodes.append(shadow)
        if node.op_type in SUMS:
            self._sums(node, place)
        wanted = []
        for at in floats.outputs:
            stem = f"{_PREFIX}{place}.{at}."
            half = self._pair(f"{stem}raw", f"{stem}half")
            self._node("Sub", [half, node.output[at]], f"{stem}sub")
            self._node("Abs", [f"{stem}sub"], f"{stem}abs")
            self._node("IsNaN", [f"{stem}abs"], f"{stem}nan")
            self._node("Where", [f"{stem}nan", f"{_PREFIX}inf", f"{stem}abs"], f"{stem}off")
            self._node("ReduceMax", [f"{stem}off"], f"{stem}error", keepdims=0)
            self._node("Abs", [node.output[at]], f"{stem}size")
            self._node("ReduceMax", [f"{stem}size"], f"{stem}largest", keepdims=0)
            self._output(f"{stem}error", FLOAT)
            self._output(f"{stem}largest", FLOAT)
            wanted += [(place, "largest", f"{stem}largest"), (place, "error", f"{stem}error")]
        return wanted

    def size(self, name: str) -> None:
        self._node("Size", [name], f"{_PREFIX}{name}.size")
        self._output(f"{_PREFIX}{name}.size", 7)

    def _sums(self, node: Any, place: int) -> None:
        """What the node adds up to at most, of magnitudes; or its mean, where it divides."""
        stem = f"{_PREFIX}{place}."
        self._node("Abs", [node.input[0]], f"{stem}magnitudes")
        sums = type(node)()
        sums.CopyFrom(node)
        sums.name, sums.op_type = f"{stem}sums", SUMS[node.op_type][0]
        sums.input[0], sums.output[0] = f"{stem}magnitudes", f"{stem}most"
        self.nodes.append(sums)
        self._node("ReduceMax", [f"{stem}most"], f"{stem}total", keepdims=0)
        self._output(f"{stem}total", FLOAT)

    def _round(self, name: str) -> str:
        if name not in self.rounded:
            self.rounded[name] = target = f"{_PREFIX}{name}.rounded"
            if name in self.held:  # some operators take constants alone
                self.constants.append(rounded(self.graph, self.held[name], target, self.to, emulate=True))
            else:
                self._pair(name, target)
        return self.rounded[name]

    def _pair(self, name: str, target: str) -> str:
        """Round to half and back."""
        self._node("Cast", [name], f"{target}.low", to=ONNX[self.to])
        self._node("Cast", [f"{target}.low"], target, to=FLOAT)
        return target

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))

    def _output(self, name: str, kind: int) -> None:
        from onnx import helper

        self.outputs.append(helper.make_tensor_value_info(name, kind, []))


def evaluate(graph: Graph, model: ModelFile, samples: Sequence[Sample], threads: int | None) -> list[list[Any]]:
    """The outputs of a graph on the CPU, for each sample, with every Cast as it stands. Raises as `probe`."""
    import onnxruntime

    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = 4
    with graph.loadable() as (source, folder):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # or casts would go
        if folder:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        set_threads(options, threads)
        try:
            session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except ort_errors() as error:
            raise load_error(model, error, "cpu") from error
        try:
            return [session.run(None, dict(sample), quiet) for sample in samples]
        except ort_errors() as error:
            raise run_error(model, error) from error
