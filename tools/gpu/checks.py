"""What must hold on a GPU: each a function of the device, that raises AssertionError. tests/gpu runs them by pytest,
tools/gpu_check.py without; those that need no GPU hold on the CPU too.

They need numpy, onnx, onnxruntime and archonnx; what needs PyTorch too says so where it is not there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import archonnx
from archonnx.contract.agreement import error
from tools.gpu.subjects import MODELS, SMALL
from tools.gpu.ways import SkippedError

OUTER = """
model Outer():
    input x: float32[N, 1]
    output y = sum(matmul(x, transpose(x)), axis=1)
"""

Check = Callable[[str], None]
CHECKS: dict[str, Check] = {}
PRODUCT = """
model Product(k = 4096):
    input a: float32[N, k]
    input b: float32[k, M]
    output y = matmul(a, b)
"""


def check(function: Check) -> Check:
    CHECKS[function.__name__.replace("_", " ")] = function
    return function


def need_gpu(device: str) -> None:
    if device == "cpu":
        raise SkippedError("it needs a GPU")


def random(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def near(y: Any, exact: Any, bound: float) -> None:
    found = error(np.asarray(y), np.asarray(exact))
    assert found <= bound, f"the error is {found:.2g}, more than {bound:g}"


@check
def convolutions_recurrence_and_attention_give_what_the_CPU_gives(device: str) -> None:  # noqa: N802
    numbers = np.random.default_rng(1)
    cases: list[tuple[Any, dict[str, Any]]] = [
        (archonnx.compile(text=SMALL), {"image": random(3, 32, 32, 3)}),
        (
            archonnx.compile(MODELS / "lstm.arch", model="TextClassifier"),
            {"tokens": numbers.integers(1, 20000, (2, 12)).astype(np.int32)},
        ),
        (
            archonnx.compile(MODELS / "vit.arch", model="ViT", layers=2, width=64, heads=4, size=32),
            {"image": random(2, 32, 32, 3)},
        ),
    ]
    for model, feeds in cases:
        exact = archonnx.load(model, "cpu", precision="float32")(feeds)
        near(archonnx.load(model, device, precision="float32")(feeds), exact, 1e-4)


@check
def float32_is_not_lowered(device: str) -> None:
    a, b = random(64, 4096), random(4096, 64, seed=1)
    model = archonnx.compile(text=PRODUCT)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    near(archonnx.load(model, device, precision="float32")(a, b), exact, 1e-5)  # TF32 has an error of some 1e-3


@check
def tf32_is_what_it_says(device: str) -> None:
    need_gpu(device)
    a, b = random(64, 4096), random(4096, 64, seed=1)
    found = error(archonnx.load(archonnx.compile(text=PRODUCT), device, precision="tf32")(a, b), a @ b)
    assert 1e-5 < found < 1e-2, f"the error is {found:.2g}: TF32 rounds factors to 10 bits"


@check
def float16_stays_within_1e_2(device: str) -> None:
    need_gpu(device)
    model, x = archonnx.compile(text=SMALL), random(3, 32, 32, 3)
    near(archonnx.load(model, device, precision="float16")(x), archonnx.load(model, "cpu")(x), 1e-2)


@check
def all_the_work_is_on_the_device(device: str) -> None:
    session = archonnx.load(archonnx.compile(text=SMALL), device)
    parts = session.placement(N=1).parts
    wanted = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    assert [part.provider for part in parts if part.macs] == [wanted], str(session.placement(N=1))


@check
def calls_that_repeat_are_captured_and_stay_right(device: str) -> None:
    need_gpu(device)
    model = archonnx.compile(text=SMALL)
    plain, session = archonnx.load(model, device, graphs=False), archonnx.load(model, device, graphs=True)
    for number in range(6):
        for batch in (1, 2, 5):
            x = random(batch, 32, 32, 3, seed=number)
            near(session(x), plain(x), 1e-4)
    runner: Any = session._engine
    while not hasattr(runner, "graphs"):  # one that splits batches stands before it
        runner = runner._runner
    assert runner.graphs is not None, "graphs were given up: see the log"
    assert runner.graphs.count == 3, f"{runner.graphs.count} graphs, not one for each of 3 shapes"


@check
def results_of_graphs_belong_to_the_caller(device: str) -> None:
    need_gpu(device)
    session = archonnx.load(archonnx.compile(text=SMALL), device, graphs=True)
    inputs = [random(2, 32, 32, 3, seed=number) for number in range(5)]
    first = [session(x) for x in inputs]
    kept = [y.copy() for y in first]
    for x in reversed(inputs):
        session(x)
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True)), "a later call wrote into a result"


@check
def bound_buffers_are_read_and_written_anew(device: str) -> None:
    model = archonnx.compile(text=SMALL)
    exact, session = archonnx.load(model, "cpu"), archonnx.load(model, device)
    x, y = random(2, 32, 32, 3), np.zeros((2, 10), np.float32)
    bound = session.bind(x, out=y)
    for number in range(5):
        x[...] = random(2, 32, 32, 3, seed=number)
        assert bound() is y
        near(y, exact(x), 1e-4)


@check
def threads_share_a_session(device: str) -> None:
    model = archonnx.compile(text=SMALL)
    exact, session = archonnx.load(model, "cpu"), archonnx.load(model, device)
    inputs = [random(2, 32, 32, 3, seed=number) for number in range(4)]
    wanted, wrong = [exact(x) for x in inputs], []

    def work(turn: int) -> None:
        try:
            for number in range(8):
                which = (turn + number) % len(inputs)
                near(session(inputs[which]), wanted[which], 1e-4)
        except BaseException as failure:  # noqa: BLE001 (told by the thread that waits)
            wrong.append(failure)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]


def torch_on(device: str) -> Any:
    try:
        import torch
    except ImportError:
        raise SkippedError("torch is not installed") from None
    if device == "cuda" and not torch.cuda.is_available():
        raise SkippedError(f"this torch ({torch.__version__}) finds no GPU")
    return torch


@check
def tensors_are_read_where_they_lie(device: str) -> None:
    torch = torch_on(device)
    model = archonnx.compile(text=SMALL)
    x = random(2, 32, 32, 3)
    exact, session = archonnx.load(model, "cpu")(x), archonnx.load(model, device)
    tensor = torch.from_numpy(x).to(device)
    for _ in range(5):  # and when they are captured
        y = session(tensor)
        if device == "cuda":
            assert isinstance(y, torch.Tensor), f"the result is {type(y).__name__}"
            assert y.is_cuda, f"the result is on {y.device}"
            y = y.cpu().numpy()
        near(y, exact, 1e-4)
    taken: Any = session.check(tensor)["image"]
    address = taken.value.data_ptr() if device == "cuda" else taken.ctypes.data
    assert address == tensor.data_ptr(), "the tensor was copied"


@check
def work_that_pytorch_has_not_finished_is_waited_for(device: str) -> None:
    need_gpu(device)
    torch = torch_on(device)
    model = archonnx.compile(text=SMALL)
    exact, session = archonnx.load(model, "cpu"), archonnx.load(model, device)
    base = torch.from_numpy(random(8, 32, 32, 3)).cuda()
    for number in range(6):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(20_000_000)  # some milliseconds, so that what follows is late
            x = base * (number + 1)
        y = session(x)
        near(y.cpu().numpy(), exact(base.cpu().numpy() * np.float32(number + 1)), 1e-4)


@check
def results_are_written_into_tensors(device: str) -> None:
    torch = torch_on(device)
    model = archonnx.compile(text=SMALL)
    x = random(2, 32, 32, 3)
    exact, session = archonnx.load(model, "cpu")(x), archonnx.load(model, device)
    out = torch.zeros((2, 10), device=device)
    address = out.data_ptr()
    assert session(torch.from_numpy(x).to(device), out=out) is out
    assert out.data_ptr() == address
    near(out.cpu().numpy(), exact, 1e-4)


@check
def generated_texts_are_the_CPUs(device: str) -> None:  # noqa: N802
    model = archonnx.compile(MODELS / "lstm.arch", model="SmallCharacterModel")
    exact, session = archonnx.load(model, "cpu"), archonnx.load(model, device)
    assert session.generate("The ", max_new_tokens=12).tokens == exact.generate("The ", max_new_tokens=12).tokens


@check
def too_large_a_run_is_an_error_and_the_next_one_runs(device: str) -> None:
    need_gpu(device)
    session = archonnx.load(archonnx.compile(text=OUTER), device, graphs=False)
    try:
        session(np.ones((450_000, 1), np.float32))  # 810 GB, which no part of the rows makes smaller
    except archonnx.MachineError:
        pass
    else:
        raise AssertionError("no error")
    near(session(np.ones((2, 1), np.float32)), np.full(2, 2.0), 1e-6)


@check
def tensorrt_computes_in_float32(device: str) -> None:
    need_gpu(device)
    from archonnx.runtime.devices import diagnose

    problems = diagnose().devices["tensorrt"]
    if problems:
        raise SkippedError("; ".join(map(str, problems)))
    a, b = random(64, 4096), random(4096, 64, seed=1)
    near(archonnx.load(archonnx.compile(text=PRODUCT), "tensorrt")(a, b), a.astype(np.float64) @ b, 1e-5)
