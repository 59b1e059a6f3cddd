"""The modules of a network by their paths, and the parameters in them: PyTorch's tensors for our weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate.references import Reference
from archonnx.compiler.recipes import Draw
from archonnx.compiler.torch.assembling import tensor_of
from archonnx.compiler.torch.recipes import Parameter, over_parameters
from archonnx.compiler.weights.layouts.torch import LAYOUT, module_name

if TYPE_CHECKING:
    from archonnx.compiler.graph import Node, Weight
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.layouts.base import Exchange
    from archonnx.compiler.weights.recipe import Evaluation, Recipe

# Weights that no training changes by gradients: buffers, not frozen parameters.
STATISTICS = ("moving_mean", "moving_variance", "mean", "variance", "count", "vector_u")


class Holder:
    """Places modules and fills them. One weight has one parameter, however many layers share it."""

    def __init__(self, network: Any, evaluation: Evaluation) -> None:
        self.network, self.evaluation = network, evaluation
        self.placed: set[int] = set()  # layers, by identity
        self.known: dict[int, Recipe] = {}  # by weight: over the parameters of whoever holds it
        self.inside: dict[tuple[str, int], Recipe] = {}  # by module and weight: over that module's own parameters
        self.shared: dict[tuple[int, ...], list[Any]] = {}  # by the weights of an exchange: its tensors in order
        self.parameters: dict[int, tuple[Any, Any]] = {}  # by the identity of a tensor, which is kept

    def written(self, layer: Layer) -> dict[str, Recipe]:
        """The layer's tensors as PyTorch has them, by name below its module."""
        return LAYOUT.write(layer, {name: Draw(weight) for name, weight in layer.weights.items()})

    def path(self, node: Node) -> str:
        return module_name(node.path)

    def place(self, node: Node, make: Callable[[Any], Any]) -> Any:
        """The layer's module, made and filled where it is not there yet."""
        import torch

        from archonnx.compiler.torch.program import below

        path = self.path(node)
        if id(node.layer) in self.placed:
            return below(self.network, path)
        self.placed.add(id(node.layer))
        with torch.device("meta"):
            module = make(torch.nn)
        self._attach(path, module)
        self._fill(path, node.layer, module)
        return module

    def hold(self, node: Node) -> None:
        """A weight of a block: a parameter of the block's own module. One of another layer is there already."""
        (weight,) = node.layer.weights.values()
        if id(weight) in self.known:
            return
        scope, _, name = weight.path.replace("/", ".").rpartition(".")
        tensor = tensor_of(Draw(weight), self.evaluation)
        self._register(self._scope(scope), name, tensor, weight.trainable, buffer=False)
        self.known[id(weight)] = Parameter(scope, name, weight.dtype, tuple(weight.shape))

    def over(self, path: str) -> Callable[[Recipe], Recipe]:
        """Gives recipes over parameters, those of the module of that path where it has them."""

        def parameter(weight: Weight) -> Recipe:
            own = self.inside.get((path, id(weight)))
            return own if own is not None else self.known[id(weight)]

        return lambda recipe: over_parameters(recipe, parameter)

    def _attach(self, path: str, module: Any) -> None:
        scope, _, name = path.rpartition(".")
        parent = self._scope(scope)
        before = parent._modules.get(name)
        if before is not None:
            module._modules.update(before._modules)
        parent._modules[name] = module  # not add_module, which refuses a layer that is called like one of its methods

    def _scope(self, path: str) -> Any:
        from archonnx.compiler.torch.network import Scope

        module = self.network
        for name in path.split(".") if path else []:
            module = module._modules.setdefault(name, Scope())
        return module

    def _fill(self, path: str, layer: Layer, module: Any) -> None:
        theirs: dict[str, Recipe] = {}
        for exchange in LAYOUT.exchanges(layer):
            made = exchange.write({name: Draw(layer.weights[name]) for name in exchange.ours})
            for name, tensor in zip(made, self._tensors(layer, exchange, made), strict=True):
                *scopes, last = name.split(".")
                owner = module
                for scope in scopes:
                    owner = owner._modules.setdefault(scope, _plain())
                trainable = any(layer.weights[n].trainable for n in exchange.ours)
                buffer = last in owner._buffers or (not trainable and exchange.ours[0].split("/")[-1] in STATISTICS)
                self._register(owner, last, tensor, trainable, buffer=buffer)
                theirs[name] = Parameter(path, name, made[name].dtype, made[name].shape)
        for name, recipe in LAYOUT.read(layer, theirs).items():
            weight = layer.weights[name]
            self.inside[path, id(weight)] = recipe
            self.known.setdefault(id(weight), recipe)

    def _tensors(self, layer: Layer, exchange: Exchange, made: dict[str, Recipe]) -> list[Any]:
        """The tensors of an exchange; those of weights that another layer holds are that layer's parameters."""
        key = tuple(id(layer.weights[name]) for name in exchange.ours)
        found = self.shared.get(key)
        if found is None or [tuple(t.shape) for t in found] != [r.shape for r in made.values()]:
            found = [tensor_of(recipe, self.evaluation) for recipe in made.values()]
            if "Conv" in layer.type_name and layer.arguments.get("data_format") != "channels_first":
                found = [channels_last(tensor) for tensor in found]
            self.shared.setdefault(key, found)
        return found

    def _register(self, owner: Any, name: str, tensor: Any, trainable: bool, *, buffer: bool) -> None:
        import torch

        if buffer or not (tensor.is_floating_point() or tensor.is_complex()):
            owner._parameters.pop(name, None)
            owner._buffers[name] = tensor
            return
        _, parameter = self.parameters.setdefault(
            id(tensor), (tensor, torch.nn.Parameter(tensor, requires_grad=trainable))
        )
        if name in owner._parameters:
            setattr(owner, name, parameter)  # nn.LSTM keeps a list of its own
        else:
            owner._parameters[name] = parameter


def channels_last(tensor: Any) -> Any:
    """A kernel in the memory order that convolutions of channels-last images take: else they copy it in every call."""
    import torch

    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return tensor.contiguous(memory_format=formats[tensor.ndim]) if tensor.ndim in formats else tensor


def _plain() -> Any:
    from archonnx.compiler.torch.network import Scope

    return Scope()


def is_held(node: Node) -> bool:
    """Whether a node is a weight and no layer."""
    return isinstance(node.layer, Reference)
