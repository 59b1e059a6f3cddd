"""Facts about this machine that decide where models run: processors and memory allowed, wheels installed, the CUDA
libraries.

Nothing here judges: `devices` does. Linux is read through /proc and /sys; elsewhere what Python itself knows is taken.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

from archonnx.runtime.cuda import tensorrt
from archonnx.runtime.cuda.tensorrt import TensorRt
from archonnx.runtime.openvino.plugin import OpenVino, look

ORT_WHEELS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-rocm",
    "onnxruntime-migraphx",
    "onnxruntime-qnn",
)
LIBRARIES = ("onnx", "numpy", *ORT_WHEELS, "onnxruntime-ep-openvino", "openvino", "tensorrt-cu13-libs", "tokenizers")
_UNLIMITED = 1 << 60  # cgroups write "no limit" as a number near 2^63


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as the driver shows it: its name and memory in bytes. capability: of computing, (9, 0), which tells the
    precisions that it has; None where the driver does not tell."""

    name: str
    memory: int
    capability: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver. cuda: the newest CUDA version it serves, (12, 4); error: why it is of no use, else None."""

    cuda: tuple[int, int] | None = None
    error: str | None = None
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class Cuda:
    """The CUDA side of a machine. needs: the CUDA version that onnxruntime was built for, (0, 0) for a wheel without
    CUDA; missing: shared libraries that the CUDA provider needs and the loader does not find; visible:
    CUDA_VISIBLE_DEVICES; tensorrt: None where onnxruntime has no provider for it, or there is no GPU to look for."""

    needs: tuple[int, int]
    driver: Driver
    missing: tuple[str, ...] = ()
    visible: str | None = None
    tensorrt: TensorRt | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found. cores: logical processors this process may use; physical: cores behind them, None where unknown;
    memory: bytes it may use, None where unknown; onnxruntime: the version imported, None where it cannot be
    (`ort_error` says why); cuda, openvino: None where they were not looked for."""

    python: str
    system: str
    cores: int
    physical: int | None
    memory: int | None
    versions: Mapping[str, str]
    onnxruntime: str | None
    ort_error: str | None
    providers: tuple[str, ...]
    cuda: Cuda | None
    openvino: OpenVino | None = None


def probe(cuda: bool = True, openvino: bool = False) -> Machine:
    """Look at this machine. cuda=False leaves the GPU alone: asking the driver takes a tenth of a second and some
    memory; openvino=True loads OpenVINO's plug-in or library, which stay loaded."""
    version, error, providers, needs = _onnxruntime()
    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cores=allowed_cores(),
        physical=physical_cores(),
        memory=memory_limit(),
        versions=Installed(),
        onnxruntime=version,
        ort_error=error,
        providers=providers,
        cuda=_cuda(needs, providers) if cuda else None,
        openvino=look() if openvino and version else None,
    )


def _onnxruntime() -> tuple[str | None, str | None, tuple[str, ...], tuple[int, int]]:
    try:
        import onnxruntime
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime"
        return None, "it is not installed" if missing else str(error).splitlines()[0], (), (0, 0)
    if not hasattr(
        onnxruntime, "get_available_providers"
    ):  # what is left in the folder when one of two wheels is removed
        return None, "its files are incomplete", (), (0, 0)
    needs = _version(str(getattr(onnxruntime, "cuda_version", "") or ""))
    return str(onnxruntime.__version__), None, tuple(onnxruntime.get_available_providers()), needs


def _version(text: str) -> tuple[int, int]:
    parts = [int(part) for part in text.split(".")[:2] if part.isdigit()]
    return (parts[0], parts[1] if len(parts) > 1 else 0) if parts else (0, 0)


