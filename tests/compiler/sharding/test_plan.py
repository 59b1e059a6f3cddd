"""Plans of stages: what layers cost, what crosses, what does not fit, and what is said of all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.analysis.memory import activation_peak_bytes
from archonnx.compiler.sharding.plan import DoesNotFit, begins_of, plan_shards
from archonnx.compiler.sharding.plan_file import as_json, cuts_of, read_cuts
from archonnx.compiler.sharding.plan_text import plan_lines, seconds_text
from archonnx.contract.diagnostics import ArchonnxError, UsageError

CHAIN = "model Chain():\n    input x: float32[N, 16]\n" + "    Dense(16)\n" * 6 + "    output y\n"
SKIP = """\
model Skip():
    input x: float32[N, T, 8]
    a = x -> Dense(32)
    b = a -> Dense(64)
    c = b -> Dense(16)
    output y = (c -> Dense(32)) + a
"""
TIED = """\
model Tied():
    input tokens: int64[N, T]
    words = ReversibleEmbedding(100, 16)
    x = tokens -> words -> Dense(16) -> Dense(16)
    output scores = (x, reverse=True) -> words
"""
STATES = """\
model Going():
    input x: float32[N, T, 4]
    input h[3]: float32[N, 8]
    hs = []
    for i in range(3):
        (x, hi) = (x, h[i]) -> GRU(8, return_sequences=True, return_state=True)
        hs = hs + [hi]
    output y = x -> Dense(2)
    output state h = hs
