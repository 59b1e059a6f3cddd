"""`build --via keras`: what Keras, TensorFlow and tf2onnx make of a model, under our names and through our gate."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from keras_harness import error
from test_whole_models import MODELS, Whole

import archonnx
from archonnx.cli import main
from archonnx.compiler.keras.route import conversion
from archonnx.compiler.keras.route.conversion import RouteError
from archonnx.contract.diagnostics import CompileError, MachineError, UsageError

keras = pytest.importorskip("keras")
pytest.importorskip("tf2onnx")

Array = np.ndarray[Any, Any]
ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-5
BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


def compiled(body: str) -> Any:
    """A model of these lines."""
    return archonnx.compile(text="model A():\n" + "".join(f"    {line}\n" for line in body.strip().splitlines()))


def run(path: Path, arrays: Mapping[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == list(arrays)
    found: list[Array] = session.run(None, dict(arrays))
    return found


def differ(model: Any, folder: Path, *calls: Mapping[str, Array]) -> float:
    """The largest error between the two routes over these calls."""
    model.save(folder / "ours.onnx")
    model.save(folder / "theirs.onnx", via="keras")
    worst = 0.0
    for arrays in calls:
        for y, reference in zip(run(folder / "theirs.onnx", arrays), run(folder / "ours.onnx", arrays), strict=True):
            assert (y.shape, y.dtype) == (reference.shape, reference.dtype)
            worst = max(worst, error(y, reference))
    return worst


# The models of each family ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in MODELS if case.name != "tagger"], ids=lambda case: case.name)
def test_a_whole_model_computes_the_same_both_ways(case: Whole, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    model = archonnx.compile(text=case.text)
    assert differ(model, tmp_path, *(case.inputs(rng, batch) for batch in (1, 2, 5))) <= max(TOLERANCE, case.tolerance)


@pytest.mark.parametrize("name", ["AND", "OR", "NAND", "XOR"])
def test_numbers_that_the_trace_captures_are_no_inputs(name: str, tmp_path: Path) -> None:
    assert differ(archonnx.compile(ROOT / "models/gates.arch", model=name), tmp_path, {"bits": BITS}) == 0


def test_normalization_asks_for_no_inputs_of_its_own(tmp_path: Path) -> None:
    model = compiled(
        """
input x: float32[N, 3]
Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 0.5, 1.0])
Dense(4)
output y
"""
    )
    x = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    assert differ(model, tmp_path, {"x": x}) <= TOLERANCE


@pytest.mark.parametrize(("activation", "operator"), [("gelu", "Erf"), ("celu", "Exp")])
def test_activations_that_tf2onnx_does_not_know_are_given_a_form(
    activation: str, operator: str, tmp_path: Path
) -> None:
    model = compiled(f'input x: float32[N, 6]\nActivation("{activation}")\noutput y')
    x = np.random.default_rng(1).normal(0, 3, (5, 6)).astype(np.float32)
    assert differ(model, tmp_path, {"x": x}) <= TOLERANCE
    assert operator in {node.op_type for node in onnx.load(tmp_path / "theirs.onnx").graph.node}


def test_a_loop_over_masked_steps_computes_the_same(tmp_path: Path) -> None:
    model = compiled(
        """
