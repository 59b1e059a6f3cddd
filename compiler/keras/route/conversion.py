"""A model of Keras as tf2onnx writes it: traced by TensorFlow, its weights frozen into it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.application import keras_shape
from archonnx.compiler.keras.refusals import said
from archonnx.contract.diagnostics import ArchonnxError, MachineError, UsageError

if TYPE_CHECKING:
    from onnx import ModelProto

    from archonnx.compiler.graph import TensorType

OLDEST_OPSET = 17  # ours
MOST_BYTES = 2_000_000_000  # weights: TensorFlow's message of a frozen graph ends at 2**31 - 1 bytes


class RouteError(ArchonnxError):
    """A model that has no second route: one line that says why."""


@dataclass(slots=True)
class Frozen:
    """A traced model with its weights in it: TensorFlow's message, and the names there of inputs and outputs, in our
    order. `definition` is taken out by `convert`: several copies of all weights are not held at a time."""

    definition: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def require_tools() -> None:
    """MachineError unless Keras, on TensorFlow, and tf2onnx are there. Quiets what they would log while imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
        import tensorflow  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise MachineError(
            f"the second route needs Keras, TensorFlow and tf2onnx, and {error.name} is not installed: "
            "pip install 'archonnx[keras]'"
        ) from None
    if keras.backend.backend() != "tensorflow":
        raise MachineError(
            f"the second route goes through TensorFlow, and Keras runs on {keras.backend.backend()}: "
            "set KERAS_BACKEND=tensorflow"
        )


def newest_opset() -> int:
    """The newest operator set that tf2onnx writes."""
    from tf2onnx import constants

    return int(max(constants.OPSET_TO_IR_VERSION))


def route_opset(asked: int | None, ours: int) -> int:
    """The operator set to convert to: the one asked for, else ours as far as tf2onnx goes. UsageError past that."""
    newest = newest_opset()
    if asked is not None and not OLDEST_OPSET <= asked <= newest:
        raise UsageError(
            f"opset {asked}: tf2onnx writes operator sets up to {newest}; expected {OLDEST_OPSET} to {newest}"
        )
    return asked if asked is not None else min(ours, newest)


def freeze(
    model: Any, outputs: Sequence[Any], inputs: Sequence[TensorType], scopes: Sequence[tuple[Any, str]] = ()
) -> Frozen:
    """The model of Keras as TensorFlow traces it, its results those tensors of it.

    model: functional; outputs: its own or inner tensors; inputs: their types, in order; scopes: operations of Keras
    with what their nodes are named by, as layers are by themselves.
    Errors: RouteError where TensorFlow cannot.
    """
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    weights = sum(int(v.shape.num_elements() or 0) * v.dtype.size for v in _variables(model))
    if weights > MOST_BYTES:
        raise RouteError(
            f"the weights take {weights:,} bytes, and TensorFlow freezes at most {MOST_BYTES:,} into one message: "
            "build without --via keras"
        )
    traced = keras.Model(model.inputs, list(outputs))

    def call(*tensors: Any) -> list[Any]:
        made = traced(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return [tf.identity(one) for one in (made if isinstance(made, list | tuple) else [made])]

    with quiet(), _explained(), _scoped(scopes):
        specs = [
            tf.TensorSpec(keras_shape(kind), tf.as_dtype(kind.dtype), name=f"input_{i}")
            for i, kind in enumerate(inputs)
        ]
        concrete = tf.function(call, input_signature=specs, autograph=False).get_concrete_function()
        # What the trace captured becomes constant here; tf2onnx's own from_function makes inputs of the captured.
        frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False, aggressive_inlining=True)
        names = tuple(t.name for t in frozen.inputs), tuple(t.name for t in frozen.outputs)
        if len(names[0]) != len(inputs):
            raise RouteError(
                f"TensorFlow's graph has {len(names[0])} inputs, the model {len(inputs)}: a layer keeps a table "
                "outside the graph, as lookups do; build without --via keras"
            )
        return Frozen(frozen.graph.as_graph_def(add_shapes=True), *names)


def convert(frozen: Frozen, opset: int) -> ModelProto:
    """The frozen model as tf2onnx writes it; `frozen` is used up. Errors: RouteError where tf2onnx cannot."""
    with quiet(), _explained():
        return _write(frozen, opset)


def _variables(model: Any) -> list[Any]:
    return [variable.value for variable in model.variables]


