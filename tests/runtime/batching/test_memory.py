"""What is free on a device: a GPU's by a driver that is played, the processor's by the system."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from archonnx.runtime.batching import memory


class Driver:
    """NVIDIA's driver, which says what it is told to and notes what it is asked. fails: the function that fails."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.asked = fails, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        def function(*arguments: Any) -> int:
            self.asked.append(name)
            if name == self.fails:
                return 2
            if name == "cuMemGetInfo_v2":
                arguments[0]._obj.value, arguments[1]._obj.value = 5 << 30, 80 << 30
            return 0

        return function


def play(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> None:
    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(name)
        return driver

    monkeypatch.setattr(ctypes, "CDLL", load)


def test_the_driver_tells_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    play(monkeypatch, driver)
    assert memory.free_on("cuda") == memory.free_on("tensorrt") == 5 << 30
    assert driver.asked.count("cuCtxPushCurrent_v2") == driver.asked.count("cuCtxPopCurrent_v2") == 2
    assert driver.asked.count("cuDevicePrimaryCtxRetain") == driver.asked.count("cuDevicePrimaryCtxRelease_v2") == 2


@pytest.mark.parametrize(
    "fails", ["cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuMemGetInfo_v2"]
)
def test_a_driver_that_fails_tells_nothing(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    driver = Driver(fails)
    play(monkeypatch, driver)
    assert memory.free_on("cuda") is None
    held = "cuDevicePrimaryCtxRetain" in driver.asked and fails != "cuDevicePrimaryCtxRetain"
    assert ("cuDevicePrimaryCtxRelease_v2" in driver.asked) == held


def test_without_a_driver_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, None)
    assert memory.free_on("cuda") is None


def test_the_processors_memory_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 123)
    assert memory.free_on("cpu") == memory.free_on("openvino") == 123
