"""TensorRT's libraries: found by the loader, else where pip puts them."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archonnx.runtime.cuda import tensorrt

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the provider's own loading says it")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "LIBRARIES", ("libthere-is-none.so.10",))
    found = tensorrt.look((13, 0), {})
    assert found.missing == ("libthere-is-none.so.10",)
    assert found.tf32 is None
    assert tensorrt.look((13, 0), {"NVIDIA_TF32_OVERRIDE": "0"}).tf32 == "0"


def test_libraries_of_pip_are_loaded_for_the_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded: list[str] = []

    def load(name: str, mode: int = 0) -> Any:
        if not name.startswith("/"):
            raise OSError("not on the loader's path")
        assert mode == ctypes.RTLD_GLOBAL
        loaded.append(name)

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(
        tensorrt.util, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    )
    assert tensorrt.look((13, 0), {}).missing == ()
    assert loaded == [str(tmp_path / "libnvinfer.so.10"), str(tmp_path / "libnvonnxparser.so.10")]


def test_the_package_is_the_one_for_the_cuda_of_onnxruntime() -> None:
    assert tensorrt.package((12, 8)) == "tensorrt-cu12"
    assert tensorrt.package((0, 0)) == "tensorrt-cu13"
