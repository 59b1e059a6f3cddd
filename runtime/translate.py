"""onnxruntime's failures in words that help: what went wrong, in which layer, at which line of the source."""

from __future__ import annotations

import re

from archonnx.contract.diagnostics import ArchonnxError, MachineError
from archonnx.runtime.errors import ModelFileError, OutOfMemoryError, RunError
from archonnx.runtime.guarding import lost_device
from archonnx.runtime.modelfile import ModelFile, NodePlace

_NODE = re.compile(
    r"Name:'([^']*)'|[Nn]ode with name '([^']*)'|in node \(([^)]*)\)|In Node, \(\"([^\"]*)\"|Node \(([^)]*)\)"
)
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_LOCATION = re.compile(r"/?[\w./\\-]*\.(?:cc|h|cu|cuh|cpp|hpp|inc|inl):\d+ ")
# OpenVINO's own places, conditions and the name of the graph that it took.
_OPENVINO = re.compile(
    r"OpenVINOExecutionProvider_\d+_\d+: |Exception from \S+:\d+: |Check '.*?' failed at \S+:\d+: |"
    r"Caught exception: |FrontEnd API failed with \w+: |\[OpenVINO-EP\] (?:\S+:\d+ )?- "
)
_MEMORY = re.compile(
    r"Failed to allocate memory|bad_alloc|bad allocation|out of memory|OUT_OF_MEMORY|"
    r"_ALLOC_FAILED|cannot allocate memory|Failed to allocate \d+ bytes",
    re.IGNORECASE,
)
_NOTHING = "Tensor data equal nullptr"  # OpenVINO's words
OLDEST_OPSET = 7  # onnxruntime's docs/OperatorKernels.md lists no kernel for an older version of most operators
_AMOUNT = re.compile(r"(?:requested buffer of size|Failed to allocate) (\d+)")


def ort_errors() -> tuple[type[Exception], ...]:
    """Every exception that onnxruntime raises: its own, which share no base, and those of its bindings."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = {item for item in vars(state).values() if isinstance(item, type) and issubclass(item, Exception)}
    return (*sorted(own, key=lambda item: item.__name__), RuntimeError, ValueError, MemoryError)


def lacks_memory(error: Exception) -> bool:
    """Whether an error is that memory has run out."""
    return isinstance(error, MemoryError) or bool(_MEMORY.search(str(error)))


def load_error(model: ModelFile, error: Exception, device: str) -> ArchonnxError:
    """What to raise where onnxruntime does not load a model."""
    import onnxruntime

    text = str(error)
    version = onnxruntime.__version__
    if lacks_memory(error):
        return MachineError(f"{model.path}: there is not enough memory to load the model{_amount(text)}")
    match = re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", text)
    if match:
        reason = f"it is written in ONNX IR version {match[1]}, onnxruntime {version} reads up to {match[2]}"
        return ModelFileError(model.path, f"{reason}; update it: pip install -U onnxruntime")
    match = re.search(r"Opset (\d+) is under development", text)
    if match:
        reason = f"it uses opset {match[1]}, which onnxruntime {version} does not know"
        return ModelFileError(model.path, f"{reason}; update it: pip install -U onnxruntime")
    match = re.search(r"Failed to construct locale with name:([\w.-]+)", text)
    if match:
        mend = f"install it: locale-gen {match[1]}"
        return MachineError(f"{model.path}: an operator needs the locale {match[1]}, which this system lacks; {mend}")
    match = re.search(r"Could not find an implementation for (\w+)\((\d+)\)", text)
    opset = model.opsets.get("", OLDEST_OPSET)
    if match and opset < OLDEST_OPSET:
        reason = f"it uses opset {opset}, onnxruntime implements the operators of opset {OLDEST_OPSET} and later"
        return ModelFileError(model.path, f"{reason}; convert it with onnx.version_converter")
    if match:
        reason = f"onnxruntime {version} has no implementation of {match[1]} for these types on device {device}"
        return MachineError(f"{model.path}: {reason}{_where(model, text)}")
    match = re.search(r"Fatal error: (\S+?):(\w+)\(-?\d+\) is not a registered function/op", text)
    match = match or re.search(r"No Op registered for ()(\w+) ", text)
    if match:
        name = f"{match[1]}:{match[2]}" if match[1] and match[1] != "ai.onnx" else match[2]
        return ModelFileError(
            model.path, f"onnxruntime {version} does not know the operator {name}{_where(model, text)}"
        )
    match = re.search(r"two nodes with same node name \((.*)\)", text)
    if match:
        mend = 'give each a name of its own, or none: node.name = ""'
        return ModelFileError(model.path, f"two of its nodes are called {match[1]}, which onnxruntime refuses; {mend}")
    if device == "openvino" and ("EP_FAIL" in text or "OpenVINO" in text):
        reason = f"OpenVINO's plug-in cannot load it: {clean(text)}{_where(model, text)}"
        return MachineError(f'{model.path}: {reason}; use device="cpu" for it')
    return ModelFileError(model.path, f"onnxruntime {version} cannot load it: {clean(text)}{_where(model, text)}")


def run_error(model: ModelFile, error: Exception) -> ArchonnxError:
    """What to raise where a run failed."""
    text = str(error)
    where = _where(model, text)
    if lacks_memory(error):
        reason = f"there is not enough memory for this run{_amount(text)}"
        return OutOfMemoryError(f"{model.path}: {reason}{where}; use a smaller batch or smaller inputs")
    if lost := lost_device(text):
        reason = f"the GPU was lost while the model ran ({lost}){where}"
        return MachineError(f"{model.path}: {reason}; no model runs on it in this process any more: start it again")
    node = node_name(text)
    place = find_place(model, node) if node else None
    message = f"{model.path}: the run failed: {clean(text)}{where}"
    if _NOTHING in text:
        message = f'{model.path}: OpenVINO\'s plug-in takes no array without elements here; use device="cpu" for it'
    if place is None:
        return RunError(message, node=node)
    return RunError(message, node=node, layer=place.layer, place=place.place, trail=place.trail)


def clean(text: str) -> str:
    """The message on one line, without onnxruntime's own source places, function signatures and failed conditions."""
    text = _PREFIX.sub("", " ".join(text.split()))
    text = re.sub(
        r"Non-zero status code returned while running (\w+) node\. Name:'[^']*' Status Message: ", r"\1: ", text
    )
    text = re.sub(r"^Load model from .* failed:", "", text)
    text = _OPENVINO.sub("", text)
    match = _LOCATION.search(text)
    while match:
        rest = _after_signature(text[match.end() :])
        rest = re.sub(r"^.*? was false\. (?=\S)", "", rest)
        text = text[: match.start()] + rest
        match = _LOCATION.search(text)
    return text.strip().rstrip(".") or "onnxruntime gives no reason"


