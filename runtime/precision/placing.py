"""Where a precision is computed: the device that was named, else the first that computes so; never another precision.

| precision | on |
|---|---|
| float32 | every device |
| tf32 | CUDA: float32 whose factors are rounded to 10 bits |
| bfloat16, float16 | CUDA, by a graph that is converted; OpenVINO, where the processor has such units |
| int8 | the CPU and OpenVINO, by a graph that is calibrated on data |
"""

from __future__ import annotations

from dataclasses import replace

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.devices import CUDA, Choice, cuda_problems, openvino_problems, resolve
from archonnx.runtime.machine import Machine, probe
from archonnx.runtime.settings import Precision

# Devices that compute so, the fastest first.
COMPUTED_ON: dict[Precision, tuple[str, ...]] = {
    "float32": ("cuda", "openvino", "cpu"),
    "tf32": ("cuda",),
    "bfloat16": ("cuda", "openvino"),
    "float16": ("cuda", "openvino"),
    "int8": ("openvino", "cpu"),
}
_CAPABILITY: dict[Precision, str] = {"bfloat16": "BF16", "float16": "FP16", "int8": "INT8"}
_GENERATION: dict[Precision, tuple[int, int]] = {"tf32": (8, 0), "bfloat16": (8, 0), "float16": (5, 3)}
_LABEL = {
    "cuda": "CUDA",
    "openvino": "OpenVINO",
    "cpu": "the CPU provider of onnxruntime",
    "tensorrt": "TensorRT",
}


def choose(device: str, precision: Precision | None, machine: Machine | None = None) -> Choice:
    """Where to run in a precision: `resolve` for float32, else what computes so.

    Raises MachineError where the device that was asked for does not, or none here does: the text says why of each, and
    what would. UsageError for an unknown device.
    """
    if precision in (None, "float32"):
        return resolve(device, machine)
    assert precision is not None
    able = COMPUTED_ON[precision]
    if device != "auto":
        resolve(device, machine)  # an unknown device, or one that is not there, is told first
        reason = refusal(device, precision, machine)
        if reason is None:
            return replace(resolve(device, machine), precision=precision)
        others = [name for name in able if name != device]
        mend = f'; use device="{others[-1]}" or "auto", or leave out precision' if others else "; leave out precision"
        raise MachineError(f'precision "{precision}" on device "{device}": {reason}{mend}')
    reasons = []
    for name in able:
        reason = refusal(name, precision, machine)
        if reason is None:
            return replace(resolve(name, machine), precision=precision, why=f"it computes in {precision}")
        reasons.append(f"{name}: {reason}")
    raise MachineError(f'precision "{precision}" cannot be computed on this machine: {"; ".join(reasons)}')


def refusal(device: str, precision: Precision, machine: Machine | None = None) -> str | None:
    """Why a device does not compute in a precision here, or not at all; None where it does."""
    if device not in COMPUTED_ON[precision]:
        return _never(device, precision)
    if device == "cpu":
        return None
    found = machine or probe(cuda=False, openvino=device == "openvino")
    if device == "cuda":
        there = found.cuda or CUDA.name not in found.providers  # asking the driver takes a tenth of a second
        found = found if there else probe()
        return "; ".join(map(str, cuda_problems(found))) or _too_old(found, precision)
    found = found if found.openvino else probe(cuda=False, openvino=True)
    problems = openvino_problems(found)
    if problems:
        return "; ".join(map(str, problems))
    word, plug = _CAPABILITY.get(precision), found.openvino
    if word is None or plug is None or word in plug.computes:
        return None
    has = ", ".join(name for name in plug.computes if name in {"FP32", *_CAPABILITY.values()}) or "none of them"
    return f"OpenVINO does not compute in {precision} on this processor (it lists {has})"


def _too_old(machine: Machine, precision: Precision) -> str | None:
    """Why the first GPU, which runs models, does not compute in a precision: its generation."""
    gpu = next(iter(machine.cuda.driver.gpus), None) if machine.cuda else None
    least = _GENERATION.get(precision)
    if gpu is None or gpu.capability is None or least is None or gpu.capability >= least:
        return None
    has, needs = (".".join(map(str, version)) for version in (gpu.capability, least))
    return f"{gpu.name} has compute capability {has}, {precision} begins with {needs}"


def _never(device: str, precision: Precision) -> str:
    if precision == "tf32":
        return f"TF32 is a mode of NVIDIA's GPUs, {_LABEL[device]} has none"
    if device == "cpu":
        return f"{_LABEL[device]} computes in float32 and would only cast to {precision} and back"
    return f"{_LABEL[device]} is not asked for {precision} here"
