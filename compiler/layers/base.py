"""What a layer is: one class that declares its arguments, shape rule, weights, MACs, lowering and counterparts.

A new layer is one new class in a module of this folder and nothing else:

    class Dense(Layer):
        \"\"\"Fully connected: `activation(x @ kernel + bias)` over the last axis.\"\"\"

        units = arg(Whole(minimum=1), doc="Width of the result.")
        activation = arg(Activation(), default=None, doc="Applied to the result.")
        use_bias = arg(Flag(), default=True, doc="Whether a bias is added.")
        keras = "Dense"

        def declare(self, c, x):                     # weights, from the inputs' types
            c.weight("kernel", (c.known(x, -1), self.units), self.kernel_initializer)

        def infer(self, c, x):                       # TensorTypes in, TensorType (or a tuple of them) out
            return TensorType(x.dtype, (*x.shape[:-1], self.units))

        def macs(self, inputs, outputs): ...         # multiply-accumulates of one application, a Dim
        def lower(self, b, x): ...                   # operator tensors in and out (lowering.builder.Builder)

Arguments are read as attributes (`self.units`). Instances also carry `weights`, filled at the first application.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from archonnx.compiler.graph import TensorType, Value, Weight
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.domains import Domain
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.diagnostics import Place
    from archonnx.contract.dims import Dim, Facts

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()


class LayerError(Exception):
    """Raised by a layer's rules; the elaborator turns it into a diagnostic at the right place.

    `argument` names the argument at fault, `input` the number of the input at fault (and `axis` its axis), so that the
    place is the argument's or the value's; without them the place is the application.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        help: str | None = None,
        label: str = "",
        argument: str | None = None,
        input: int | None = None,
        axis: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.label = code, message, help, label
        self.argument, self.input, self.axis = argument, input, axis


class Argument:
    """One declared argument: its domain, default and meaning. Built by `arg`."""

    __slots__ = ("_parsed", "default", "doc", "domain", "keras", "name")

    def __init__(self, domain: Domain, default: Any, doc: str, keras: bool) -> None:
        self.name = ""
        self._parsed: list[Any] = []  # the default in its one form, once it was asked for and can be shared
        self.domain, self.default, self.doc, self.keras = domain, default, doc, keras

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removesuffix("_") if name in ("name_", "input_", "lower_") else name

    def __get__(self, instance: Layer | None, owner: type) -> Any:
        return self if instance is None else instance.arguments[self.name]

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def parsed_default(self) -> Any:
        """The default in its domain's one form: it is written as a user would write it, and passes through, None apart.

        A number, text or initializer is made once; whatever might be changed is made anew for each layer.
        """
        if self.default is None:
            return None
        if self._parsed:
            return self._parsed[0]
        parsed = self.domain.parse(self.default)
        if _cannot_change(parsed):
            self._parsed.append(parsed)
        return parsed


def _cannot_change(value: object) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(item, (int, float, str)) for item in value)
    frozen = getattr(getattr(value, "__dataclass_params__", None), "frozen", False)
    return value is None or isinstance(value, (int, float, str)) or frozen


def arg(domain: Domain, default: Any = REQUIRED, *, doc: str, keras: bool = True) -> Any:
    """Declare an argument; they are positional in this order. `keras` False: Keras' layer has no such argument."""
    return Argument(domain, default, doc, keras)


class Context(Protocol):
    """What `declare` and `infer` may ask for: the facts known of symbols, and new weights.

    The elaborator gives it; a shape rule proves with `c.facts.equal(a, b)` and fails with `raise LayerError(...)`.
    """

    facts: Facts
    opset: int  # the operator set that is compiled for
    results: int | None  # how many results an unpacking asks for, None where it is not unpacked
    dropped: frozenset[int]  # the results that `_` takes, by position

    def announced(self, index: int = 0) -> TensorType | None:
        """The type written beside the name that a result is bound to, `y: float32[N, K] = ...`, as far as known."""

    def known(self, x: TensorType, axis: int, *, input: int = 0) -> int:
        """The size of an axis that a weight's shape needs, an int; E0301 where it is symbolic."""

    def weight(
        self, name: str, shape: tuple[int, ...], initializer: Any, *, trainable: bool = True, dtype: str = "float32"
    ) -> None:
        """Declare a weight of the layer. `initializer` is an Initializer or what `initializers.resolve` takes."""

    def symbol(self, hint: str) -> Dim:
        """A new symbol for a size that depends on data."""

    def constant(self, input: int = 0) -> Any:
        """The number or nested tuples of numbers of an input that is written out in the source, else None."""

    def array(self, input: int = 0) -> Any:
        """The elements of an input that are known while compiling, an array, else None: written out, or worked out
        of such by raw operators."""

    def mask(self, input: int = 0) -> Value | None:
        """The mask that came with an input, for layers whose `masking` is "use"."""


