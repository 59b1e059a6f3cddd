"""Models that are replaced by another while they are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.runtime import loading
from archonnx.runtime.errors import ModelFileError

TEXT = "model Net(ends = 3):\n    input x: float32[N, 50]\n    output y = x -> Dense(40) -> Dense(ends)\n"


def save(path: Path, ends: int) -> None:
    archonnx.compile(text=TEXT, ends=ends).save(path, external_data="always")


@pytest.mark.parametrize("after", ["read_model", "check_weights"])
def test_the_new_model_is_loaded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """Just after the outline of the old one was read, and just after its data was found."""
    path = tmp_path / "m.onnx"
    save(path, 3)
    step = getattr(loading, after)
    left = [2]

    def replaced(*arguments: Any) -> Any:
        found = step(*arguments)
        if left:
            save(path, 3 + left.pop())
        return found

    monkeypatch.setattr(loading, after, replaced)
    session = archonnx.load(path, cache="off")
    assert session(np.ones((1, 50), np.float32)).shape == (1, 5)
    assert [spec.shape for spec in session.outputs] == [("N", 5)]


def test_one_that_does_not_stay_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    save(path, 3)
    read = loading.read_model

    def replaced(*arguments: Any) -> Any:
        found = read(*arguments)
        save(path, len(found.outputs[0].shape or ()) + 1)
        return found

    monkeypatch.setattr(loading, "read_model", replaced)
    with pytest.raises(ModelFileError, match="it was replaced 5 times while it was loaded"):
        archonnx.load(path, cache="off")
    monkeypatch.undo()
    for data in tmp_path.glob("*.data"):
        data.unlink()
    with pytest.raises(ModelFileError, match="its weights are missing"):
        archonnx.load(path, cache="off")