def _write(frozen: Frozen, opset: int) -> ModelProto:
    """TensorFlow's frozen graph as tf2onnx has it, by the steps of its from_graph_def.

    1. Its merging of equal nodes is left out, which keeps one or another: reading.py merges, in an order of its own.
    2. Copies of the weights are let go of as soon as there is another: TensorFlow's graphs are cycles.
    """
    import gc

    import tensorflow as tf
    from tf2onnx import optimizer, tf_loader, tf_utils, tfonnx

    handlers: dict[str, tuple[Any, list[Any]]] = {"Erfc": (_erfc, []), "Expm1": (_expm1, [])}
    steps = {name: step for name, step in optimizer._get_optimizers().items() if name != "merge_duplication"}
    definition, frozen.definition = frozen.definition, None
    entering, leaving = list(frozen.inputs), list(frozen.outputs)
    with tf.device("/cpu:0"):
        with tf.Graph().as_default():
            definition = tf_loader.tf_optimize(entering, leaving, definition)
        gc.collect()
        values = tf_utils.compress_graph_def(definition)  # what is left has no large constants
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(definition, name="")
            made = tfonnx.process_tf_graph(
                graph,
                continue_on_error=True,
                opset=opset,
                const_node_values=values,
                custom_op_handlers=handlers,
                input_names=entering,
                output_names=leaving,
            )
    del graph, definition, values
    gc.collect()
    with _constants_left_alone():
        # Caught, an error would cost a copy of the graph and its weights for each step.
        made = optimizer.optimize_graph(made, catch_errors=False, optimizers=steps)
        written: ModelProto = made.make_model("")
    return written


@contextmanager
def _constants_left_alone() -> Iterator[None]:
    """tf2onnx would write every constant into its node's message again after each step, from where nothing reads it,
    and protobuf keeps the memory of all that was ever written."""
    from tf2onnx.graph import Node

    update = Node.update_proto

    def updated(self: Any, external_tensor_storage: Any = None) -> None:
        if not self.is_const():
            update(self, external_tensor_storage)

    Node.update_proto = updated
    try:
        yield
    finally:
        Node.update_proto = update


def _erfc(context: Any, node: Any, name: str, args: Any) -> None:
    """TensorFlow's Erfc, which tf2onnx has no form for, as 1 - Erf(x)."""
    _beside_one(context, node, "Erf", one_first=True)


def _expm1(context: Any, node: Any, name: str, args: Any) -> None:
    """TensorFlow's Expm1, which tf2onnx has no form for, as Exp(x) - 1."""
    _beside_one(context, node, "Exp", one_first=False)


def _beside_one(context: Any, node: Any, kind: str, *, one_first: bool) -> None:
    """Put `1 - kind(x)` or `kind(x) - 1` in the node's place."""
    import numpy as np
    from tf2onnx import utils

    dtype, shape = context.get_dtype(node.output[0]), context.get_shape(node.output[0])
    typed = {"shapes": [shape], "dtypes": [dtype]}
    one = context.make_const(utils.make_name("one"), np.array(1, utils.map_onnx_to_numpy_type(dtype))).output[0]
    inner = context.make_node(kind, [node.input[0]], name=utils.make_name(node.name), **typed).output[0]
    output = node.output[0]
    context.remove_node(node.name)
    context.make_node("Sub", [one, inner] if one_first else [inner, one], name=node.name, outputs=[output], **typed)


@contextmanager
def _scoped(scopes: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Put what operations become into scopes of TensorFlow while they are traced."""
    import tensorflow as tf

    def inside(call: Any, scope: str) -> Any:
        def scoped(*args: Any, **named: Any) -> Any:
            with tf.name_scope(scope):
                return call(*args, **named)

        return scoped

    for operation, scope in scopes:
        operation.call = inside(operation.call, scope)
    try:
        yield
    finally:
        for operation, _ in scopes:
            del operation.call  # what the class has comes out again


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what tf2onnx and TensorFlow log to themselves: what matters of it is told by what comes out."""
    import warnings

    root = logging.getLogger()
    handlers, disabled = list(root.handlers), root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers  # tf2onnx logs by functions that would set one up


@contextmanager
def _explained() -> Iterator[None]:
    """What TensorFlow or tf2onnx raise while a model goes through them, as one line."""
    import tensorflow as tf

    kinds = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RuntimeError, tf.errors.OpError)
    try:
        yield
    except kinds as error:
        if "incompatible with expected resource" in str(error):
            told = "a layer changes a variable while it runs, as random layers do with their seed"
        else:
            told = f"{type(error).__name__}: {said(error)}"
        raise RouteError(f"TensorFlow and tf2onnx do not convert this model: {told}") from error
