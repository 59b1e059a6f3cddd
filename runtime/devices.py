"""Execution providers: what is there, why one is not, and which one runs a model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from archonnx.contract.diagnostics import MachineError, UsageError, did_you_mean
from archonnx.runtime.cuda import tensorrt
from archonnx.runtime.machine import ORT_WHEELS, Machine, allowed_cores, physical_cores, probe
from archonnx.runtime.openvino import library, plugin
from archonnx.runtime.openvino.library import spread
from archonnx.runtime.settings import Precision

Device = Literal["auto", "cpu", "cuda", "tensorrt", "openvino"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda", "tensorrt", "openvino")
_OTHERS = {"gpu": "cuda", "nvidia": "cuda", "cuda:0": "cuda", "trt": "tensorrt", "ov": "openvino", "intel": "openvino"}


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider of onnxruntime: its name there, what people call it, and the options that make it compute
    in float32. properties: OpenVINO's own, which travel in one of its options; plugin: whether it is a library that
    onnxruntime loads when told to; alone: whether it is no provider, but a library that runs models itself; lowered:
    by precision, the options or properties that differ there."""

    name: str
    label: str
    options: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    plugin: bool = False
    alone: bool = False
    lowered: dict[Precision, dict[str, str]] = field(default_factory=dict)

    def settings(self, threads: int | None, precision: Precision = "float32") -> dict[str, str]:
        """The options as onnxruntime takes them, or the library. threads: for one operator on the CPU, None where it
        decides."""
        changed = self.lowered.get(precision, {})
        if not self.properties:
            return {**self.options, **changed}
        counted = spread(threads, min(allowed_cores(), physical_cores() or 2))
        properties = {**self.properties, **changed, **counted}
        return properties if self.alone else {**self.options, "load_config": json.dumps({"CPU": properties})}


