"""Times and work, carried back to lines; sums that are the whole; MACs against the compiler's own count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from profiled_models import CELL, LOOPED, Profiles

import archonnx
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.devices import CPU, CUDA, OPENVINO, OPENVINO_ALONE, TENSORRT, Choice, Provider
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.profiling.ceilings import Ceilings, measure
from archonnx.runtime.profiling.measured import watched_choice
from archonnx.runtime.profiling.profile import Bound, Line, Profile, TimedNode, bound_of

BERT: dict[str, Any] = {"layers": 2, "width": 32, "heads": 2, "vocabulary": 50}


def lines_of(profile: Profile, file: str) -> dict[int, Line]:
    return profile.lines()[file]


def numbered(project: Path, file: str, text: str) -> int:
    """The number of the line of a zoo's file that holds a text."""
    lines = (project / "models" / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def shown(profile: Profile) -> float:
    lines = [line for found in profile.lines().values() for line in found.values()]
    rest = sum(node.seconds for node in profile.elsewhere())
    return sum(line.seconds for line in lines) + rest + profile.between


@pytest.mark.parametrize(
    ("text", "model", "parameters"),
    [
        (LOOPED, None, {}),
        (CELL, None, {}),
        ("dnn.arch", None, {}),
        ("bert.arch", "SentenceBERT", BERT),
        ("lstm.arch", "TextClassifier", {"vocabulary": 50, "width": 8, "units": 8}),
    ],
)
def test_lines_sum_up_to_the_whole(profiles: Profiles, text: str, model: str | None, parameters: Any) -> None:
    profile = profiles(text, model, **parameters)
    assert profile.runs == 2
    assert shown(profile) == pytest.approx(profile.total)
    assert sum(profile.one(node).share for node in profile.nodes) == pytest.approx(1 - profile.between / profile.total)
    assert sum(one.seconds for one in profile.operators()) == pytest.approx(profile.total - profile.between)
    tops = [one for path, one in profile.scopes().items() if len(path) == 1]
    assert sum(one.seconds for one in tops) == pytest.approx(profile.total - profile.between)
    assert all(node.seconds >= 0 for node in profile.nodes)


def test_each_layer_of_the_dnn_has_its_line(profiles: Profiles, project: Path) -> None:
    profile = profiles("dnn.arch")
    lines = lines_of(profile, "dnn.arch")
    assert sorted(lines) == list(range(4, 13)), "the layers, and no other line"
    operators = {n.place.split(":")[1]: n.operator for n in profile.nodes if n.place and n.operator != "Transpose"}
    assert operators["6"].endswith("Conv")
    assert operators["7"] == "MaxPool"
    assert operators["11"].endswith("Gemm")
    whole = archonnx.compile(project / "models" / "dnn.arch").summary()
    assert profile.whole.macs == whole.macs
    assert lines[6].macs == 9 * 256 * 128 * 128 * 128
    assert {number for number, line in lines.items() if line.macs} == {4, 6, 8, 11, 12}


def test_a_loop_sums_up_where_its_layers_stand(profiles: Profiles) -> None:
    profile = profiles(LOOPED)
    lines = lines_of(profile, "text.arch")
    dense, call = lines[3], lines[9]
    assert dense.count == 3 * 2, "Dense and ReLU, three times"
    assert dense.macs == 3 * 128 * 8 * 8
    assert call.seconds == 0.0
    assert call.count == 3
    assert call.inside == pytest.approx(lines[3].seconds + lines[4].seconds)
    assert call.macs == dense.macs
    assert lines[10].inside == 0.0


def test_a_body_has_its_lines_and_its_time_once(profiles: Profiles) -> None:
    profile = profiles(CELL)
    lines = lines_of(profile, "text.arch")
    steps = {node.operator: node.calls for node in profile.nodes}
    assert steps["Scan"] == 1
    assert steps["Gemm"] == 128, "one a step"
    assert lines[4].macs == 128 * 4 * 4
    assert lines[10].inside == pytest.approx(lines[4].seconds)


def test_bert_by_lines(profiles: Profiles, project: Path) -> None:
    profile = profiles("bert.arch", "SentenceBERT", **BERT)
    lines = lines_of(profile, "bert.arch")
    attention = numbered(project, "bert.arch", "MultiHeadAttention(heads")
    thought = numbered(project, "bert.arch", 'name="expand"')
    applied = numbered(project, "bert.arch", "-> layer(heads, inner, dropout)")
    assert (lines[attention].count, lines[thought].count, lines[applied].count) == (2, 4, 2)
    assert lines[applied].macs == (lines[attention].macs or 0) + (lines[thought].macs or 0)
    assert lines[thought].macs == 2 * 2 * 128 * 32 * 128, "layers, two each, tokens, width, inner"
    norms = [node for node in profile.nodes if node.operator == "SkipLayerNormalization"]
    assert norms
    assert all(node.place and node.layer and "layer_normalization" in node.layer for node in norms)


def test_an_lstm_stands_at_its_line(profiles: Profiles, project: Path) -> None:
    profile = profiles("lstm.arch", "TextClassifier", vocabulary=50, width=8, units=8)
    lines = lines_of(profile, "lstm.arch")
    first = numbered(project, "lstm.arch", "return_sequences=True))")
    macs = 2 * 128 * 4 * 8 * (8 + 8)  # directions, steps, gates, units, inputs and units
    assert lines[first].macs == macs
    assert lines[first].count == 1


def test_what_is_fused_says_where(profiles: Profiles) -> None:
    text = """model Fused():
    input x: float32[N, 8, 8, 4]
    Conv2D(16, 3)
    BatchNormalization()
    ReLU()
    output y
"""
    profile = profiles(text)
    lines = lines_of(profile, "text.arch")
    assert lines[3].seconds > 0
    assert lines[4].note == "in 3", "a normalization is part of the convolution"
    (convolution,) = (node for node in profile.nodes if node.operator.endswith("Conv"))
    assert convolution.place == "text.arch:3:5"
    assert "BatchNormalization" in {part.operator for part in convolution.parts}
    assert "in 3" in profile.text()


def test_two_profiles_tell_the_same_apart_from_times(profiles: Profiles, tmp_path: Path) -> None:
    archonnx.compile(text=LOOPED).save(tmp_path / "m.onnx")
    with archonnx.load(tmp_path / "m.onnx", "cpu", threads=1) as session:
        x = np.ones((1, 128, 8), np.float32)
        found = [session.profile(x, runs=1), session.profile(x, runs=1)]
    told = [[(n.name, n.operator, n.place, n.macs, n.moved, n.calls, n.parts) for n in p.nodes] for p in found]
    assert told[0] == told[1]
    assert found[0].html() == found[0].html()
    assert json.dumps(found[0].json()) == json.dumps(found[0].json())


def plain(path: Path, name: str = "net/scope/matmul") -> None:
    """x @ w, then a sum without a name, in a file of somebody else."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], name=name), helper.make_node("Add", ["h", "h"], ["y"])]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", s]) for n, s in (("x", 5), ("y", 3))]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [5, 3], np.ones(15, np.float32))
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_a_model_of_others(tmp_path: Path) -> None:
    plain(tmp_path / "m.onnx")
    with archonnx.load(tmp_path / "m.onnx", "cpu") as session:
        profile = session.profile(np.ones((7, 5), np.float32), runs=1)
        with pytest.raises(InputError, match="axis 1 is 5, not 4"):
            session.profile(np.ones((7, 4), np.float32))
    assert profile.whole.macs == 7 * 5 * 3
    assert profile.sources == {}
    assert profile.unsourced is None
    assert ("net", "scope", "matmul") in profile.scopes()
    assert profile.view(None) == "scope"
    with pytest.raises(UsageError, match="no lines to show: the model has no source"):
        profile.text("line")
    with pytest.raises(UsageError, match="by line, scope, node, operator, received 'colour'"):
        profile.text("colour")  # type: ignore[arg-type]
    assert "MatMul net/scope/matmul" in profile.text("node")


def test_a_model_that_is_older_than_the_kernels_is_profiled_as_it_is_loaded(caplog: pytest.LogCaptureFixture) -> None:
    path = Path(onnx.__file__).parent / "backend/test/data/pytorch-converted/test_GLU_dim/model.onnx"
    profile = archonnx.load(path, "cpu").profile()
    assert profile.seconds > 0
    assert "is of opset 6, which onnxruntime does not implement: it was converted" in caplog.text


def test_the_source_is_found_as_long_as_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "looped.arch"
    source.write_text(LOOPED, encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    model = tmp_path / "m.onnx"
    archonnx.compile(source).save(model)

    def profile() -> Profile:
        with archonnx.load(model, "cpu") as session:
            return session.profile(runs=1)

    found = profile()
    assert found.unsourced is None
    assert found.sources == {"looped.arch": LOOPED}
    source.write_text(LOOPED.replace("Dense(4)", "Dense(4)  # changed"), encoding="utf-8")
    found = profile()
    assert found.sources == {}
    assert f"{source} has changed since" in str(found.unsourced)
    source.unlink()
    assert "looped.arch is not there" in str(profile().unsourced)
    Path("looped.arch").write_text(LOOPED.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert profile().unsourced is None, "here, and with other ends of lines"


def test_the_source_of_a_model_that_ships_is_at_hand(tmp_path: Path, project: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    archonnx.compile(project / "models" / "gates.arch", "XOR").save(tmp_path / "xor.onnx")
    with archonnx.load(tmp_path / "xor.onnx", "cpu") as session:
        found = session.profile(np.zeros((1, 2), np.float32), runs=1)
    assert found.unsourced is None
    assert found.sources["gates.arch"] == (project / "models" / "gates.arch").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("choice", "rounding", "provider", "precision"),
    [
        (Choice("cpu", (CPU,)), 0, CPU, "float32"),
        (Choice("cpu", (CPU,), precision="int8"), 3, CPU, "int8"),
        (Choice("cpu", (CPU,), precision="int8"), 0, CPU, "float32"),
        (Choice("cuda", (CUDA, CPU)), 0, CUDA, "float32"),
        (Choice("cuda", (CUDA, CPU), precision="tf32"), 0, CUDA, "tf32"),
        (Choice("cuda", (CUDA, CPU), precision="float16"), 0, CUDA, "float32"),
        (Choice("tensorrt", (TENSORRT, CUDA, CPU)), 0, CUDA, "float32"),
        (Choice("openvino", (OPENVINO, CPU), precision="bfloat16"), 0, CPU, "float32"),
        (Choice("openvino", (OPENVINO_ALONE,), precision="bfloat16"), 0, OPENVINO_ALONE, "bfloat16"),
        (Choice("openvino", (OPENVINO_ALONE,), precision="int8"), 0, OPENVINO_ALONE, "float32"),
    ],
)
def test_whose_kernels_are_watched(choice: Choice, rounding: int, provider: Provider, precision: str) -> None:
    found = watched_choice(ModelFile("m.onnx", rounding=rounding), choice)
    assert found.providers[0] is provider
    assert found.precision == precision


def test_a_profile_runs_a_file(tmp_path: Path) -> None:
    compiled = archonnx.compile(text=LOOPED)
    with archonnx.load(compiled, "cpu") as session, pytest.raises(UsageError, match="save it, and load the file"):
        session.profile()
    compiled.save(tmp_path / "m.onnx")
    with archonnx.load(tmp_path / "m.onnx", "cpu") as session:
        for wrong in (0, 1001, True, 1.5):
            with pytest.raises(UsageError, match="runs is a whole number from 1 to 1000, received"):
                session.profile(runs=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="closed"):
        session.profile()


def node(seconds: float, macs: int | None, moved: int | None) -> TimedNode:
    return TimedNode("n", "MatMul", "CPU", None, None, None, (), seconds, 1, macs, moved)


def test_what_bounds_a_node() -> None:
    here = Ceilings(compute=1e9, memory=1e9)
    assert bound_of([node(1.0, 400_000_000, 10)], here) == Bound("compute", pytest.approx(0.8))
    assert bound_of([node(1.0, 0, 500_000_000)], here) == Bound("memory", 0.5)
    assert bound_of([node(1.0, 1, 90_000_000)], here) == Bound("overhead", pytest.approx(0.09))
    both = [node(1.0, 400_000_000, 10), node(1.0, 0, 900_000_000)]
    assert bound_of(both, here) == Bound("memory", pytest.approx(0.85)), "the one that takes more of the time"
    assert bound_of([node(1.0, None, None)], here) is None
    assert bound_of([node(0.0, 0, 8)], here) is None
    assert str(Bound("compute", 0.834)) == "compute 83%"
    assert str(Bound("overhead", 0.03)) == "overhead"


def test_ceilings_are_measured() -> None:
    found = measure("cpu", 1)
    assert 1e8 < found.compute < 1e14
    assert 1e8 < found.memory < 1e13
    assert found.least(10, 10) == (20 / found.compute, 10 / found.memory)
