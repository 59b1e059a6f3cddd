"""Several models with one data file: what is stored once, that it runs, and what a failure leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import archonnx
from archonnx.compiler import committing
from archonnx.contract.diagnostics import UsageError

TEXT = """
block reader(units):
    input x: [N, 40]
    output y = x -> Dense(units, name="read")

block writer(units):
    input y: [N, units]
    output z = y -> Dense(30, name="write")

model Both(units = 50):
    input x: float32[N, 40]
    output z = x -> reader(units) -> writer(units)

model Reader(units = 50):
    input x: float32[N, 40]
    output y = x -> reader(units)

model Writer(units = 50):
    input y: float32[N, units]
    output z = y -> writer(units)

block zeroed(units):
    input x: [N, 40]
    output y = x -> Dense(units, kernel_initializer="zeros", name="read")

model Zeroed(units = 50):
    input x: float32[N, 40]
    output y = x -> zeroed(units, name="reader")
"""


def compiled(name: str, **parameters: Any) -> Any:
    return archonnx.compile(text=TEXT, model=name, **parameters)


def run(path: Path, **inputs: Any) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def places(path: Path) -> dict[str, tuple[str, ...]]:
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    found = {t.name: {e.key: e.value for e in t.external_data} for t in tensors}
    return {name: (said["location"], said["offset"], said["length"]) for name, said in found.items() if said}


def test_what_is_the_same_is_stored_once_and_runs(tmp_path: Path) -> None:
    models = {tmp_path / f"{name}.onnx": compiled(name) for name in ("Both", "Reader", "Writer")}
    saved = archonnx.save_all(models, data="pair", seed=5)
    assert saved.data is not None
    assert names(tmp_path) == sorted(["Both.onnx", "Reader.onnx", "Writer.onnx", saved.data.name])
    assert saved.data.name.startswith("pair.")
    assert saved.shared == 4 * (40 * 50 + 50 + 50 * 30 + 30)
    assert saved.nbytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    both = places(tmp_path / "Both.onnx")
    assert both == places(tmp_path / "Reader.onnx") | places(tmp_path / "Writer.onnx")
    assert len(both) == 4
    x = np.linspace(-1, 1, 80, dtype=np.float32).reshape(2, 40)
    archonnx.compile(text=TEXT, model="Both").save(tmp_path / "alone.onnx", seed=5)
    expected = run(tmp_path / "alone.onnx", x=x)
    assert np.array_equal(run(tmp_path / "Both.onnx", x=x), expected)
    assert np.allclose(run(tmp_path / "Writer.onnx", y=run(tmp_path / "Reader.onnx", x=x)), expected, atol=1e-6)


def test_other_initializers_and_shapes_are_other_weights(tmp_path: Path) -> None:
    saved = archonnx.save_all({tmp_path / "a.onnx": compiled("Reader"), tmp_path / "b.onnx": compiled("Zeroed")})
    assert saved.data is not None
    assert saved.shared == 200  # the bias alone, which begins with zeros in both
    kernel = onnx.load(tmp_path / "b.onnx").graph.initializer[0]
    assert not onnx.numpy_helper.to_array(kernel).any()
    wide = archonnx.save_all(
        {tmp_path / "a.onnx": compiled("Reader"), tmp_path / "b.onnx": compiled("Reader", units=7)}
    )
    assert (wide.data, wide.shared) == (None, 0)  # nothing is saved: each holds its own
    assert names(tmp_path) == ["a.onnx", "b.onnx"]


def test_given_weights_are_the_same_where_file_and_name_are(tmp_path: Path) -> None:
    both = compiled("Both")
    for name, seed in (("one.safetensors", 1), ("two.safetensors", 2)):
        compiled("Reader").save_weights(tmp_path / name, seed=seed)
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    reader = compiled("Reader")
    (tmp_path / "out").mkdir()
    targets = tmp_path / "out" / "a.onnx", tmp_path / "out" / "b.onnx"
    read = reader.with_weights(one), reader.with_weights(one)
    assert archonnx.save_all(dict(zip(targets, read, strict=True))).shared == 4 * (40 * 50 + 50)
    read = reader.with_weights(one), reader.with_weights(two)
    assert archonnx.save_all(dict(zip(targets, read, strict=True))).shared == 0
    values = both.values(3)
    given = {path: values[path] for path in ("reader/read/kernel", "reader/read/bias")}
    arrays = reader.with_weights(given), reader.with_weights({path: array.copy() for path, array in given.items()})
    assert archonnx.save_all(dict(zip(targets, arrays, strict=True))).shared == 4 * (40 * 50 + 50)


def test_old_shared_data_stays_while_a_model_refers_to_it(tmp_path: Path) -> None:
    models = {tmp_path / f"{name}.onnx": compiled(name) for name in ("Both", "Reader")}
    first = archonnx.save_all(models, data="pair", seed=0).data
    assert first is not None
    compiled("Reader").save(tmp_path / "Reader.onnx", seed=1)
    assert names(tmp_path) == ["Both.onnx", "Reader.onnx", first.name]
    second = archonnx.save_all(models, data="pair", seed=2).data
    assert second is not None
    assert names(tmp_path) == ["Both.onnx", "Reader.onnx", second.name]
    compiled("Both").save(tmp_path / "Both.onnx", seed=1)
    compiled("Reader").save(tmp_path / "Reader.onnx", seed=1)
    assert names(tmp_path) == ["Both.onnx", "Reader.onnx"]


@pytest.mark.parametrize("after", [0, 1])
def test_a_failure_between_the_models_leaves_each_with_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    models = {tmp_path / f"{name}.onnx": compiled(name) for name in ("Both", "Reader")}
    archonnx.save_all(models, seed=0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    x = np.ones((1, 40), np.float32)
    expected = run(tmp_path / "Reader.onnx", x=x)
    replace, count = committing._replace, iter(range(9))

    def fail(*arguments: Any) -> Any:
        if next(count) == after:
            raise OSError(5, "Input/output error")
        return replace(*arguments)

    monkeypatch.setattr(committing, "_replace", fail)
    with pytest.raises(archonnx.ArchonnxError, match="Input/output error"):
        archonnx.save_all(models, seed=1)
    now = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert (now == before) == (after == 0)
    assert np.array_equal(run(tmp_path / "Reader.onnx", x=x), expected)
    assert np.isfinite(run(tmp_path / "Both.onnx", x=x)).all()
    monkeypatch.undo()
    data = archonnx.save_all(models, seed=1).data
    assert data is not None
    assert names(tmp_path) == sorted(["Both.onnx", "Reader.onnx", data.name])


def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    one = compiled("Reader")
    with pytest.raises(UsageError, match="there is none"):
        archonnx.save_all({})
    with pytest.raises(UsageError, match="stand in one folder"):
        archonnx.save_all({tmp_path / "a.onnx": one, tmp_path.parent / "b.onnx": one})
    with pytest.raises(UsageError, match="to one file"):
        archonnx.save_all({tmp_path / "a.onnx": one, f"{tmp_path}/./a.onnx": one})
    with pytest.raises(UsageError, match="a file's name begins with"):
        archonnx.save_all({tmp_path / "a.onnx": one}, data="x/y")
    with pytest.raises(UsageError, match='external_data is "auto"'):
        archonnx.save_all({tmp_path / "a.onnx": one}, external_data="yes")  # type: ignore[arg-type]
    assert names(tmp_path) == []