class Layer:
    """The base of every layer, tensor function and raw operator."""

    # What a subclass declares, as plain data.
    abstract: ClassVar[bool] = True  # set False by __init_subclass__ unless the class says `abstract = True` itself
    inputs: ClassVar[tuple[str, ...]] = (
        "x",
    )  # names in order, Keras' own; `name?` may be left out; `*name` takes one or more, `*name?` any number
    masking: ClassVar[Literal["pass", "drop", "use"]] = "pass"  # what becomes of Keras' mask: `supports_masking`
    masked_results: ClassVar[int] = 1  # how many of the first results a mask that is passed goes on with
    makes_mask: ClassVar[bool] = False  # the last result of infer and lower is the mask of the first
    keras: ClassVar[str | None] = None  # the counterpart, as in keras.layers or keras.ops
    torch: ClassVar[str | None] = None
    onnx: ClassVar[tuple[str, ...]] = ()  # operators it becomes, for `archonnx layers`
    formula: ClassVar[str] = ""  # what is computed, over the inputs and weights by name; lines are kept as they are
    example: ClassVar[str] = ""  # lines of a body that use it, or whole declarations; run by the tests
    declared: ClassVar[Mapping[str, Argument]] = {}
    parameters: ClassVar[tuple[str, ...]] = ()  # functions: inputs and arguments in the order of the call
    index_inputs: ClassVar[tuple[str, ...]] = ()  # functions: inputs that hold indices, whose constants are int64
    of_numbers: ClassVar[bool] = False  # functions: whether numbers alone will do, which become a tensor
    takes_constants: ClassVar[bool] = False  # whether numbers may be inputs, and None one that is left out
    runs_cell: ClassVar[bool] = False  # whether its argument `cell` is a block that it runs (elaborate/cells.py)
    runs_layer: ClassVar[bool] = False  # whether its argument `layer` is run on each step (elaborate/distributed.py)
    package: ClassVar[str | None] = None  # the package and version that it comes from, where it is not the library's
    pointwise: ClassVar[bool] = False  # the same at each place of all axes but the last, of any number of axes
    hidden: ClassVar[bool] = False  # not shown in summaries and plots: constants and the like
    call_arguments: ClassVar[tuple[str, ...]] = ()  # input names that Keras takes in the call, such as attention_mask

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.abstract = bool(cls.__dict__.get("abstract", False))
        found: dict[str, Argument] = {}
        for base in reversed(cls.__mro__):
            for value in vars(base).values():
                if isinstance(value, Argument):
                    found.pop(value.name, None)
                    found[value.name] = value
        order = cls.__dict__.get("order")
        cls.declared = {n: found[n] for n in order} if order else found

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """`arguments` are complete and checked: a value for every declared argument."""
        self.arguments: Mapping[str, Any] = arguments
        self.weights: dict[str, Weight] = {}
        self.given_name: str | None = None  # name=, which a layer around this one calls it by
        self.given_trainable = True  # trainable=, which a layer around this one heeds
        self.path: str | None = None  # set at the first application
        self.place: Place | None = None

    @property
    def type_name(self) -> str:
        return type(self).__name__

    @property
    def written_name(self) -> str:
        """The constructor as a source writes it: `onnx.Relu` for a raw operator."""
        return self.type_name

    def surplus_help(self, opset: int) -> str | None:
        """What to do where more inputs are given than it takes, None where nothing better is known than their names."""
        return None

    @classmethod
    def default_name(cls) -> str:
        return snake_case(cls.__name__)

    def validate(self) -> None:
        """Check arguments against each other; raises LayerError with `argument=`."""

    def declare(self, c: Context, *inputs: Any) -> None:
        """Declare the weights that inputs of these types need. Called at the first application."""

    def infer(self, c: Context, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        """The results' types; raises LayerError where the inputs do not fit."""
        raise TypeError(f"{self.type_name} declares no shape rule")

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Multiply-accumulates of one application, as a dimension over the model's symbols."""
        return 0

    def lower(self, b: Builder, *inputs: Any) -> Tensor | tuple[Tensor, ...]:
        """The operators of one application, built with `b`."""
        raise TypeError(f"{self.type_name} declares no lowering")

    def counterparts(self) -> tuple[str, ...]:
        """What a layer of these arguments is called in Keras and PyTorch."""
        return tuple(name for name in (self.keras, self.torch) if name)

    def biases_of_torch(self) -> int:
        """How many parameters more PyTorch's counterpart has: a second bias where this layer has one."""
        return 0

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        """The mask of the results, for layers that pass masks: by default the first input's, as in Keras.

        `apply("logical_and", a, b)` adds a tensor function to the graph.
        """
        return masks[0] if masks else None

    def result_mask(self, inputs: Sequence[Value | None], apply: Callable[..., Value]) -> Value | None:
        """The same of the inputs themselves, for layers that are given masks as inputs too."""
        masks = [v.mask if v is not None else None for v in inputs]
        return self.merge_masks(masks, apply) if any(m is not None for m in masks) else None


@cache
def snake_case(name: str) -> str:
    """Keras' to_snake_case: `MaxPooling2D` -> `max_pooling2d`, `ReLU` -> `re_lu`, `LSTM` -> `lstm`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    name = re.sub("([a-z])([A-Z])", r"\1_\2", name)
    return name.lower()