input tokens: int32[N, T]
Embedding(9, 4, mask_zero=True)
Bidirectional(GRU(3, return_sequences=True))
output y
"""
    )
    rng = np.random.default_rng(2)
    calls = [{"tokens": rng.integers(0, 9, (n, t)).astype(np.int32)} for n, t in ((1, 2), (2, 7), (5, 3))]
    assert differ(model, tmp_path, *calls) <= TOLERANCE
    assert "Loop" in {node.op_type for node in onnx.load(tmp_path / "theirs.onnx").graph.node}


# Names -----------------------------------------------------------------------------------------------------------------

NAMED = """
input image: float32[N, H, W, 3]
require H >= 3
require W >= 3
x = image -> Conv2D(4, 3, activation="relu") -> Conv2D(4, 1)
x -> GlobalAveragePooling2D() -> Dense(2)
output scores
"""


def test_names_are_ours(tmp_path: Path) -> None:
    model = compiled(NAMED)
    model.save(tmp_path / "ours.onnx")
    model.save(tmp_path / "theirs.onnx", via="keras")
    ours, theirs = (onnx.load(tmp_path / f"{name}.onnx") for name in ("ours", "theirs"))
    assert list(theirs.graph.input) == list(ours.graph.input)
    assert list(theirs.graph.output) == list(ours.graph.output)
    said = [{p.key: p.value for p in one.metadata_props} for one in (theirs, ours)]
    assert [one.pop("archonnx.optimization") for one in said] == ["1", "2"]  # nothing of theirs is merged
    assert said[0] == said[1]
    text = str(theirs)
    for foreign in ("unk__", "Identity:0", ":0", "ReadVariableOp", "StatefulPartitionedCall"):
        assert foreign not in text
    assert {"conv2d/kernel", "conv2d_1/kernel", "dense/kernel"} <= {one.name for one in theirs.graph.initializer}
    layers = {p.value for node in theirs.graph.node for p in node.metadata_props if p.key == "archonnx.layer"}
    assert layers == {"conv2d", "conv2d_1", "global_average_pooling2d", "dense"}
    conv = next(node for node in theirs.graph.node if node.name == "conv2d/Conv")
    assert {p.key: p.value for p in conv.metadata_props}["archonnx.place"] == "text.arch:5:18"
    with archonnx.load(tmp_path / "theirs.onnx") as session:
        x = np.ones((2, 5, 4, 3), np.float32)
        assert session(image=x).shape == (2, 2)
        with pytest.raises(archonnx.ArchonnxError, match="H >= 3"):
            session(image=x[:, :2])


def test_functions_and_weights_of_blocks_have_names_too(tmp_path: Path) -> None:
    model = archonnx.compile(ROOT / "models/gates.arch", model="XOR")
    model.save(tmp_path / "xor.onnx", via="keras")
    graph = onnx.load(tmp_path / "xor.onnx").graph
    assert [node.name for node in graph.node][:4] == [
        *("or/neuron/matmul/MatMul", "or/neuron/add/Add", "or/neuron/greater/Greater", "or/neuron/cast/Cast"),
    ]
    assert {"or/neuron/kernel", "or/neuron/offset", "and/neuron/offset"} <= {one.name for one in graph.initializer}
    places = {p.value for node in graph.node for p in node.metadata_props if p.key == "archonnx.place"}
    assert len(places) == 3


BYTES = """
import sys, archonnx, hashlib
archonnx.compile(text=sys.argv[1]).save(sys.argv[2], via="keras")
"""


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    text = next(case.text for case in MODELS if case.name == "masks")
    model = archonnx.compile(text=text)
    digests = []
    for number in range(2):
        model.save(tmp_path / f"{number}.onnx", via="keras")
        digests.append(hashlib.sha256((tmp_path / f"{number}.onnx").read_bytes()).hexdigest())
    subprocess.run(
        [sys.executable, "-c", BYTES, text, str(tmp_path / "other.onnx")],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    digests.append(hashlib.sha256((tmp_path / "other.onnx").read_bytes()).hexdigest())
    assert len(set(digests)) == 1


def test_weights_are_those_of_the_seed_and_of_files(tmp_path: Path) -> None:
    model = compiled("input x: float32[N, 3]\nDense(2)\noutput y")
    kernel = np.arange(6, dtype=np.float32).reshape(3, 2)
    given = model.with_weights({"dense/kernel": kernel, "dense/bias": np.array([1, -1], np.float32)})
    given.save(tmp_path / "given.onnx", via="keras")
    x = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(run(tmp_path / "given.onnx", {"x": x})[0], kernel + np.array([1, -1]), rtol=1e-6)
    model.save(tmp_path / "seven.onnx", seed=7, via="keras")
    weights = {
        one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(tmp_path / "seven.onnx").graph.initializer
    }
    np.testing.assert_array_equal(weights["dense/kernel"], model.values(7)["dense/kernel"])


# What is refused --------------------------------------------------------------------------------------------------------


def refusal(model: Any, folder: Path) -> CompileError:
    """The error of a build that leaves the old file alone."""
    path = folder / "old.onnx"
    path.write_bytes(b"old")
    with pytest.raises(CompileError) as caught:
        model.save(path, via="keras")
    assert path.read_bytes() == b"old"
    assert [p.name for p in folder.iterdir()] == ["old.onnx"]
    return caught.value


def test_an_operation_that_tf2onnx_leaves_is_refused_by_its_layer(tmp_path: Path) -> None:
    model = compiled("input x: float32[N, 5]\nDiscretization([0.0, 1.0])\noutput y")
    found = refusal(model, tmp_path).diagnostics
    assert [d.code for d in found] == ["E1050"]
    assert found[0].message == "discretization: tf2onnx has no form for TensorFlow's Bucketize in operator set 18"
    assert found[0].place is not None
    assert found[0].place.line == 3


def test_time_distributed_over_an_open_number_of_steps_is_refused(tmp_path: Path) -> None:
    text = next(case.text for case in MODELS if case.name == "tagger")
    found = refusal(archonnx.compile(text=text), tmp_path).diagnostics
    assert [(d.code, d.message) for d in found] == [
        ("E1052", "tags: Keras' TimeDistributed, traced with T steps, runs as many steps as the batch has rows")
    ]


def test_a_graph_that_does_not_pass_the_gate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = conversion._write

    def wrong(*args: Any) -> Any:
        written = write(*args)
        weight = next(one for one in written.graph.initializer if list(one.dims) == [3, 2])
        weight.CopyFrom(onnx.numpy_helper.from_array(np.zeros((4, 2), np.float32), weight.name))
        return written

    monkeypatch.setattr(conversion, "_write", wrong)
    found = refusal(compiled("input x: float32[N, 3]\nDense(2)\noutput y"), tmp_path).diagnostics
    assert [d.code for d in found] == ["E1051"]
    assert found[0].message.startswith("dense: onnx refuses")
    assert found[0].message.endswith("[E0990]")
    assert "without --via keras" in (found[0].help or "")


def test_an_output_of_another_type_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = conversion._write

    def wrong(*args: Any) -> Any:
        written = write(*args)
        last = written.graph.node[-1]
        name = last.output[0]
        last.output[0] = "before"
        written.graph.node.append(onnx.helper.make_node("Cast", ["before"], [name], to=onnx.TensorProto.FLOAT16))
        return written

    monkeypatch.setattr(conversion, "_write", wrong)
    found = refusal(compiled("input x: float32[N, 3]\nDense(2)\noutput y"), tmp_path).diagnostics
    assert [d.code for d in found] == ["E1051"]
    assert "gives float16" in found[0].message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("input x: float32[N, 8, 8, 3]\nRandomGrayscale()\noutput y", "a layer changes a variable while it runs"),
        ("input x: int64[N, 3]\nIntegerLookup(vocabulary=[4, 5])\noutput y", "a layer keeps a table outside"),
    ],
)
def test_what_tensorflow_cannot_freeze_is_refused_in_one_line(body: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(RouteError, match=reason) as caught:
        compiled(body).save(tmp_path / "a.onnx", via="keras")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_weights_past_what_tensorflow_freezes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "MOST_BYTES", 20)
    with pytest.raises(RouteError, match="the weights take 32 bytes, and TensorFlow freezes at most 20"):
        compiled("input x: float32[N, 3]\nDense(2)\noutput y").save(tmp_path / "a.onnx", via="keras")


def test_other_backends_than_tensorflow_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(MachineError, match="Keras runs on torch: set KERAS_BACKEND=tensorflow"):
        compiled("input x: float32[N, 3]\nDense(2)\noutput y").save(tmp_path / "a.onnx", via="keras")


def test_calls_that_make_no_sense(tmp_path: Path) -> None:
    model = compiled("input x: float32[N, 3]\nDense(2)\noutput y")
    with pytest.raises(UsageError, match="the graph has its weights in it"):
        model.save(tmp_path / "a.onnx", via="keras", weights="none")
    with pytest.raises(UsageError, match='via is "keras" or None'):
        model.save(tmp_path / "a.onnx", via="torch")


# The command ------------------------------------------------------------------------------------------------------------

SMALL = "model Small():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n"


def test_the_command_writes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(SMALL)
    assert main(["build", "small.arch", "--via", "keras", "-o", "out.onnx"]) == 0
    assert capsys.readouterr().err.startswith("out.onnx: Small, ")
    assert onnx.load("out.onnx").opset_import[0].version == 18
    assert main(["build", "small.arch", "--via", "keras", "-o", "out.onnx", "--opset", "17"]) == 0
    assert onnx.load("out.onnx").opset_import[0].version == 17
    capsys.readouterr()
    assert main(["build", "small.arch", "--via", "keras", "-o", "new.onnx", "--opset", "20"]) == 2
    assert "tf2onnx writes operator sets up to 18" in capsys.readouterr().err
    assert main(["build", "small.arch", "--via", "keras", "-o", "new.onnx", "--weights", "none"]) == 2
    assert not Path("new.onnx").exists()


def test_tensorflow_is_not_heard(tmp_path: Path) -> None:
    (tmp_path / "small.arch").write_text(SMALL)
    done = subprocess.run(
        [sys.executable, "-m", "archonnx", "build", "small.arch", "--via", "keras"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("Small.onnx: Small, ")
