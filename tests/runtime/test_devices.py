"""Where models run, and why not: every problem of a machine, on machines described here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.cuda.tensorrt import TensorRt
from archonnx.runtime.devices import (
    CPU,
    CUDA,
    OPENVINO,
    OPENVINO_ALONE,
    TENSORRT,
    cuda_problems,
    diagnose,
    openvino_problems,
    resolve,
    tensorrt_problems,
)
from archonnx.runtime.machine import Cuda, Driver, Gpu, Machine
from archonnx.runtime.openvino.library import Library, spread
from archonnx.runtime.openvino.plugin import OpenVino

H100 = Gpu("NVIDIA H100", 80 * 2**30)
GOOD = Machine(
    python="3.12.1",
    system="Linux 6.1 x86_64",
    cores=16,
    physical=8,
    memory=64 * 2**30,
    versions={"onnx": "1.23.0", "numpy": "2.4.0", "onnxruntime-gpu": "1.32.0"},
    onnxruntime="1.32.0",
    ort_error=None,
    providers=("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
    cuda=Cuda((13, 0), Driver((13, 0), None, (H100,)), (), None, TensorRt("10.13.3", (), "0")),
    openvino=OpenVino("1.8.1", None, {"CPU": "Intel(R) Xeon(R) Platinum 8481C"}, "Intel"),
)
CPU_WHEEL = replace(
    GOOD,
    versions={"onnxruntime": "1.32.0"},
    providers=("CPUExecutionProvider",),
    cuda=Cuda((0, 0), Driver((13, 0), None, (H100,))),
)
NO_ORT = replace(GOOD, versions={}, onnxruntime=None, ort_error="it is not installed", providers=())
BOTH = replace(GOOD, versions={"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.32.0"})


def with_cuda(**changes: Any) -> Machine:
    assert GOOD.cuda
    return replace(GOOD, cuda=replace(GOOD.cuda, **changes))


PROBLEMS = [
    (NO_ORT, "onnxruntime cannot be imported: it is not installed", 'pip install "archonnx[cpu]"'),
    (
        replace(GOOD, onnxruntime=None, ort_error="libfoo.so.1 is missing", providers=()),
        "onnxruntime cannot be imported: libfoo.so.1 is missing",
        "pip install --force-reinstall onnxruntime-gpu",
    ),
    (
        BOTH,
        "onnxruntime and onnxruntime-gpu are installed together and overwrite each other's files",
        'pip uninstall -y onnxruntime onnxruntime-gpu && pip install "archonnx[gpu]"',
    ),
    (
        CPU_WHEEL,
        "the wheel installed, onnxruntime 1.32.0, has no CUDA provider",
        'pip uninstall -y onnxruntime && pip install "archonnx[gpu]"',
    ),
    (
        with_cuda(driver=Driver(error="libcuda.so.1 is missing")),
        "there is no NVIDIA driver: libcuda.so.1 is missing",
        "install the driver",
    ),
    (
        with_cuda(driver=Driver((13, 0), "the driver sees no GPU"), visible="7"),
        "no GPU is visible: CUDA_VISIBLE_DEVICES is '7'",
        "unset CUDA_VISIBLE_DEVICES",
    ),
    (
        with_cuda(driver=Driver((13, 0), "the driver sees no GPU")),
        "the NVIDIA driver is of no use: the driver sees no GPU",
        "reinstall the driver",
    ),
    (
        with_cuda(driver=Driver((12, 4), None, (H100,))),
        "the NVIDIA driver serves CUDA up to 12.4, onnxruntime was built for 13.0",
        "update the driver",
    ),
    (with_cuda(missing=("libcudnn.so.9",)), "cuDNN cannot be found: libcudnn.so.9", 'pip install "archonnx[gpu]"'),
    (
        with_cuda(missing=("libcudart.so.13", "libcudnn.so.9")),
        "the CUDA libraries cannot be found: libcudart.so.13, libcudnn.so.9",
        'pip install "archonnx[gpu]"',
    ),
    (replace(GOOD, system="Darwin 24 arm64"), "CUDA does not exist on macOS", 'use device="cpu"'),
]


@pytest.mark.parametrize(("machine", "what", "mend"), PROBLEMS)
def test_cuda_is_refused_with_what_is_missing_and_the_mend(machine: Machine, what: str, mend: str) -> None:
    problems = cuda_problems(machine)
    assert what in [problem.what for problem in problems]
    assert mend in next(problem.mend for problem in problems if problem.what == what)
    with pytest.raises(MachineError) as caught:
        resolve("cuda", machine)
    assert what in str(caught.value)
    assert mend in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


OPENVINO_PROBLEMS = [
    (NO_ORT, "onnxruntime cannot be imported: it is not installed", 'pip install "archonnx[cpu]"'),
    (
        replace(GOOD, openvino=OpenVino(vendor="Intel", library=Library())),
        "OpenVINO is not installed",
        'pip install "onnxruntime-ep-openvino>=1.8,<2"',
    ),
    (
        replace(GOOD, openvino=OpenVino(vendor="Apple", library=Library()), system="Darwin 24 arm64"),
        "OpenVINO is not installed, whose plug-in takes no processor of Apple",
        'pip install "openvino>=2026.4,<2027"',
    ),
    (
        replace(GOOD, openvino=OpenVino("1.8.1", vendor="AMD", library=Library())),
        "OpenVINO is not installed, whose plug-in takes no processor of AMD",
        'pip install "openvino>=2026.4,<2027"',
    ),
    (
        replace(GOOD, openvino=OpenVino("1.8.1", vendor="AMD", library=Library("2026.4.1", "libtbb.so.12 is missing"))),
        "OpenVINO's library 2026.4.1 cannot be used: libtbb.so.12 is missing",
        "pip install --force-reinstall openvino==2026.4.1",
    ),
    (
        replace(GOOD, openvino=OpenVino("1.8.1", "libopenvino.so.2641: cannot open shared object file")),
        "OpenVINO's plug-in 1.8.1 cannot be loaded: libopenvino.so.2641: cannot open shared object file",
        "pip install --force-reinstall onnxruntime-ep-openvino==1.8.1",
    ),
    (
        replace(GOOD, openvino=OpenVino("1.8.1", None, {"GPU": "Intel Arc"}, "Intel")),
        "OpenVINO's plug-in 1.8.1 takes processors of Intel alone, and offers no processor here",
        'use device="cpu"',
    ),
]


@pytest.mark.parametrize(("machine", "what", "mend"), OPENVINO_PROBLEMS)
def test_openvino_is_refused_with_what_is_missing_and_the_mend(machine: Machine, what: str, mend: str) -> None:
    assert (what, mend) in [(problem.what, problem.mend) for problem in openvino_problems(machine)]
    with pytest.raises(MachineError) as caught:
        resolve("openvino", machine)
    assert f"{what} (mend: {mend})" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f"  - {what}\n    mend: {mend}" in diagnose(machine).text().split("device openvino: cannot be used")[1]
    assert not diagnose(machine).json()["devices"]["openvino"]["works"]


TENSORRT_PROBLEMS = [
    (
        with_cuda(tensorrt=TensorRt(None, ("libnvinfer.so.10", "libnvonnxparser.so.10"), "0")),
        "TensorRT cannot be found: libnvinfer.so.10, libnvonnxparser.so.10",
        'pip install "tensorrt-cu13>=10,<11"',
    ),
    (
        with_cuda(tensorrt=TensorRt("10.13.3", (), None)),
        "TensorRT computes float32 in TF32 unless the environment variable NVIDIA_TF32_OVERRIDE is 0",
        "export NVIDIA_TF32_OVERRIDE=0, before Python starts",
    ),
    (
        replace(with_cuda(tensorrt=None), providers=("CUDAExecutionProvider", "CPUExecutionProvider")),
        "onnxruntime 1.32.0 has no TensorRT provider",
        'use device="cuda"',
    ),
    (with_cuda(missing=("libcudnn.so.9",)), "cuDNN cannot be found: libcudnn.so.9", 'pip install "archonnx[gpu]"'),
    (NO_ORT, "onnxruntime cannot be imported: it is not installed", 'pip install "archonnx[cpu]"'),
]


@pytest.mark.parametrize(("machine", "what", "mend"), TENSORRT_PROBLEMS)
def test_tensorrt_is_refused_with_what_is_missing_and_the_mend(machine: Machine, what: str, mend: str) -> None:
    assert (what, mend) in [(problem.what, problem.mend) for problem in tensorrt_problems(machine)]
    with pytest.raises(MachineError) as caught:
        resolve("tensorrt", machine)
    assert f"{what} (mend: {mend})" in str(caught.value)
    assert f"  - {what}\n    mend: {mend}" in diagnose(machine).text().split("device tensorrt: cannot be used")[1]


def test_float32_stays_float32_on_tensorrt() -> None:
    assert resolve("tensorrt", GOOD).providers == (TENSORRT, CUDA, CPU)
    assert {name: TENSORRT.settings(1)[name] for name in ("trt_fp16_enable", "trt_bf16_enable", "trt_int8_enable")} == {
        "trt_fp16_enable": "0",
        "trt_bf16_enable": "0",
        "trt_int8_enable": "0",
    }


def test_several_problems_are_told_together() -> None:
    machine = replace(CPU_WHEEL, cuda=Cuda((0, 0), Driver(error="libcuda.so.1 is missing")))
    with pytest.raises(MachineError, match=r"has no CUDA provider .*; there is no NVIDIA driver"):
        resolve("cuda", machine)


def test_devices_are_chosen() -> None:
    assert resolve("cpu", GOOD).providers == (CPU,)
    assert resolve("cuda", GOOD).providers == (CUDA, CPU)
    assert resolve("openvino", GOOD).providers == (OPENVINO, CPU)
    assert resolve("auto", GOOD).device == "cuda"
    assert resolve("auto", CPU_WHEEL).device == "cpu"
    fallback = resolve("auto", with_cuda(missing=("libcudnn.so.9",)))
    assert fallback.device == "cpu"
    assert "cuDNN cannot be found" in fallback.why


def test_float32_stays_float32_on_cuda() -> None:
    assert CUDA.settings(4) == CUDA.options
    assert CUDA.options["use_tf32"] == "0"


def test_float32_stays_float32_on_openvino() -> None:
    exact = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "ENABLE_CPU_PINNING": "NO"}
    for threads in (None, 1, 3):
        found = OPENVINO_ALONE.settings(threads)
        assert json.loads(OPENVINO.settings(threads)["load_config"]) == {"CPU": found}
        assert exact.items() <= found.items()
        assert not {"NUM_STREAMS", "INFERENCE_NUM_THREADS"} & exact.keys()


def test_openvino_has_no_single_thread_of_its_own() -> None:
    """With one, OpenVINO 2026.4 drops the errors of runs."""
    assert spread(None, 8) == {}
    assert spread(3, 8) == {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "3"}
    assert spread(1, 8) == spread(3, 1) == spread(None, 1) == {"NUM_STREAMS": "0"}


def test_openvinos_library_runs_what_its_plug_in_does_not_take() -> None:
    amd = OpenVino("1.8.1", vendor="AMD", library=Library("2026.4.1", None, "AMD EPYC", ("FP32", "BF16")))
    machine = replace(GOOD, openvino=amd)
    choice = resolve("openvino", machine)
    assert choice.providers == (OPENVINO_ALONE,)
    assert choice.why == "asked for, by OpenVINO's own library: its plug-in takes no processor of AMD"
    assert not openvino_problems(machine)
    assert "OpenVINO     AMD EPYC, by its own library (BF16, FP32)\n" in diagnose(machine).text()


@pytest.mark.parametrize("device", ["cpu", "auto", "cuda", "tensorrt", "openvino"])
def test_without_onnxruntime_nothing_runs(device: str) -> None:
    with pytest.raises(MachineError, match=r'pip install "archonnx\[cpu\]"'):
        resolve(device, NO_ORT)


def test_unknown_devices_are_a_wrong_command() -> None:
    with pytest.raises(
        UsageError, match=r"device 'gpu' is not known; it is one of 'auto', 'cpu', 'cuda', 'tensorrt', 'o"
    ):
        resolve("gpu", GOOD)
    for other in ("CUDA", "gpu", "GPU", "cuda:0"):
        with pytest.raises(UsageError, match="did you mean 'cuda'"):
            resolve(other, GOOD)


def test_this_machine_never_runs_cuda_elsewhere(make: Any) -> None:
    from archonnx.runtime.loading import load

    data = make({"x": ("float32", ["N"])}).SerializeToString()
    if diagnose().devices["cuda"]:
        with pytest.raises(MachineError, match='device "cuda" cannot be used on this machine'):
            load(data, "cuda")
    else:
        assert load(data, "cuda").placement().nodes.keys() == {"CUDAExecutionProvider"}
    assert load(data).device == diagnose().auto


@pytest.mark.parametrize(("machine", "what", "mend"), PROBLEMS)
def test_the_diagnosis_tells_each_problem_and_its_mend(machine: Machine, what: str, mend: str) -> None:
    diagnosis = diagnose(machine)
    assert f"  - {what}\n    mend: " in diagnosis.text()
    assert mend in diagnosis.text()
    document = json.loads(json.dumps(diagnosis.json()))
    assert not document["devices"]["cuda"]["works"]
    assert what in [problem["what"] for problem in document["devices"]["cuda"]["problems"]]


def test_a_good_machine_is_told_to_be_one() -> None:
    assert diagnose(GOOD).text() == (
        "Python       3.12.1, Linux 6.1 x86_64\n"
        "Processors   16 allowed, 8 physical\n"
        "Memory       64.0 GiB\n"
        "Libraries    onnx 1.23.0, numpy 2.4.0, onnxruntime-gpu 1.32.0\n"
        "Providers    TensorrtExecutionProvider, CUDAExecutionProvider, CPUExecutionProvider\n"
        "NVIDIA       driver serves CUDA up to 13.0\n"
        "GPU          NVIDIA H100, 80 GiB\n"
        "OpenVINO     Intel(R) Xeon(R) Platinum 8481C, by the plug-in\n"
        "\n"
        "device cpu: works\n"
        "\n"
        "device cuda: works\n"
        "\n"
        "device tensorrt: works\n"
        "\n"
        "device openvino: works\n"
        "\n"
        'device "auto" takes cuda'
    )
    assert diagnose(GOOD).json()["auto"] == "cuda"
    assert diagnose(NO_ORT).text().endswith("no device can be used")
    assert diagnose(NO_ORT).auto is None
    assert "device cpu: works, but\n  - onnxruntime and onnxruntime-gpu" in diagnose(BOTH).text()
    assert diagnose(BOTH).auto == "cpu"