CPU = Provider("CPUExecutionProvider", "the CPU")
# TF32 rounds the factors of float32 products to 10 bits: it must be asked for. An exhaustive search for convolutions
# costs hundreds of milliseconds for each new shape; the heuristic one costs nothing and is nearly as good.
CUDA = Provider(
    "CUDAExecutionProvider",
    "CUDA",
    {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    lowered={"tf32": {"use_tf32": "1"}, "float16": {"prefer_nhwc": "1"}},  # tensor cores read half precision so
)
# Its own rounding is off; TF32 has no option here, see `tensorrt_problems`. Engines are not kept between starts: it
# knows them by the graph alone, and would take one with other weights for the same.
TENSORRT = Provider(
    tensorrt.NAME,
    "TensorRT",
    {"trt_fp16_enable": "0", "trt_bf16_enable": "0", "trt_int8_enable": "0", "trt_engine_cache_enable": "0"},
)
# Left alone, OpenVINO computes in bfloat16 where the processor can, and rounds what meets weights of few bits to int8.
# It binds its threads to processors, the first ones in every session and process: they would wait for each other.
_OPENVINO = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    "ENABLE_CPU_PINNING": "NO",
}
_HINTS: dict[Precision, dict[str, str]] = {
    "bfloat16": {"INFERENCE_PRECISION_HINT": "bf16"},
    "float16": {"INFERENCE_PRECISION_HINT": "f16"},
}
OPENVINO = Provider(plugin.NAME, "OpenVINO", properties=_OPENVINO, plugin=True, lowered=_HINTS)
OPENVINO_ALONE = Provider(library.NAME, "OpenVINO", properties=_OPENVINO, alone=True, lowered=_HINTS)
PROVIDERS: dict[str, Provider] = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT, "openvino": OPENVINO}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a device from being used, and the one command or step that mends it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what} (mend: {self.mend})"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a model will run. device: "cpu", "cuda", "tensorrt" or "openvino"; providers: onnxruntime's, best first, or
    a library that runs it alone; why: one line on the choice; precision: of its products; rest: of what stays in
    floats beside products in int8."""

    device: str
    providers: tuple[Provider, ...]
    why: str = ""
    precision: Precision = "float32"
    rest: Precision = "float32"

    @property
    def floats(self) -> Precision:
        """What floats are computed in: what a device is told, where int8 is what the graph says."""
        return self.rest if self.precision == "int8" else self.precision

    @property
    def computes(self) -> str:
        """In words: `int8 and bfloat16`."""
        return self.precision if self.floats in ("float32", self.precision) else f"{self.precision} and {self.floats}"


_NO_ORT = 'pip install "archonnx[cpu]"'
_PLUGIN = f'pip install "{plugin.PACKAGE}>=1.8,<2"'  # beside whichever wheel of onnxruntime is there
_LIBRARY = f'pip install "{library.PACKAGE}>=2026.4,<2027"'
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


def tensorrt_problems(machine: Machine) -> list[Problem]:
    """What keeps models from running on TensorRT here: what CUDA needs, its libraries, and TF32, which it computes in
    where the environment does not forbid it."""
    found = cuda_problems(machine)
    if machine.onnxruntime is not None and TENSORRT.name not in machine.providers and not found:
        what = f"onnxruntime {machine.onnxruntime} has no TensorRT provider"
        found.append(Problem(what, 'use device="cuda"'))
    there = machine.cuda.tensorrt if machine.cuda else None
    if machine.cuda is None or there is None:
        return found
    if there.missing:
        install = f'pip install "{tensorrt.package(machine.cuda.needs)}>={tensorrt.MAJOR},<{tensorrt.MAJOR + 1}"'
        found.append(Problem(f"TensorRT cannot be found: {', '.join(there.missing)}", install))
    if there.tf32 != "0":
        what = f"TensorRT computes float32 in TF32 unless the environment variable {tensorrt.VARIABLE} is 0"
        found.append(Problem(what, f"export {tensorrt.VARIABLE}=0, before Python starts"))
    return found


def openvino_problems(machine: Machine) -> list[Problem]:
    """What keeps models from running on OpenVINO here: onnxruntime, the plug-in, the library, the processor."""
    found = runtime_problems(machine)
    plug = machine.openvino
    if plug is None or "CPU" in plug.devices:
        return found
    own = plug.library
    if plug.error is not None:
        what = f"OpenVINO's plug-in {plug.version} cannot be loaded: {plug.error}"
        return [*found, Problem(what, f"pip install --force-reinstall {plugin.PACKAGE}=={plug.version}")]
    if own is None:
        what = f"OpenVINO's plug-in {plug.version} takes processors of Intel alone, and offers no processor here"
        return [*found, Problem(what, 'use device="cpu"')]
    if own.error is not None:
        what = f"OpenVINO's library {own.version} cannot be used: {own.error}"
        return [*found, Problem(what, f"pip install --force-reinstall {library.PACKAGE}=={own.version}")]
    if own.version is None:
        maker = "" if plug.vendor in (None, "Intel") else f", whose plug-in takes no processor of {plug.vendor}"
        mend = _PLUGIN if plug.vendor == "Intel" and _has_plugin(machine) else _LIBRARY
        return [*found, Problem(f"OpenVINO is not installed{maker}", mend)]
    return found


def _has_plugin(machine: Machine) -> bool:
    """Whether the plug-in exists for this system."""
    return machine.system.startswith(("Linux", "Windows")) and machine.system.endswith(("x86_64", "AMD64"))


def _openvino(machine: Machine) -> Choice:
    """OpenVINO, on a machine where it works."""
    plug = machine.openvino
    if plug is None or "CPU" in plug.devices:
        return Choice("openvino", (OPENVINO, CPU), "asked for")
    maker = "" if plug.vendor in (None, "Intel") else f": its plug-in takes no processor of {plug.vendor}"
    return Choice("openvino", (OPENVINO_ALONE,), f"asked for, by OpenVINO's own library{maker}")


def resolve(device: str, machine: Machine | None = None) -> Choice:
    """Where to run. device: "cpu", "cuda", "tensorrt" and "openvino" insist, "auto" takes CUDA where it works, else the
    CPU.

    Raises UsageError for an unknown device, MachineError where the device, or onnxruntime itself, cannot be used.
    """
    if device not in DEVICES:
        near = _OTHERS.get(str(device).lower()) or next(iter(did_you_mean(str(device), DEVICES, 1)), None)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"device {device!r} is not known; it is one of {', '.join(map(repr, DEVICES))}{hint}")
    found = machine or probe(cuda=False)
    if found.onnxruntime is None:
        raise MachineError("; ".join(str(problem) for problem in runtime_problems(found)))
    if device == "cpu":
        return Choice("cpu", (CPU,), "asked for")
    if device == "openvino":
        found = found if found.openvino else probe(cuda=False, openvino=True)
        problems = openvino_problems(found)
        if problems:
            raise MachineError(_refusal(device, problems))
        return _openvino(found)
    if device == "auto" and CUDA.name not in found.providers:
        return Choice("cpu", (CPU,), "this onnxruntime has no CUDA provider")
    found = found if found.cuda else probe()
    if device == "tensorrt":
        problems = tensorrt_problems(found)
        if problems:
            raise MachineError(_refusal(device, problems))
        return Choice("tensorrt", (TENSORRT, CUDA, CPU), "asked for")
    problems = cuda_problems(found)
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
        plug = machine.openvino
        lines += [f"OpenVINO     {name}, by the plug-in" for name in (plug.devices.values() if plug else ())]
        if plug and plug.library and plug.library.processor:
            able = ", ".join(sorted(plug.library.capabilities))
            lines.append(f"OpenVINO     {plug.library.processor}, by its own library ({able})")
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
        machine = {**asdict(self.machine), "versions": dict(self.machine.versions)}
        return {"machine": machine, "devices": devices, "auto": self.auto}


def diagnose(machine: Machine | None = None) -> Diagnosis:
    """What this machine can run models on, and why not on more. machine: what was found already, instead of looking."""
    found = machine or probe(openvino=True)
    problems = {"cpu": runtime_problems(found), "cuda": cuda_problems(found)}
    problems |= {"tensorrt": tensorrt_problems(found), "openvino": openvino_problems(found)}
    return Diagnosis(found, problems)
