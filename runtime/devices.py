"""Execution providers: what is there, why one is not, and which one runs a model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from archonnx.contract.diagnostics import MachineError, UsageError, did_you_mean
from archonnx.runtime import openvino
from archonnx.runtime.machine import ORT_WHEELS, Machine, probe
from archonnx.runtime.settings import Precision

Device = Literal["auto", "cpu", "cuda", "openvino"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda", "openvino")


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider of onnxruntime: its name there, what people call it, and the options that make it compute
    in float32. properties: OpenVINO's own, which travel in one of its options; plugin: whether it is a library that
    onnxruntime loads when told to; lowered: by precision, the options or properties that differ there."""

    name: str
    label: str
    options: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    plugin: bool = False
    lowered: dict[Precision, dict[str, str]] = field(default_factory=dict)

    def settings(self, threads: int | None, precision: Precision = "float32") -> dict[str, str]:
        """The options as onnxruntime takes them. threads: for one operator on the CPU, None where it decides."""
        changed = self.lowered.get(precision, {})
        if not self.properties:
            return {**self.options, **changed}
        counted = {"INFERENCE_NUM_THREADS": str(threads)} if threads else {}
        return {**self.options, "load_config": json.dumps({"CPU": {**self.properties, **changed, **counted}})}


CPU = Provider("CPUExecutionProvider", "the CPU")
# TF32 rounds the factors of float32 products to 10 bits: it must be asked for. An exhaustive search for convolutions
# costs hundreds of milliseconds for each new shape; the heuristic one costs nothing and is nearly as good.
CUDA = Provider(
    "CUDAExecutionProvider",
    "CUDA",
    {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    lowered={"tf32": {"use_tf32": "1"}},
)
# Left alone, OpenVINO computes in bfloat16 where the processor can, and rounds what meets weights of few bits to int8.
OPENVINO = Provider(
    openvino.NAME,
    "OpenVINO",
    properties={"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"},
    plugin=True,
    lowered={
        "bfloat16": {"INFERENCE_PRECISION_HINT": "bf16"},
        "float16": {"INFERENCE_PRECISION_HINT": "f16"},
    },
)
PROVIDERS: dict[str, Provider] = {"cpu": CPU, "cuda": CUDA, "openvino": OPENVINO}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a device from being used, and the one command or step that mends it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what} (mend: {self.mend})"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a model will run. device: "cpu", "cuda" or "openvino"; providers: onnxruntime's, best first; why: one line
    on the choice; precision: of its products."""

    device: str
    providers: tuple[Provider, ...]
    why: str = ""
    precision: Precision = "float32"


_NO_ORT = 'pip install "archonnx[cpu]"'
_PLUGIN = f'pip install "{openvino.PACKAGE}>=1.8,<2"'  # beside whichever wheel of onnxruntime is there
_GPU_WHEEL = 'pip uninstall -y onnxruntime && pip install "archonnx[gpu]"'


def runtime_problems(machine: Machine) -> list[Problem]:
    """What keeps any model from running here, or may."""
    found: list[Problem] = []
    wheels = [name for name in ORT_WHEELS if name in machine.versions]
    if len(wheels) > 1:  # they own the same folder: the one installed last has overwritten the other
        keep = "gpu" if "onnxruntime-gpu" in wheels else "cpu"
        mend = f'pip uninstall -y {" ".join(wheels)} && pip install "archonnx[{keep}]"'
        found.append(Problem(f"{' and '.join(wheels)} are installed together and overwrite each other's files", mend))
    elif machine.onnxruntime is None:
        reason = machine.ort_error or "it is not installed"
        mend = f"pip install --force-reinstall {wheels[0]}" if wheels else _NO_ORT
        found.append(Problem(f"onnxruntime cannot be imported: {reason}", mend))
    return found


def cuda_problems(machine: Machine) -> list[Problem]:
    """What keeps models from running on an NVIDIA GPU here, all of it: the wheel, the driver, the GPU, the
    libraries."""
    found = runtime_problems(machine)
    if machine.onnxruntime is not None and CUDA.name not in machine.providers and not found:
        wheel = next((name for name in ORT_WHEELS if name in machine.versions), "onnxruntime")
        mend = _GPU_WHEEL.replace("-y onnxruntime ", f"-y {wheel} ")
        found.append(Problem(f"the wheel installed, {wheel} {machine.onnxruntime}, has no CUDA provider", mend))
    cuda = machine.cuda
    if cuda is None:
        return found
    if machine.system.startswith("Darwin"):
        return [Problem("CUDA does not exist on macOS", 'use device="cpu"')]
    driver = cuda.driver
    if driver.error and driver.error.endswith("is missing"):
        what = f"there is no NVIDIA driver: {driver.error}"
        mend = "install the driver of your GPU, https://www.nvidia.com/drivers; a container is started with --gpus all"
        found.append(Problem(what, mend))
    elif not driver.gpus and cuda.visible is not None:
        what = f"no GPU is visible: CUDA_VISIBLE_DEVICES is {cuda.visible!r}"
        found.append(Problem(what, "unset CUDA_VISIBLE_DEVICES"))
    elif driver.error:
        found.append(
            Problem(
                f"the NVIDIA driver is of no use: {driver.error}", "reinstall the driver, or start the machine again"
            )
        )
    elif driver.cuda and driver.cuda[0] < cuda.needs[0]:
        have, needs = ".".join(map(str, driver.cuda)), ".".join(map(str, cuda.needs))
        what = f"the NVIDIA driver serves CUDA up to {have}, onnxruntime was built for {needs}"
        found.append(Problem(what, "update the driver, https://www.nvidia.com/drivers"))
    if cuda.missing:
        names = ", ".join(cuda.missing)
        library = "cuDNN" if all("cudnn" in name for name in cuda.missing) else "the CUDA libraries"
        found.append(Problem(f"{library} cannot be found: {names}", 'pip install "archonnx[gpu]"'))
    return found


def openvino_problems(machine: Machine) -> list[Problem]:
    """What keeps models from running on OpenVINO here: onnxruntime, the plug-in, the processor."""
    found = runtime_problems(machine)
    plug = machine.openvino
    if plug is None or "CPU" in plug.devices:
        return found
    if plug.version is None:
        if not machine.system.startswith(("Linux", "Windows")) or not machine.system.endswith(("x86_64", "AMD64")):
            what = f"OpenVINO's plug-in exists for Linux and Windows on x86-64 alone, this is {machine.system}"
            return [*found, Problem(what, 'use device="cpu"')]
        return [*found, Problem("OpenVINO's plug-in is not installed", _PLUGIN)]
    if plug.error is not None:
        what = f"OpenVINO's plug-in {plug.version} cannot be loaded: {plug.error}"
        return [*found, Problem(what, f"pip install --force-reinstall {openvino.PACKAGE}=={plug.version}")]
    what = f"OpenVINO's plug-in {plug.version} takes processors of Intel alone"
    if plug.vendor and plug.vendor != "Intel":
        what = f"{what}, this one is of {plug.vendor}"
    else:
        what = f"{what}, and offers no processor here"
    return [*found, Problem(what, 'use device="cpu"')]


def resolve(device: str, machine: Machine | None = None) -> Choice:
    """Where to run. device: "cpu", "cuda" and "openvino" insist, "auto" takes CUDA where it works, else the CPU.

    Raises UsageError for an unknown device, MachineError where the device, or onnxruntime itself, cannot be used.
    """
    if device not in DEVICES:
        near = did_you_mean(str(device), DEVICES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"device {device!r} is not known; it is one of {', '.join(map(repr, DEVICES))}{hint}")
    found = machine or probe(cuda=False)
    if found.onnxruntime is None:
        raise MachineError("; ".join(str(problem) for problem in runtime_problems(found)))
    if device == "cpu":
        return Choice("cpu", (CPU,), "asked for")
    if device == "openvino":
        problems = openvino_problems(found if found.openvino else probe(cuda=False, openvino=True))
        if problems:
            raise MachineError(_refusal(device, problems))
        return Choice("openvino", (OPENVINO, CPU), "asked for")
    if device == "auto" and CUDA.name not in found.providers:
        return Choice("cpu", (CPU,), "this onnxruntime has no CUDA provider")
    problems = cuda_problems(found if found.cuda else probe())
    if not problems:
        return Choice("cuda", (CUDA, CPU), "asked for" if device == "cuda" else "CUDA works here")
    if device == "cuda":
        raise MachineError(_refusal(device, problems))
    return Choice("cpu", (CPU,), f"CUDA cannot be used: {'; '.join(map(str, problems))}")


def _refusal(device: str, problems: list[Problem]) -> str:
    return f'device "{device}" cannot be used on this machine: {"; ".join(map(str, problems))}'


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `archonnx doctor` prints: the machine, and for each device the problems that keep it from being used."""

    machine: Machine
    devices: dict[str, list[Problem]]

    @property
    def works(self) -> dict[str, bool]:
        """Device -> whether models run on it. The CPU does whatever onnxruntime is there, even a doubtful one."""
        found = {name: not problems for name, problems in self.devices.items()}
        return {**found, "cpu": self.machine.onnxruntime is not None}

    @property
    def auto(self) -> str | None:
        """The device that "auto" takes; None where nothing runs."""
        return next((name for name in ("cuda", "cpu") if self.works[name]), None)

    def text(self) -> str:
        """The diagnosis to read, with the mend of every problem."""
        machine = self.machine
        physical = f", {machine.physical} physical" if machine.physical else ""
        memory = f"{machine.memory / 2**30:.1f} GiB" if machine.memory else "unknown"
        lines = [
            f"Python       {machine.python}, {machine.system}",
            f"Processors   {machine.cores} allowed{physical}",
            f"Memory       {memory}",
            f"Libraries    {', '.join(f'{n} {v}' for n, v in machine.versions.items()) or 'none'}",
            f"Providers    {', '.join(machine.providers) or 'none'}",
        ]
        if machine.cuda:
            driver = machine.cuda.driver
            served = f"serves CUDA up to {'.'.join(map(str, driver.cuda))}" if driver.cuda else ""
            lines.append(f"NVIDIA       {driver.error or f'driver {served}'}")
            lines += [f"GPU          {gpu.name}, {gpu.memory / 2**30:.0f} GiB" for gpu in driver.gpus]
        for name in machine.openvino.devices.values() if machine.openvino else ():
            lines.append(f"OpenVINO     {name}")
        for name, problems in self.devices.items():
            state = "cannot be used" if not self.works[name] else "works, but" if problems else "works"
            lines += ["", f"device {name}: {state}"]
            for problem in problems:
                lines += [f"  - {problem.what}", f"    mend: {problem.mend}"]
        lines += ["", f'device "auto" takes {self.auto}' if self.auto else "no device can be used"]
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        """The same as data that json.dumps takes."""
        from dataclasses import asdict

        devices = {
            name: {"works": self.works[name], "problems": [asdict(problem) for problem in found]}
            for name, found in self.devices.items()
        }
        return {"machine": asdict(self.machine), "devices": devices, "auto": self.auto}


def diagnose(machine: Machine | None = None) -> Diagnosis:
    """What this machine can run models on, and why not on more. machine: what was found already, instead of looking."""
    found = machine or probe(openvino=True)
    problems = {"cpu": runtime_problems(found), "cuda": cuda_problems(found), "openvino": openvino_problems(found)}
    return Diagnosis(found, problems)