def _after_signature(text: str) -> str:
    """What follows the C++ function signature that `text` begins with; all of it where it begins with none."""
    at = text.find("(")
    if at < 0:
        return re.sub(r"^[A-Za-z_]\w* (?=[A-Z\[])", "", text)
    while text[at : at + 1] == "(":
        depth = 0
        for index in range(at, len(text)):
            depth += (text[index] == "(") - (text[index] == ")")
            if depth == 0:
                at = index + 1
                break
        else:
            return text
    return re.sub(r"^(?:::<lambda\([^)]*\)>| const| noexcept)*(?: \[with [^\]]*\])? ?", "", text[at:])


def node_name(text: str) -> str | None:
    """The name of the node that a message of onnxruntime speaks of: the innermost, where a branch or a loop failed."""
    names = [name for match in _NODE.finditer(text) for name in match.groups() if name]
    return names[-1] if names else None


def find_place(model: ModelFile, node: str) -> NodePlace | None:
    """Where a node comes from, None where that is not known."""
    name = find_node(model, node)
    return model.nodes[name] if name is not None else None


def find_node(model: ModelFile, node: str) -> str | None:
    """The model's own node that a node of onnxruntime is, or was made of: then the name lies within its own.
    OpenVINO calls a node as its output is called, which in our models is the layer, or the node in small letters."""
    if node in model.nodes:
        return node
    inside = [name for name in model.nodes if len(name) > 2 and (node.startswith(name) or node.endswith(name))]
    if inside:
        return max(inside, key=lambda name: (len(name), name))
    return next((name for name, each in model.nodes.items() if node in (each.layer, name.lower())), None)


def _where(model: ModelFile, text: str) -> str:
    node = node_name(text)
    if node is None:
        return ""
    place = find_place(model, node)
    if place is None or not (place.layer or place.place):
        return f" (node {node})"
    parts = [f"in layer {place.layer}" if place.layer else f"node {node}"]
    if place.place:
        parts.append(f"at {place.place}")
    return f" ({', '.join([' '.join(parts), *place.trail[:1]])})"


def _amount(text: str) -> str:
    match = _AMOUNT.search(text)
    if not match:
        return ""
    size = int(match[1])
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024 or unit == "PiB":
            break
        size /= 1024  # type: ignore[assignment]
    return f": one tensor alone needs {size:,.0f} {unit}"
