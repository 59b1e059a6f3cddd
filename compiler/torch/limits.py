"""Which operators are computed in PyTorch: a function that takes their inputs and attributes, and types it has."""

from __future__ import annotations

import inspect

from archonnx.compiler.ir import Operator
from archonnx.compiler.torch import operators
from archonnx.compiler.torch.making import DOMAIN

MANY = frozenset(("Attention", "Split", "LSTM", "GRU", "RNN"))  # operators that are told how many results are wanted
# How many results an operator may have, where that is not one, and how many inputs, where some are not looked at.
RESULTS = {"Attention": 3, "GRU": 2, "LSTM": 3, "RNN": 2, "TopK": 2}
INPUTS = {"GRU": 6, "LSTM": 7, "RNN": 6}
WHOLE = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
TYPES = frozenset((*WHOLE, "bool", "bfloat16", "complex64", "complex128", "float16", "float32", "float64"))


def unable(operator: Operator) -> str | None:
    """Why PyTorch does not compute an operator, None where it does; completes "it becomes ..., which is not ..."."""
    if operator.domain == DOMAIN or operator.type == "Scan":
        return None
    name = f"{operator.domain}::{operator.type}" if operator.domain else operator.type
    function = operators.find(operator.type, operator.domain)
    if function is None:
        return f"the operator {name} of ONNX"
    kinds = [t.dtype for t in (*operator.inputs, *operator.outputs) if t is not None and t.dtype not in TYPES]
    if kinds:
        return f"the operator {name} of ONNX for {kinds[0]}"
    inputs, outputs = len(operator.inputs), len(operator.outputs)
    most = RESULTS.get(operator.type, outputs if operator.type == "Split" else 1)
    if outputs > most or inputs > INPUTS.get(operator.type, inputs):
        return f"the operator {name} of ONNX with {inputs} inputs and {outputs} results"
    attributes = dict(operator.attributes)
    beyond = _beyond(operator.type, attributes)
    if beyond is not None:
        return f"the operator {name} of ONNX with {beyond}"
    try:
        told = {"results": outputs} if operator.type in MANY else {}
        inspect.signature(function).bind(*operator.inputs, **attributes, **told)
    except TypeError:
        return f"the operator {name} of ONNX with {', '.join(sorted(attributes)) or 'these inputs'}"
    except ValueError:
        return None  # a function of PyTorch itself, which tells no names: it takes inputs alone
    return None


def _beyond(kind: str, attributes: dict[str, object]) -> str | None:
    """What of an operator's attributes its function does not compute."""
    if kind == "Resize" and attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        return "tf_crop_and_resize"
    if kind == "ScatterND" and attributes.get("reduction", "none") not in ("none", "add"):
        return f"reduction {attributes['reduction']}"
    if kind == "AveragePool" and attributes.get("ceil_mode") and attributes.get("count_include_pad"):
        return "ceil_mode and count_include_pad"
    return None
