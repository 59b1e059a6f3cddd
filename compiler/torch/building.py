"""`to_torch`: the layer graph, node by node, as a module of PyTorch.

1. Every layer that PyTorch has a module for becomes one (counterparts.py), with operators around its call.
2. Every other layer becomes a module of ours, which runs the operators that the layer is lowered to, by PyTorch.
3. Tensor functions become operators in between. What neither way computes is refused, all of it at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.base import Function
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.keras.refusals import NoCounterpartError, Refused
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.layers.registry import find_layer
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.lowering.lower import LoweringError, lower_node
from archonnx.contract.diagnostics import MachineError
from archonnx.contract.dims import Facts

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.graph import Node

DROPPED = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention")  # scores are, in training
UNFUSED = 22  # the last operator set without one operator for attention, whose scores could not be dropped
# Layers that training alone runs, of which PyTorch has some (counterparts.py) and of the rest this one may be left out.
IDLE = ("ActivityRegularization",)


def to_torch(model: CompiledModel, seed: int = 0) -> Any:
    """A torch.nn.Module that computes what the compiled model does; see `archonnx.to_torch`."""
    evaluation = model.evaluation(seed)
    try:
        import torch  # noqa: F401  # here for its absence to be told
    except ImportError:
        raise MachineError("PyTorch is not installed: pip install 'archonnx[torch]'") from None
    return _Building(model, evaluation).module()


@dataclass(eq=False)
class Group:
    """The operators of one node."""

    node: Node
    operators: list[Operator] = field(default_factory=list)
    computed: bool = False  # whether a module of ours runs them


class _Building:
    """One model on its way: operators first, grouped by node, then the programs of the modules."""

    def __init__(self, model: CompiledModel, evaluation: Any) -> None:
        from archonnx.compiler.torch.holding import Holder
        from archonnx.compiler.torch.network import Network

        graph = model.graph
        self.graph, self.opset = graph, model.opset
        inputs = [(given.name, given.value.type.dtype) for given in graph.inputs]
        self.network = Network(graph.name, inputs, [output.name for output in graph.outputs])
        self.holder = Holder(self.network, evaluation)
        self.operators = OperatorGraph(graph.name, model.opset)
        self.builder = Builder(self.operators, graph.facts if graph.facts is not None else Facts())
        self.builder.sources = model.sources
        self.entering: list[Tensor] = []
        self.groups: list[Group] = []
        self.refused: list[tuple[Node, Refused]] = []

    def module(self) -> Any:
        for given in self.graph.inputs:
            tensor = Tensor(given.name, given.value.type)
            self.builder.tensors[id(given.value)] = tensor
            self.builder.carry(tensor, is_input=True)
            self.entering.append(tensor)
        for node in self.graph.nodes:
            before = len(self.operators.operators)
            group = Group(node)
            try:
                self._lower(node, group, before)
            except Refused as refused:
                self.refused.append((node, refused))
                for value in node.outputs:
                    tensor = Tensor(value.name, value.type)
                    self.builder.tensors[id(value)] = tensor
                    self.builder.carry(tensor)
        self._refuse()
        return self._assembled()

    def _refuse(self) -> None:
        if self.refused:
            raise NoCounterpartError(self.graph.name, self.refused, "a module of PyTorch")

    # Lowering

    def _lower(self, node: Node, group: Group, before: int) -> None:
        """The node's operators, with calls of modules among them. Refused where PyTorch does not compute them."""
        from archonnx.compiler.torch.holding import is_held
        from archonnx.compiler.torch.limits import unable

        layer, b = node.layer, self.builder
        if is_held(node):
            self.holder.hold(node)
            lower_node(node, b)
            return
        if not isinstance(layer, Function) and not self._made(node):
            if not layer.onnx and layer.type_name not in IDLE and layer.package is None and layer.keras is not None:
                help = "leave it out, and change the data where it is loaded: torchvision.transforms, for example"
                raise Refused("it acts in training only, and PyTorch has no module like it", help)
            group.computed = True
            drops = layer.type_name in DROPPED and bool(layer.arguments.get("dropout"))
            b.opset = min(self.opset, UNFUSED) if drops else self.opset
            lower_node(node, b)
            b.opset = self.opset
            self._place_computed(node)
        elif isinstance(layer, Function):
            lower_node(node, b)
        group.operators = self.operators.operators[before:]
        inside = OperatorGraph("", self.opset, operators=group.operators)
        reasons = dict.fromkeys(filter(None, map(unable, inside.everywhere())))
        if reasons:
            what = f"it becomes {' and '.join(reasons)}"
            raise Refused(f"{what}, which is not computed in PyTorch", "build it of other layers")
        self.groups.append(group)

    def _made(self, node: Node) -> bool:
        """Whether a module of PyTorch computes the node; its operators and results are in the builder then."""
        from archonnx.compiler.torch.counterparts import COUNTERPARTS
        from archonnx.compiler.torch.making import Making

        # Raw operators and layers of packages may be called like a layer of the library.
        ours = type(node.layer) is find_layer(node.layer.type_name)
        maker = COUNTERPARTS.get(node.layer.type_name) if ours else None
        if maker is None:
            return False
        b, before = self.builder, len(self.operators.operators)
        noted = dict(b.sizes), dict(b.carriers), dict(b.measured)
        b.node, b.origin = node, Origin.of_node(node)
        inputs = [None if value is None else b.tensor_of(value) for value in node.inputs]
        m = Making(b, node, node.layer, self.holder.written(node.layer), lambda make: self._placed(node, make))
        try:
            made = maker(m, *inputs)
        except LayerError as error:
            raise Refused(error.message, error.help or "change it") from error
        b.node, b.origin = None, Origin()
        if made is None:
            del self.operators.operators[before:]
            b.sizes, b.carriers, b.measured = noted
            return False
        for value, tensor in zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=True):
            if tensor.dtype != value.type.dtype or not b.same_shape(tensor.shape, value.type.shape):
                raise LoweringError(node, f"PyTorch's module gives {tensor.type}, its shape rule {value.type}")
            b.tensors[id(value)] = tensor
            b.carry(tensor)
        for operator in self.operators.operators[before:]:
            if "call" in operator.attributes:
                operator.attributes["path"] = self.holder.path(node)
        return True

    def _placed(self, node: Node, make: Any) -> None:
        self.holder.place(node, make)

    def _place_computed(self, node: Node) -> None:
        from archonnx.compiler.torch.network import Computed

        self.holder.place(node, lambda nn: Computed(node.type_name))

    # Programs

    def _assembled(self) -> Any:
        from archonnx.compiler.torch.assembling import Assembling

        network = self.network
        root = Assembling(network.program, network, "", self.holder.over(""))
        leaving = [self.builder.tensor_of(output.value) for output in self.graph.outputs]
        read = self._readers(leaving)
        for tensor in self.entering:
            root.receive(tensor)
        for group in self.groups:
            node = group.node
            at = f"{node.type_name} ({node.name})" + (f", {node.place}" if node.place is not None else "")
            try:
                if group.computed:
                    given, made = self._assemble_computed(group, read, at)
                    options = {"path": self.holder.path(node), "call": "computed", "use": node.use}
                    root.step("submodule", [root.number(t) for t in given], made, options, at)
                else:
                    for operator in group.operators:
                        root.operator(operator, at)
            except Refused as refused:
                self.refused.append((node, refused))
        self._refuse()
        for tensor in leaving:
            root.give(tensor)
        network.program.settle()
        return network

    def _readers(self, leaving: list[Tensor]) -> dict[int, set[int]]:
        """By tensor: the numbers of the groups that read it, -1 for the model's outputs."""
        read: dict[int, set[int]] = {}
        for number, group in enumerate(self.groups):
            for operator in group.operators:
                for tensor in operator.inputs:
                    read.setdefault(id(tensor), set()).add(number)
        for tensor in leaving:
            read.setdefault(id(tensor), set()).add(-1)
        return read

    def _assemble_computed(self, group: Group, read: dict[int, set[int]], at: str) -> tuple[list[Tensor], list[Tensor]]:
        """The program of one application of a layer: what it takes from outside, and what it gives."""
        from archonnx.compiler.torch.assembling import Assembling
        from archonnx.compiler.torch.program import Program, below

        node, number = group.node, self.groups.index(group)
        path = self.holder.path(node)
        own = {id(weight) for weight in node.layer.weights.values()}
        module: Any = below(self.network, path)
        program = Program()
        assembling = Assembling(program, module, path, self.holder.over(path))
        inside = {id(t) for operator in group.operators for t in operator.outputs}
        given: list[Tensor] = []
        for operator in group.operators:
            for tensor in operator.inputs:
                if tensor is None or id(tensor) in inside or any(tensor is t for t in given):
                    continue
                if tensor.recipe is None or any(id(w) not in own for w in tensor.recipe.weights()):
                    given.append(tensor)
        for tensor in given:
            assembling.receive(tensor)
        rate = node.layer.arguments.get("dropout") if node.type_name in DROPPED else None
        for operator in group.operators:
            assembling.operator(operator, at)
            if rate and operator.type == "Softmax":
                (result,) = operator.outputs
                assembling.step("dropped", [assembling.number(result)], [result], {"rate": rate}, at)
        made = [t for operator in group.operators for t in operator.outputs if read.get(id(t), set()) - {number}]
        for tensor in made:
            assembling.give(tensor)
        program.settle()
        module.programs[node.use] = program
        return given, made