"""


def test_layers_are_cut_evenly() -> None:
    plan = plan_shards(archonnx.compile(text=CHAIN).graph, 3)
    assert [(s.first, s.last, s.layers) for s in plan.stages] == [
        ("dense", "dense_1", 2),
        ("dense_2", "dense_3", 2),
        ("dense_4", "dense_5", 2),
    ]
    assert [s.parameters for s in plan.stages] == [2 * (16 * 16 + 16)] * 3
    assert [s.weights for s in plan.stages] == [2 * 4 * (16 * 16 + 16)] * 3
    assert [s.macs for s in plan.stages] == [2 * 16 * 16] * 3
    assert [s.activations for s in plan.stages] == [2 * 16 * 4] * 3
    assert [(link.after, link.nbytes) for link in plan.links] == [(1, 64), (2, 64)]
    assert plan.stages[1].lines == ("text.arch:5", "text.arch:6")


def test_one_device_has_the_whole_and_the_peak_that_summary_tells() -> None:
    model = archonnx.compile("zoo:dnn")
    plan = plan_shards(model.graph, 1)
    (stage,) = plan.stages
    assert stage.activations == activation_peak_bytes(model.graph)
    assert stage.parameters == model.summary().parameters.total
    assert (stage.memory_share, stage.work_share, plan.links, plan.traffic) == (1.0, 1.0, (), 0)


def test_a_value_that_goes_on_counts_on_each_link() -> None:
    model = archonnx.compile(text=SKIP)
    plan = plan_shards(model.graph, 4, bind={"T": 10}, batch=2)
    assert plan.sizes == {"N": 2, "T": 10}
    assert [s.first for s in plan.stages] == ["dense", "dense_1", "dense_2", "dense_3"]
    rows = 2 * 10 * 4
    assert [link.nbytes for link in plan.links] == [32 * rows, (32 + 64) * rows, (32 + 16) * rows]
    skip = plan.links[1].crossings[0]
    assert (skip.value, skip.type, skip.made, skip.read) == ("dense", "float32[N, T, 32]", 1, (2, 4))
    assert plan.traffic == sum(link.nbytes for link in plan.links)


def test_a_tied_weight_is_held_by_each_stage_that_uses_it() -> None:
    plan = plan_shards(archonnx.compile(text=TIED).graph, 2, bind={"T": 4})
    assert [s.tied for s in plan.stages] == [("words/embeddings",)] * 2
    assert sum(s.parameters for s in plan.stages) == 2 * 1600 + 2 * (16 * 16 + 16)
    said = "\n".join(plan_lines(plan, 8))
    assert "words/embeddings is counted and stored in each stage that uses it: 1, 2" in said


def test_states_stay_with_their_next_values() -> None:
    model = archonnx.compile(text=STATES)
    plan = plan_shards(model.graph, 3, bind={"T": 5})
    assert [s.states for s in plan.stages] == [2 * 8 * 4] * 3
    assert all("h" not in crossing.value.split("_") for link in plan.links for crossing in link.crossings)


def test_half_precision_halves_floats_alone() -> None:
    model = archonnx.compile(text=TIED)
    whole, half = (plan_shards(model.graph, 2, bind={"T": 4}, precision=p) for p in ("float32", "float16"))  # type: ignore[arg-type]
    assert [s.weights for s in half.stages] == [s.weights // 2 for s in whole.stages]
    assert half.links[0].crossings[0].type.startswith("float16[")


def test_times_follow_from_work_and_bytes() -> None:
    plan = plan_shards(archonnx.compile(text=CHAIN).graph, 3, bandwidth=1000, flops=1024.0)
    assert [s.seconds for s in plan.stages] == [1.0, 1.0, 1.0]
    assert [link.seconds for link in plan.links] == [0.064, 0.064]
    assert plan.latency == pytest.approx(3.128)
    assert plan.slowest == 1.0
    assert plan.pipelined(4) == (pytest.approx(1.5), pytest.approx(2 / 6))
    assert "one call alone: 3.13 s" in "\n".join(plan_lines(plan, 4))


def test_what_does_not_fit_says_what_would() -> None:
    graph = archonnx.compile(text=CHAIN).graph
    each = 4 * (16 * 16 + 16)
    with pytest.raises(DoesNotFit) as caught:
        plan_shards(graph, 2, memory=2 * each + 128)
    assert (caught.value.missing, caught.value.least) == (each, 3)
    assert "3 devices would do" in str(caught.value)
    assert [s.layers for s in plan_shards(graph, 3, memory=2 * each + 128).stages] == [2, 2, 2]


def test_a_layer_that_no_device_holds_is_named() -> None:
    with pytest.raises(
        DoesNotFit, match=r"fits on no number of devices of 500 bytes: dense \(text.arch:3:5\)"
    ) as caught:
        plan_shards(archonnx.compile(text=CHAIN).graph, 2, memory=500)
    assert caught.value.least is None


@pytest.mark.parametrize(("devices", "memory"), [(2, 100), (1, 5000)])
def test_what_does_not_fit_says_which_sizes_were_guessed(devices: int, memory: int) -> None:
    text = "model A():\n    input x: float32[N, T, 8]\n    Dense(8)\n    Dense(8)\n"
    with pytest.raises(DoesNotFit, match=r"; T=128 guessed, --bind T=SIZE says otherwise$"):
        plan_shards(archonnx.compile(text=text).graph, devices, memory=memory)
    with pytest.raises(DoesNotFit, match=r"(too many|would do)$"):
        plan_shards(archonnx.compile(text=text).graph, devices, memory=memory, bind={"T": 128})


@pytest.mark.parametrize(
    ("devices", "more", "said"),
    [
        (0, {}, "devices is a whole number of at least 1, received 0"),
        (True, {}, "devices is a whole number of at least 1"),
        (7, {}, "Chain has 6 layers; it cannot take 7 devices"),
        (2, {"bind": {"T": 3}}, "the model has no symbol T; it has N"),
        (2, {"bind": {"N": 0}}, "--bind N=0: N is at least 1"),
        (2, {"precision": "int8"}, "precision 'int8': it is one of float32, float16, bfloat16"),
        (2, {"memory": 0}, "memory is a number above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(devices: int, more: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        plan_shards(archonnx.compile(text=CHAIN).graph, devices, **more)  # type: ignore[arg-type]


def test_guessed_sizes_are_ones_that_the_model_takes() -> None:
    small = archonnx.compile("zoo:gpt2", "GPT2", layers=1, width=8, heads=2, vocabulary=20, context=24)
    plan = plan_shards(small.graph, 2)
    assert plan.guessed == ("T",)
    assert plan.sizes == {"B": 1, "T": 16}
    assert "T: guessed; --bind T=SIZE says otherwise" in plan_lines(plan, 8)
    with pytest.raises(UsageError, match="there are 24 positions"):
        plan_shards(small.graph, 2, bind={"T": 25})


def test_a_plan_is_read_back_and_known_by_its_layers(tmp_path: Path) -> None:
    graph = archonnx.compile(text=CHAIN).graph
    plan = plan_shards(graph, 3)
    path = tmp_path / "plan.json"
    path.write_text(as_json(plan, 8))
    cuts = read_cuts(path)
    assert cuts == cuts_of(plan)
    assert begins_of(graph, cuts.model, cuts.layers, cuts.begins) == [0, 2, 4]
    other = archonnx.compile(text=CHAIN.replace("Dense(16)", "Dense(16, name='first')", 1)).graph
    with pytest.raises(UsageError, match=r"plan\.json: the plan is of Chain as it was, or of another model"):
        begins_of(other, cuts.model, cuts.layers, cuts.begins, cuts.file)
    with pytest.raises(UsageError, match=r"^the plan is of Chain as it was, or of another model"):
        begins_of(other, cuts.model, cuts.layers, cuts.begins)
    with pytest.raises(UsageError, match="no layers of the model, one after the other"):
        begins_of(graph, cuts.model, cuts.layers, ("dense", "dense_3", "dense_1"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "no JSON"),
        ("[1]", "no plan of archonnx plan-shards"),
        ('{"archonnx.plan-shards": 9}', "form 9, this archonnx reads 1"),
        ('{"archonnx.plan-shards": 1, "model": "A"}', "the plan is damaged"),
        ('{"archonnx.plan-shards": 1, "model": "A", "layers": "", "stages": []}', "no stages"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ArchonnxError, match=said):
        read_cuts(path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, found: object) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_text(json.dumps({"archonnx.plan-shards": 1, "stages": found, "model": found, "layers": "x"}))
    try:
        assert read_cuts(path).begins
    except ArchonnxError as error:
        assert "\n" not in str(error)


def test_the_whole_of_gpt3_is_planned() -> None:
    """350 GB of weights on eight devices: twelve layers each, what crosses is the hidden values."""
    graph = archonnx.compile("zoo:gpt3", "GPT3_175B").graph
    plan = plan_shards(graph, 8, memory=80_000_000_000, bind={"T": 2048}, precision="float16")
    assert 349e9 < sum(s.weights for s in plan.stages) < 352e9
    assert max(s.memory for s in plan.stages) < 46e9
    assert {max(c.nbytes for c in link.crossings) for link in plan.links} == {2048 * 12288 * 2}
    with pytest.raises(DoesNotFit, match="5 devices would do"):
        plan_shards(graph, 4, memory=80_000_000_000, precision="float16")


@pytest.mark.parametrize(("seconds", "text"), [(2.5, "2.5 s"), (0.00201, "2.01 ms"), (1e-7, "0.1 us"), (0.0, "0 us")])
def test_seconds_have_three_figures(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
