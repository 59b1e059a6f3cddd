"""Where a precision is computed, on machines described here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.machine import Cuda, Driver, Gpu, Machine
from archonnx.runtime.openvino.library import Library
from archonnx.runtime.openvino.plugin import OpenVino
from archonnx.runtime.precision.candidates import candidates
from archonnx.runtime.precision.placing import choose, refusal
from archonnx.runtime.settings import PRECISIONS, Precision

BOTH = Machine(
    python="3.12.1",
    system="Linux 6.1 x86_64",
    cores=16,
    physical=8,
    memory=64 * 2**30,
    versions={"onnxruntime-gpu": "1.32.0"},
    onnxruntime="1.32.0",
    ort_error=None,
    providers=("CUDAExecutionProvider", "CPUExecutionProvider"),
    cuda=Cuda((13, 0), Driver((13, 0), None, (Gpu("NVIDIA H100", 80 * 2**30),))),
    openvino=OpenVino("1.8.1", None, {"CPU": "Intel(R) Xeon(R)"}, "Intel", ("BF16", "FP32", "INT8", "BIN")),
)
NO_GPU = replace(
    BOTH, versions={"onnxruntime": "1.32.0"}, providers=("CPUExecutionProvider",), cuda=Cuda((0, 0), Driver())
)
BARE = replace(NO_GPU, openvino=OpenVino(library=Library()))
OLD = replace(NO_GPU, openvino=OpenVino("1.8.1", None, {"CPU": "Intel(R) Core(TM)"}, "Intel", ("FP32", "INT8")))


@pytest.mark.parametrize(
    ("machine", "device", "precision", "expected"),
    [
        (BOTH, "auto", None, ("cuda", "float32")),
        (BOTH, "auto", "tf32", ("cuda", "tf32")),
        (BOTH, "auto", "float16", ("cuda", "float16")),
        (BOTH, "openvino", "bfloat16", ("openvino", "bfloat16")),
        (NO_GPU, "auto", "bfloat16", ("openvino", "bfloat16")),
        (NO_GPU, "auto", "float32", ("cpu", "float32")),
        (OLD, "openvino", "float32", ("openvino", "float32")),
    ],
)
def test_the_device_computes_in_what_was_asked_for(
    machine: Machine, device: str, precision: Precision | None, expected: tuple[str, str]
) -> None:
    found = choose(device, precision, machine)
    assert (found.device, found.precision) == expected


@pytest.mark.parametrize(
    ("machine", "device", "precision", "texts"),
    [
        (BOTH, "cpu", "bfloat16", ["would only cast", 'use device="openvino" or "auto"']),
        (BOTH, "cpu", "tf32", ["TF32 is a mode of NVIDIA's GPUs", 'use device="cuda" or "auto"']),
        (BOTH, "openvino", "tf32", ["OpenVINO has none"]),
        (BOTH, "openvino", "float16", ["does not compute in float16 on this processor (it lists BF16, FP32, INT8)"]),
        (NO_GPU, "auto", "tf32", ["cuda: the wheel installed"]),
        (NO_GPU, "cuda", "float16", ['device "cuda" cannot be used']),
        (OLD, "auto", "bfloat16", ["cuda: the wheel", "openvino: OpenVINO does not compute in bfloat16"]),
        (BARE, "auto", "bfloat16", ["OpenVINO is not installed", "pip install"]),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_way_out(
    machine: Machine, device: str, precision: Precision, texts: list[str]
) -> None:
    with pytest.raises(MachineError) as caught:
        choose(device, precision, machine)
    assert all(text in str(caught.value) for text in texts), str(caught.value)


def test_a_gpu_of_another_generation_does_not_pretend() -> None:
    assert BOTH.cuda
    for capability, refused in (((7, 5), ["tf32", "bfloat16"]), ((9, 0), []), (None, []), ((5, 2), PRECISIONS[1:4])):
        gpu = Gpu("NVIDIA T4", 16 * 2**30, capability)
        machine = replace(BOTH, cuda=Cuda((13, 0), Driver((13, 0), None, (gpu,))))
        found = [name for name in PRECISIONS[:4] if refusal("cuda", name, machine) is not None]
        assert found == list(refused)
    machine = replace(BOTH, cuda=Cuda((13, 0), Driver((13, 0), None, (Gpu("NVIDIA T4", 1, (7, 5)),))))
    with pytest.raises(MachineError, match=r"NVIDIA T4 has compute capability 7\.5, tf32 begins with 8\.0"):
        choose("auto", "tf32", machine)


def test_an_unknown_device_is_told_as_ever() -> None:
    with pytest.raises(UsageError, match="did you mean 'cuda'"):
        choose("cud", "float16", BOTH)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("machine", [BOTH, NO_GPU, BARE, OLD])
def test_auto_finds_a_device_exactly_where_one_computes_so(machine: Machine, precision: Precision) -> None:
    able = [name for name in ("cuda", "openvino", "cpu") if refusal(name, precision, machine) is None]
    if able:
        found = choose("auto", precision, machine)
        assert found.device in able
        assert found.precision == precision
    else:
        with pytest.raises(MachineError):
            choose("auto", precision, machine)


def test_candidates_are_what_is_there() -> None:
    names = lambda found: [str(each) for each in found]  # noqa: E731
    found, out = candidates("auto", None, NO_GPU)
    assert names(found) == ["openvino float32", "cpu float32", "openvino bfloat16"]
    assert names(out) == [
        "openvino float16: OpenVINO does not compute in float16 on this processor (it lists BF16, FP32, INT8)"
    ]
    assert names(candidates("cpu", None, BOTH)[0]) == ["cpu float32"]
    assert names(candidates("auto", "float16", BOTH)[0]) == [
        "cuda float32",
        "openvino float32",
        "cpu float32",
        "cuda float16",
    ]
    assert candidates("auto", None, BARE) == (candidates("cpu", None, BARE)[0], [])


def test_what_a_provider_is_told() -> None:
    (cuda, _), (openvino, _) = (choose(d, p, BOTH).providers for d, p in (("cuda", "tf32"), ("openvino", "bfloat16")))
    assert [cuda.settings(None, p)["use_tf32"] for p in ("float32", "tf32")] == ["0", "1"]
    assert '"INFERENCE_PRECISION_HINT": "f32"' in openvino.settings(2)["load_config"]
    assert '"INFERENCE_PRECISION_HINT": "bf16"' in openvino.settings(2, "bfloat16")["load_config"]
