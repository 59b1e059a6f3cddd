"""`archonnx build --precision`: what is said, what is written, what is read back, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest

import archonnx
from archonnx.cli import main
from archonnx.contract.diagnostics import UsageError

Output = pytest.CaptureFixture[str]
NUMPY = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
TEXT = """\
model Small():
    input tokens: int64[N, T]
    words = ReversibleEmbedding(200, 64)
    x = tokens -> words
    x = x -> Dense(128, activation="gelu") -> Dense(64)
    x = x -> LayerNormalization()
    output scores = (x, reverse=True) -> words
    output topic = x -> Bidirectional(LSTM(32)) -> Dense(3)
"""
STORED = ["dense/kernel", "dense_1/kernel", "words/embeddings"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    return tmp_path


def initializers(path: str) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}


def test_what_was_stored_in_half_is_said(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-o", "half.onnx", "--precision", "float16"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"half\.onnx: Small, [\d.]+ kB, in [\d.]+ s", said[0])
    assert re.fullmatch(
        r"5 weights in float16: 2\d\d\.\d kB take 1[12]\d\.\d kB; rounded by at most [234]\.\de-04 of the largest number "
        r"\([\w/]+\)(, \d+ numbers? became 0)?",
        said[1],
    )
    assert len(said) == 2


@pytest.mark.parametrize("dtype", NUMPY)
def test_large_weights_are_rounded_and_the_others_are_as_they_were(folder: Path, dtype: Any) -> None:
    model = archonnx.compile("small.arch")
    model.save("plain.onnx")
    report = model.save("half.onnx", precision=dtype)
    plain, half = initializers("plain.onnx"), initializers("half.onnx")
    assert list(half) == list(plain)
    assert report.halving is not None
    assert set(STORED) <= set(report.halving.stored)
    for name, tensor in plain.items():
        if name in report.halving.stored:
            wanted = onnx.numpy_helper.to_array(tensor).astype(NUMPY[dtype])
            assert half[name].data_type == onnx.TensorProto.DataType.Value(dtype.upper())
            assert half[name].raw_data == wanted.tobytes()
            note = report.halving.rounded[name]
            off = np.abs(wanted.astype(np.float32) - onnx.numpy_helper.to_array(tensor))
            assert note.error == off.max()
        else:
            assert half[name] == tensor
    said = {p.key: p.value for p in onnx.load("half.onnx").metadata_props}
    assert said["archonnx.stored"] == dtype
    assert "archonnx.stored" not in {p.key for p in onnx.load("plain.onnx").metadata_props}


@pytest.mark.parametrize(("dtype", "error"), [("float16", 2e-3), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("device", ["cpu"])
def test_what_it_computes_is_near(folder: Path, dtype: Any, error: float, device: str) -> None:
    model = archonnx.compile("small.arch")
    model.save("plain.onnx")
    model.save("half.onnx", precision=dtype)
    tokens = np.random.default_rng(0).integers(0, 200, (2, 9))
    plain, near = (archonnx.load(f"{name}.onnx", device=device)(tokens=tokens) for name in ("plain", "half"))
    for output in ("scores", "topic"):
        difference = np.abs(near[output] - plain[output]).max() / np.abs(plain[output]).max()
        assert 0 < difference < error


@pytest.mark.parametrize("dtype", NUMPY)
def test_it_is_read_back_as_weights(folder: Path, dtype: str, capsys: Output) -> None:
    """Widened exactly; written in the same half again, the same bytes."""
    assert main(["build", "small.arch", "-o", "half.onnx", "--precision", dtype]) == 0
    capsys.readouterr()
    command = ["build", "small.arch", "-o", "again.onnx", "--precision", dtype, "--weights", "half.onnx"]
    assert main(command) == 0
    assert f"note: 5 tensors are {dtype} there and widened exactly" in capsys.readouterr().err
    assert initializers("again.onnx") == initializers("half.onnx")
    model = archonnx.compile("small.arch").with_weights("half.onnx")
    drawn = archonnx.compile("small.arch").values()
    for path, values in model.values().items():
        assert values.dtype == np.float32
        wanted = drawn[path].astype(NUMPY[dtype]).astype(np.float32) if drawn[path].size >= 4096 else drawn[path]
        np.testing.assert_array_equal(values, wanted, err_msg=path)
    model.save("plain.onnx")
    assert main(["weights", "diff", "plain.onnx", "half.onnx", "--tolerance", "0"]) == 0
    assert main(["weights", "export", "small.arch", "w.safetensors", "--weights", "half.onnx"]) == 0


def test_it_goes_with_few_bits(folder: Path, capsys: Output) -> None:
    Path("both.arch").write_text(
        "model Both():\n    input x: float32[N, 9, 32]\n    Conv1D(64, 5)\n    Dense(64)\n    Dense(128)\n    output y\n"
    )
    command = ["build", "both.arch", "-o", "both.onnx", "--precision", "bfloat16", "--weight-bits", "8"]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "2 of 2 matrices in 8 bits" in said
    assert "1 weight in bfloat16: " in said
    kinds = {name: tensor.data_type for name, tensor in initializers("both.onnx").items()}
    assert kinds["conv1d/kernel"] == onnx.TensorProto.BFLOAT16
    assert kinds["dense/kernel"] == onnx.TensorProto.UINT8
    assert main(["build", "both.arch", "-o", "again.onnx", "--weights", "both.onnx"]) == 0
    x = np.random.default_rng(0).normal(size=(2, 9, 32)).astype(np.float32)
    one, two = (archonnx.load(f"{name}.onnx", precision="float32")(x) for name in ("both", "again"))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)


def test_without_weights_the_layout_is_the_same(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-o", "none.onnx", "--precision", "float16", "--weights", "none"]) == 0
    assert re.search(r"^5 weights in float16: [\d.]+ kB take [\d.]+ kB$", capsys.readouterr().err, re.MULTILINE)
    assert main(["build", "small.arch", "-o", "init.onnx", "--precision", "float16"]) == 0
    bare, full = onnx.load("none.onnx", load_external_data=False), onnx.load("init.onnx")
    assert list(bare.graph.node) == list(full.graph.node)
    kinds = [[(t.name, t.data_type, list(t.dims)) for t in m.graph.initializer] for m in (bare, full)]
    assert kinds[0] == kinds[1]


def test_a_number_that_float16_does_not_have_is_refused_and_the_old_file_stays(folder: Path, capsys: Output) -> None:
    arrays = archonnx.compile("small.arch").values()
    arrays["dense/kernel"][3, 5] = 70_000
    np.savez("w.npz", **arrays)
    Path("half.onnx").write_bytes(b"as it was")
    command = ["build", "small.arch", "-o", "half.onnx", "--weights", "w.npz"]
    assert main([*command, "--precision", "float16"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: the weight dense/kernel holds 70000, past float16's largest number, 65504; bfloat16 has float32's range"
    )
    assert Path("half.onnx").read_bytes() == b"as it was"
    assert sorted(p.name for p in folder.iterdir()) == ["half.onnx", "small.arch", "w.npz"]
    assert main([*command, "--precision", "bfloat16"]) == 0


def test_where_nothing_is_to_be_halved_that_is_said(folder: Path, capsys: Output) -> None:
    Path("half.arch").write_text(
        'model Half():\n    input x: float16[N, 100]\n    Dense(100, dtype="float16")\n    output y\n'
    )
    assert main(["build", "half.arch", "-o", "one.onnx"]) == 0
    capsys.readouterr()
    assert main(["build", "half.arch", "-o", "two.onnx", "--precision", "float16"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == (
        "note: nothing to store in float16: it has no float32 weight of two axes and 4,096 numbers or more, and 2 weights "
        "are in half in its source already"
    )
    assert Path("one.onnx").read_bytes() == Path("two.onnx").read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--precision", "int8"], "'int8' is not one of 'float32', 'float16', 'bfloat16'"),
        (["--precision", "float16", "--via", "keras"], "leave --precision out"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    folder: Path, capsys: Output, options: list[str], said: str
) -> None:
    assert main(["build", "small.arch", "-o", "half.onnx", *options]) == 2
    assert said in capsys.readouterr().err
    assert not Path("half.onnx").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "half"}, 'precision is "float32", "float16" or "bfloat16", got \'half\''),
        ({"precision": None}, 'precision is "float32", "float16" or "bfloat16", got None'),
        ({"precision": "float16", "via": "keras"}, "Keras' graph keeps its weights as they are; leave precision out"),
    ],
)
def test_a_wrong_argument_is_one_line(folder: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        archonnx.compile("small.arch").save("half.onnx", **options)
    assert not Path("half.onnx").exists()