class Installed(Mapping[str, str]):
    """The versions of those of LIBRARIES that are installed, read when they are first asked for: that takes longer
    than a small model's start."""

    @cached_property
    def _found(self) -> dict[str, str]:
        found = {}
        for name in LIBRARIES:
            try:
                found[name] = distributions.version(name)
            except distributions.PackageNotFoundError:
                continue
        return found

    def __getitem__(self, name: str) -> str:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def allowed_cores(root: Path = Path("/")) -> int:
    """Logical processors that this process may keep busy: its affinity, and the quota of its control groups."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(root)
    return affinity if quota is None else max(1, min(affinity, int(quota)))


def physical_cores(root: Path = Path("/")) -> int | None:
    """Cores behind the processors that this process may use, no more than its quota; None where the system does not
    say."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = _text(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        if siblings is None:
            return None
        cores.add(siblings)
    quota = cgroup_quota(root)
    return len(cores) if quota is None else max(1, min(len(cores), int(quota)))


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """Processors' worth of time that the control groups allow, the least of them up to the top; None where they do not
    limit."""
    found: list[float] = []
    for folder in _cgroups(root, "cpu"):
        text = _text(f"{folder}/cpu.max")  # version 2: "200000 100000" or "max 100000"
        if text is None:  # version 1
            quota, period = _text(f"{folder}/cpu.cfs_quota_us"), _text(f"{folder}/cpu.cfs_period_us")
            text = f"{quota} {period}" if quota and period else None
        words = (text or "").split()
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            found.append(int(words[0]) / int(words[1]))
    return min(found, default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes of memory that this process may use: the machine's, or less where its control groups say so."""
    meminfo = (_text(root / "proc/meminfo") or "").splitlines()
    found = [int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemTotal:")]
    for folder in _cgroups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(f"{folder}/{name}")
            if text and text.isdigit() and int(text) < _UNLIMITED:
                found.append(int(text))
    return min(found, default=None)


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take, before the system, one of its control groups or a limit of its own
    (`ulimit -v`) refuses; what the system can drop counts as free. None where the system does not say."""
    found = [_kibibytes(root / "proc/meminfo", "MemAvailable")]
    for folder in _cgroups(root, "memory"):
        for limit, used, dropped in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, now = _text(f"{folder}/{limit}"), _text(f"{folder}/{used}")
            if most and most.isdigit() and int(most) < _UNLIMITED and now and now.isdigit():
                lines = dict(line.split() for line in (_text(f"{folder}/memory.stat") or "").splitlines())
                found.append(max(0, int(most) - int(now) + int(lines.get(dropped, "0"))))
    if sys.platform != "win32":
        import resource

        address = resource.getrlimit(resource.RLIMIT_AS)[0]
        taken = _kibibytes(root / "proc/self/status", "VmSize")
        if address != resource.RLIM_INFINITY and taken is not None:
            found.append(max(0, address - taken))
    return min((number for number in found if number is not None), default=None)


def held_memory() -> int | None:
    """Bytes of memory that this process holds now, None where the system does not say."""
    text = _text(Path("/proc/self/statm"))
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") if text else None


def _kibibytes(path: Path, name: str) -> int | None:
    """What a line `name: 123 kB` says, in bytes."""
    lines = [line.split() for line in (_text(path) or "").splitlines() if line.startswith(f"{name}:")]
    return int(lines[0][1]) * 1024 if lines else None


def _cgroups(root: Path, controller: str) -> list[str]:
    """The folders of this process's control groups, from its own to the top, for a controller of version 1 or version
    2."""
    folders: list[str] = []
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            top = str(root / "sys/fs/cgroup")
        elif controller in controllers.split(","):
            top = str(root / "sys/fs/cgroup" / controller)
        else:
            continue
        names = [name for name in path.split("/") if name]
        folders += ["/".join([top, *names[:depth]]) for depth in range(len(names), -1, -1)]
    return folders


def _text(path: str | Path) -> str | None:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip()
    except OSError:  # not on this system, or not for this user
        return None


def _cuda(needs: tuple[int, int], providers: tuple[str, ...]) -> Cuda:
    driver = read_driver()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    missing = missing_libraries(needs) if "CUDAExecutionProvider" in providers and driver.gpus else ()
    found = tensorrt.look(needs) if tensorrt.NAME in providers and driver.gpus else None
    return Cuda(needs, driver, missing, visible, found)


_DRIVER_ERRORS = {
    34: "the library found is a stub, not the driver",
    100: "the driver sees no GPU",
    803: "the driver's library and its kernel module are of different versions",
    804: "the driver is too old for this CUDA compatibility package",
}


def read_driver() -> Driver:
    """What NVIDIA's driver says, through its own library (https://docs.nvidia.com/cuda/cuda-driver-api/)."""
    import ctypes

    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return Driver(error=f"{name} is missing")
    code = int(library.cuInit(0))
    number, count = ctypes.c_int(0), ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(number))
    cuda = (number.value // 1000, number.value % 1000 // 10)
    if code:
        return Driver(cuda, _DRIVER_ERRORS.get(code, f"the driver does not start (cuInit: {code})"))
    library.cuDeviceGetCount(ctypes.byref(count))
    gpus = []
    for index in range(count.value):
        text, size = ctypes.create_string_buffer(256), ctypes.c_size_t(0)
        library.cuDeviceGetName(text, 256, index)
        library.cuDeviceTotalMem_v2(ctypes.byref(size), index)
        gpus.append(Gpu(text.value.decode(errors="replace"), size.value, _capability(library, index)))
    return Driver(cuda, None if gpus else _DRIVER_ERRORS[100], tuple(gpus))


def _capability(library: Any, index: int) -> tuple[int, int] | None:
    """A GPU's compute capability, by the driver's attributes 75 and 76."""
    import ctypes

    found = []
    for attribute in (75, 76):
        value = ctypes.c_int(0)
        if library.cuDeviceGetAttribute(ctypes.byref(value), attribute, index):
            return None
        found.append(value.value)
    return found[0], found[1]


def cuda_libraries(needs: tuple[int, int]) -> tuple[str, ...]:
    """The shared libraries that onnxruntime's CUDA provider links to, for the CUDA version that it was built for."""
    major = needs[0]
    fft = 10 if major == 11 else 11 if major == 12 else 12
    names = (f"libcudart.so.{major}", f"libcublasLt.so.{major}", f"libcublas.so.{major}", "libcurand.so.10")
    return (*names, f"libcufft.so.{fft}", "libcudnn.so.9")


def missing_libraries(needs: tuple[int, int]) -> tuple[str, ...]:
    """Which of them the loader does not find, once onnxruntime has loaded those that pip installed."""
    import contextlib
    import ctypes
    import io

    import onnxruntime

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find: we say that ourselves
        onnxruntime.preload_dlls()
    if sys.platform != "linux":  # the provider's own loading says what is missing there
        return ()
    missing = []
    for name in cuda_libraries(needs):
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return tuple(missing)
