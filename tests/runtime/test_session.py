"""Sessions: loading files of any origin, calling them, and what is said where that fails."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.errors import InputError, ModelFileError, RunError
from archonnx.runtime.loading import load as load_any
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.text.tokenizer import TokenizerError
from archonnx.runtime.translate import OLDEST_OPSET

BACKEND = Path(onnx.__file__).parent / "backend" / "test" / "data"


def f32(*shape: int) -> np.ndarray[Any, Any]:
    return np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)


def test_one_output_is_the_array_several_are_results(make: Any, load: Any) -> None:
    one = load(make({"x": ("float32", ["N", 2])}, "Neg"))
    np.testing.assert_array_equal(one(f32(3, 2)), -f32(3, 2))
    np.testing.assert_array_equal(one(x=[[1, 2]]), [[-1.0, -2.0]])
    nodes = [helper.make_node("Split", ["x"], ["left", "right"], axis=1, num_outputs=2)]
    outputs = {"left": ("float32", ["N", 1]), "right": ("float32", ["N", 1])}
    results = load(make({"x": ("float32", ["N", 2])}, nodes, outputs))({"x": f32(3, 2)})
    assert list(results) == ["left", "right"]
    assert results.right.tolist() == [[1.0], [3.0], [5.0]]


def test_a_session_tells_what_it_is(make: Any, load: Any) -> None:
    metadata = {
        "archonnx.version": "1",
        "archonnx.model": "Flowers",
        "archonnx.weights": "initial",
        "archonnx.states": json.dumps({"h_out": "h"}),
        "archonnx.asset.labels": "daisy\nrose\n",
        "archonnx.asset.raw": "base64:" + base64.b64encode(b"\xff\x00").decode(),
    }
    session = load(make({"x": ("float32", ["N", 2])}, "Neg", {"y": ("float32", ["N", 2])}, metadata=metadata))
    assert [str(s) for s in session.inputs] == ["x: float32[N, 2]"]
    assert [str(s) for s in session.outputs] == ["y: float32[N, 2]"]
    assert session.name == "Flowers"
    assert session.initial_weights
    assert session.states == {"h_out": "h"}
    assert session.labels == ["daisy", "rose"]
    assert session.assets["raw"] == b"\xff\x00"
    assert session.device == "cpu"
    assert session.providers == ("CPUExecutionProvider",)
    assert session.placement().nodes == {"CPUExecutionProvider": 1}
    assert session.metadata == metadata
    assert repr(session) == "<Session Flowers on cpu: (x: float32[N, 2]) -> (y: float32[N, 2])>"


def test_others_files_have_none_of_it(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N"])}))
    assert (session.name, session.labels, session.initial_weights, session.assets) == (None, None, False, {})


def test_the_tokenizer_travels_or_is_given(make: Any, load: Any) -> None:
    plain = make({"x": ("float32", ["N"])})
    assert load(plain).tokenizer is None
    session = load(make({"x": ("float32", ["N"])}, metadata={"archonnx.asset.tokenizer": "a\nb\n"}))
    assert session.tokenizer.encode("ba") == [1, 0]
    assert session.tokenizer is session.tokenizer
    assert load(plain, tokenizer=b"b\na\n").tokenizer.encode("ba") == [0, 1]
    damaged = load(make({"x": ("float32", ["N"])}, metadata={"archonnx.asset.tokenizer": "ab\n"}))
    with pytest.raises(TokenizerError, match="<bytes>, asset tokenizer, line 1: expected one character"):
        assert damaged.tokenizer
    with pytest.raises(FileNotFoundError):
        load(plain, tokenizer="nowhere.json")


def test_damaged_assets_are_named(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N"])}, metadata={"archonnx.asset.labels": "base64:?"}))
    with pytest.raises(ModelFileError, match=r"archonnx\.asset\.labels is damaged"):
        _ = session.labels


def test_paths_bytes_and_compiled_models_are_loaded(make: Any, tmp_path: Path) -> None:
    model = make({"x": ("float32", ["N"])}, "Neg")
    path = tmp_path / "größe 1.onnx"
    onnx.save(model, path)

    class CompiledModel:
        name = "Tiny"

        def save(self, target: Path, /) -> None:
            onnx.save(model, target)

    for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), CompiledModel()):
        assert load_any(source, "cpu")([1]).tolist() == [-1.0]
    with pytest.raises(UsageError, match="takes a path, bytes or a compiled model, received int"):
        load_any(3)  # type: ignore[arg-type]


def test_external_data_is_found_beside_the_file_or_named(make: Any, tmp_path: Path) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], f32(4).tobytes(), raw=True)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    path = tmp_path / "m.onnx"
    model = make({"x": ("float32", [4])}, [node], {"y": ("float32", [4])}, [weight])
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert load_any(path, "cpu")(np.zeros(4, np.float32)).tolist() == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(ModelFileError, match=r"its weights lie in another file, m\.data: load the model by its path"):
        load_any(path.read_bytes())
    data = tmp_path / "m.data"
    data.write_bytes(data.read_bytes()[:8])
    with pytest.raises(ModelFileError, match=r"cut short: .*m\.data has 8 bytes of 16"):
        load_any(path)
    data.unlink()
    with pytest.raises(ModelFileError, match=r"its weights are missing: expected the file .*m\.data beside it"):
        load_any(path)


@pytest.mark.parametrize("location", ["/etc/passwd", "../up.data"])
def test_external_data_outside_the_folder_is_refused(make: Any, tmp_path: Path, location: str) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], f32(4).tobytes(), raw=True)
    onnx.external_data_helper.set_external_data(weight, location, offset=0, length=16)
    weight.ClearField("raw_data")
    node = helper.make_node("Add", ["x", "w"], ["y"])
    path = tmp_path / "m.onnx"
    path.write_bytes(make({"x": ("float32", [4])}, [node], None, [weight]).SerializeToString())
    with pytest.raises(ModelFileError, match="lie outside its folder"):
        load_any(path)


def test_what_cannot_be_loaded_is_refused_in_one_line(make: Any, load: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_any(tmp_path / "missing.onnx")
    with pytest.raises(IsADirectoryError):
        load_any(tmp_path)
    with pytest.raises(ModelFileError, match="built without weights"):
        load(make({"x": ("float32", ["N"])}, metadata={"archonnx.version": "1", "archonnx.weights": "none"}))
    x = {"x": ("float32", ["N"])}
    with pytest.raises(ModelFileError, match=r"does not know the operator Foo \(node net/foo\)"):
        load(make(x, "Foo"))
    with pytest.raises(ModelFileError, match=r"ONNX IR version 99, onnxruntime .* reads up to \d+; update it"):
        load(make(x, ir_version=99))
    with pytest.raises(ModelFileError, match="uses opset 99, which onnxruntime"):
        load(make(x, opset=99))
    custom = make(x, [helper.make_node("Op", ["x"], ["y"], name="n", domain="com.example")])
    custom.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(ModelFileError, match=r"does not know the operator com\.example:Op"):
        load(custom)
    wrong = make({"x": ("float32", [2, 3])}, [helper.make_node("MatMul", ["x", "x"], ["y"], name="a/mm")])
    with pytest.raises(ModelFileError, match=r"Incompatible dimensions for matrix multiplication \(node a/mm\)$"):
        load(wrong)


def test_an_operator_without_implementation_is_the_machines_fault(make: Any, load: Any) -> None:
    model = make({"x": ("bfloat16", [1, 1, 4, 4])}, "GlobalMaxPool", opset=22)
    with pytest.raises(MachineError, match=r"has no implementation of GlobalMaxPool for .* on device cpu"):
        load(model)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("bfloat16", np.array([1, 2.5], ml_dtypes.bfloat16)),
        ("bfloat16", np.zeros(0, ml_dtypes.bfloat16)),
        ("float8e4m3fn", np.array([1, 2.5], ml_dtypes.float8_e4m3fn)),
        ("bfloat16", np.array(2.5, ml_dtypes.bfloat16)),
        ("float16", np.array([1, 2.5], np.float16)),
        ("string", np.array(["a", "é"], object)),
        ("bool", np.array([True, False])),
        ("uint64", np.array([2**64 - 1], np.uint64)),
        ("complex64", np.array([1 + 2j], np.complex64)),
    ],
)
def test_every_type_goes_in_and_comes_out(make: Any, load: Any, dtype: str, value: Any) -> None:
    if dtype == "complex64":
        with pytest.raises((MachineError, ModelFileError)):
            load(make({"x": (dtype, ["N"])}))
        return
    session = load(make({"x": (dtype, ["N"] * value.ndim)}))
    result = session(value)
    assert (result.dtype, result.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(result, value)


def test_foreign_types_go_beside_others(make: Any, load: Any) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT), helper.make_node("Add", ["a", "b"], ["y"])]
    session = load(make({"x": ("bfloat16", ["N"]), "b": ("float32", ["N"])}, nodes, {"y": ("float32", ["N"])}))
    assert session([1, 2], f32(2)[::-1]).tolist() == [2.0, 2.0]


def test_types_that_python_cannot_exchange_are_refused_at_once(make: Any, load: Any) -> None:
    wide, few = ("float32", ["N"]), ("int4", ["N"])
    cast = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    with pytest.raises(
        ModelFileError, match=r"its input x: int4\[N\] is of a type .*; put a Cast to int8 or float32 there$"
    ):
        load(make({"x": few}, cast, {"y": wide}))
    back = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT4)]
    with pytest.raises(ModelFileError, match=r"its output y: int4\[N\] is of a type"):
        load(make({"x": wide}, back, {"y": few}))


def test_arguments_of_other_types_are_refused(make: Any, load: Any) -> None:
    model = make({"x": ("float32", ["N"])})
    with pytest.raises(
        UsageError, match=r"^device=None: a device is a name, such as 'auto' or 'cpu'; a list of them is"
    ):
        load(model, None)
    with pytest.raises(UsageError, match=r"^device=\['cpu'\]: several devices are for a model in stages"):
        load(model, ["cpu"])
    with pytest.raises(UsageError, match=r"^tokenizer is the path of a file, or its bytes, received int$"):
        load(model, tokenizer=3)
    with pytest.raises(UsageError, match=r"received ModelProto; give its bytes: model\.SerializeToString\(\)$"):
        load_any(model)


def test_nodes_of_one_name_are_told_with_the_way_out(make: Any, load: Any) -> None:
    twice = [helper.make_node("Neg", ["x"], ["a"], name="n (1)"), helper.make_node("Neg", ["a"], ["y"], name="n (1)")]
    words = r'two of its nodes are called n \(1\), which onnxruntime refuses; .*, or none: node\.name = ""$'
    with pytest.raises(ModelFileError, match=words):
        load(make({"x": ("float32", ["N"])}, twice))


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="paths are Unicode there")
def test_a_path_that_is_no_utf8_is_told(make: Any, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.onnx")
    Path(path).write_bytes(make({"x": ("float32", ["N"])}).SerializeToString())
    with pytest.raises(
        ModelFileError, match=r"caf\\xe9\.onnx: its path is no UTF-8, .*; rename it, set a locale"
    ) as caught:
        load_any(path, "cpu")
    assert str(caught.value).isascii()


def test_graphs_that_are_insisted_on_need_cuda(make: Any, load: Any) -> None:
    model = make({"x": ("float32", ["N"])})
    assert load(model, graphs=False)([1.0]).tolist() == [1.0]
    with pytest.raises(MachineError, match=r'CUDA graphs are impossible: it runs on cpu; load it with graphs="auto"$'):
        load(model, graphs=True)


def test_data_without_a_purpose_are_refused(make: Any, load: Any) -> None:
    with pytest.raises(UsageError, match=r"^data is what max_error is measured on, or int8 calibrated: say max_error="):
        load(make({"x": ("float32", ["N"])}), data="missing.npz")


def test_arrays_of_any_layout_are_fine(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N", "M"])}, "Neg"))
    wide = f32(4, 6)
    frozen = f32(4, 6)
    frozen.flags.writeable = False
    for array in (wide[::2, ::-1], wide.T, frozen, wide.astype(">f4"), wide[:0]):
        np.testing.assert_array_equal(session(array), -array.astype(np.float32))


def test_a_failing_run_names_layer_and_line(make: Any, load: Any) -> None:
    node = helper.make_node("Add", ["a", "b"], ["y"], name="head/add")
    for key, value in (("layer", "head/add"), ("place", "m.arch:9:5"), ("trail", '["head, applied at m.arch:20:1"]')):
        node.metadata_props.add(key=f"archonnx.{key}", value=value)
    session = load(make({"a": ("float32", ["N"]), "b": ("float32", ["M"])}, [node]))
    with pytest.raises(RunError) as caught:
        session(f32(3), f32(2))
    assert str(caught.value) == (
        "<bytes>: the run failed: Add: Attempting to broadcast an axis by a dimension other than 1. 2 by 3 "
        "(in layer head/add at m.arch:9:5, head, applied at m.arch:20:1)"
    )
    assert caught.value.layer == "head/add"
    assert caught.value.place == "m.arch:9:5"
    assert caught.value.trail == ("head, applied at m.arch:20:1",)
    assert session(f32(2), f32(2)).tolist() == [0.0, 2.0]


def test_memory_that_is_not_there_is_the_machines_fault(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", [1]), "s": ("int64", [2])}, "Expand"))
    with pytest.raises(MachineError, match="not enough memory for this run: one tensor alone needs 16 TiB") as caught:
        session([1], [2**20, 2**22])
    assert caught.value.exit_code == 3


def test_inputs_are_checked_before_anything_runs(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N", 2])}))
    with pytest.raises(InputError):
        session(np.zeros((1, 2)))
    with pytest.raises(UsageError):
        session()
    assert session.last_time is None
    assert session.check([[1, 2]])["x"].dtype == np.float32


def test_a_call_is_timed(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N"])}))
    results, seconds = session.run_with_timing(f32(3))
    assert list(results) == ["y"]
    assert 0 < seconds < 60
    assert session.last_time == seconds


def test_a_closed_session_refuses_calls(make: Any, load: Any) -> None:
    with load(make({"x": ("float32", ["N"])})) as session:
        session(f32(1))
    session.close()
    with pytest.raises(UsageError, match="the session is closed"):
        session(f32(1))
    assert "closed" in repr(session)


def test_overridable_initializers_may_be_given(make: Any, load: Any) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    session = load(make({"x": ("float32", [2]), "w": ("float32", [2])}, "Add", initializers=[weight]))
    assert session([1, 1]).tolist() == [2.0, 3.0]
    assert session([1, 1], w=[0, 5]).tolist() == [1.0, 6.0]
    with pytest.raises(InputError, match="input w: expected"):
        session([1, 1], w=[0])


def test_optional_types_take_none(load: Any) -> None:
    inner = helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"])
    value = helper.make_value_info("x", helper.make_optional_type_proto(inner))
    node = helper.make_node("OptionalHasElement", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [value], [helper.make_tensor_value_info("y", TensorProto.BOOL, [])])
    session = load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    assert session.inputs[0].type == "optional(float32[N])"
    assert not session(None)
    assert not session()
    assert session([1.0])


def test_sequences_are_lists_of_arrays(load: Any) -> None:
    inner = helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"])
    value = helper.make_value_info("x", helper.make_sequence_type_proto(inner))
    node = helper.make_node("ConcatFromSequence", ["x"], ["y"], axis=0)
    graph = helper.make_graph([node], "g", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["M"])])
    session = load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    assert session([[1, 2], f32(1)]).tolist() == [1.0, 2.0, 0.0]
    with pytest.raises(InputError, match=r"expected sequence\(float32\[N\]\), a list of arrays, received ndarray"):
        session(f32(1))
    with pytest.raises(InputError, match="received float64"):
        session([np.zeros(1)])


def test_the_choice_of_a_device_is_logged(make: Any, load: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        load(make({"x": ("float32", ["N"])}))
    assert [r.getMessage() for r in caplog.records] == ["<bytes> runs on cpu: asked for"]


def test_nothing_is_printed_whatever_fails(make: Any, load: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelFileError):
        load(make({"x": ("float32", ["N"])}, "Foo"))
    session = load(make({"x": ("float32", ["N"]), "s": ("int64", [2])}, "Reshape"))
    with pytest.raises(RunError, match="cannot be reshaped"):
        session(f32(2), [3, 3])
    out, err = capfd.readouterr()
    assert out == err == ""


EXCLUDED = {
    "test_gradient_of_add": "training operators, which onnxruntime's inference does not have",
    "test_sequence_model": "its data files hold sequences, which this test does not read",
    "test_strnorm_model_monday": "some of them need the locale en_US.UTF-8, which not every machine has",
}
CASES = [path.parent for path in sorted(BACKEND.glob("*/*/model.onnx")) if (path.parent / "test_data_set_0").is_dir()]
WANTED = [case for case in CASES if not case.name.startswith(tuple(EXCLUDED))]
OLD = [case for case in WANTED if read_model(case / "model.onnx").opsets[""] < OLDEST_OPSET]
NEW = [case for case in WANTED if case not in OLD]


def read(case: Path, kind: str) -> list[Any]:
    files = sorted((case / "test_data_set_0").glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes())) for path in files]


@pytest.mark.parametrize("case", NEW, ids=lambda case: case.name)
def test_models_of_others_give_what_their_makers_say(case: Path) -> None:
    check(case, load_any(case / "model.onnx", "cpu"))


def check(case: Path, session: Any) -> None:
    results, _ = session.run_with_timing(*read(case, "input"))
    for got, expected in zip(results.values(), read(case, "output"), strict=True):
        assert got.dtype == expected.dtype
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)
        else:
            np.testing.assert_array_equal(got, expected)


def test_models_too_old_for_onnxruntime_are_converted_or_say_so(caplog: pytest.LogCaptureFixture) -> None:
    refused = []
    for case in OLD:
        try:
            session = load_any(case / "model.onnx", "cpu")
        except ModelFileError as error:
            assert re.search(r"it uses opset \d, onnxruntime implements .* convert it with onnx", str(error))
            refused.append(case.name)
        else:
            check(case, session)
    assert all("multiparam" in name for name in refused)  # PRelu by channel, which onnx's converter spoils
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert 0 < len(told) < len(OLD)  # onnxruntime has kernels for some that are as old
    assert all(line.endswith("it was converted to opset 7 for this session") for line in told)


def test_an_old_model_that_cannot_be_converted_says_what_to_do(make: Any, load: Any) -> None:
    node = onnx.helper.make_node("Softsign", ["x"], ["y"])
    old = make({"x": ("float32", [2])}, [node], {"y": ("float32", [2])}, opset=6, ir_version=3)
    assert load(old)(f32(2)).shape == (2,)
    node = onnx.helper.make_node("Upsample", ["x"], ["y"], width_scale=2.0, height_scale=2.0)
    old = make({"x": ("float32", [1, 1, 2, 2])}, [node], {"y": ("float32", None)}, opset=1, ir_version=3)
    with pytest.raises(ModelFileError, match=r"it uses opset 1, .* convert it with onnx"):
        load(old)


def test_a_number_stays_a_number_in_runs_that_follow_one_another(make: Any, load: Any) -> None:
    """As one array [1] it would give its result an axis that the model does not have."""
    session = load(make({"x": ("float32", [])}, "Neg", {"y": ("float32", [])}))
    found, _ = session._engine.step({"x": np.array(2, np.float32)}, {}, "y", [])
    assert (found.shape, found.item()) == ((), -2)
