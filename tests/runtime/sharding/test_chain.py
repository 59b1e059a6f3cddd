"""Models in stages run as the whole does: models that ship, random ones, in threads, in parts, on several devices."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.artifact import CompiledModel
from archonnx.compiler.sharding.costs import Sizes, count_costs, join
from archonnx.compiler.sharding.plan import digest_of_layers
from archonnx.compiler.sharding.plan_file import Cuts
from archonnx.compiler.sharding.saving import save_shards
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.shards import ManifestError, read_manifest
from archonnx.runtime.errors import InputError, RunError
from archonnx.runtime.sharding.session import ChainSession

sys.path.insert(0, str(Path(__file__).parents[2] / "compiler" / "random"))

from architectures import LAYERS, Writer, size_of

SMALL_GPT2: dict[str, Any] = {"layers": 3, "width": 16, "heads": 2, "vocabulary": 50, "context": 32}
SMALL_LLAMA: dict[str, Any] = {"layers": 3, "width": 16, "heads": 4, "shared": 2, "inner": 24, "vocabulary": 50}
MODELS: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
    ("dnn", "DNN", {}, {}),
    ("resnet", "ResNet18", {"classes": 10}, {}),
    ("unet", "UNet", {"width": 4}, {"H": 32, "W": 48}),
    ("bert", "SentenceBERT", {"layers": 2, "width": 32, "heads": 2, "vocabulary": 99}, {"T": 7}),
    ("gpt2", "GPT2", {**SMALL_GPT2}, {"T": 6}),
    ("gpt2", "GPT2", {**SMALL_GPT2, "cache": True}, {"T": 2, "P": 5}),
    ("llama", "Llama", {**SMALL_LLAMA, "cache": True}, {"T": 2, "P": 5}),
    ("lstm", "TextClassifier", {"vocabulary": 50, "width": 8, "units": 6}, {"T": 9}),
    ("lstm", "SmallCharacterModel", {}, {"T": 4}),
]


def feeds(model: CompiledModel, sizes: dict[str, int], batch: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    found: dict[str, Any] = {}
    for one in model.graph.inputs:
        shape = [
            size if isinstance(size, int) else size.evaluate({"N": batch, "B": batch, **sizes})
            for size in one.value.type.shape
        ]
        dtype = one.value.type.dtype
        found[one.name] = (
            rng.standard_normal(shape).astype(dtype)
            if dtype.startswith("float")
            else np.ones(shape, dtype)
            if one.name in ("attention_mask", "token_type_ids")
            else rng.integers(0, 20, shape).astype(dtype)
        )
    return found


def saved(model: CompiledModel, folder: Path, stages: Any) -> tuple[Path, Path]:
    whole, manifest = folder / "m.onnx", folder / "m.shards.json"
    model.save(whole)
    save_shards(model, manifest, stages)
    return whole, manifest


def error(y: Any, reference: Any) -> float:
    wide = [np.asarray(each, np.float64) for each in (y, reference)]
    if not wide[0].size:
        return 0.0
    return float(np.abs(wide[0] - wide[1]).max() / max(1e-6, np.abs(wide[1]).max()))


@pytest.mark.parametrize(("file", "name", "arguments", "sizes"), MODELS, ids=lambda x: x if isinstance(x, str) else "")
@pytest.mark.parametrize("stages", [2, 3])
def test_models_that_ship_give_the_same_in_stages(
    file: str, name: str, arguments: dict[str, Any], sizes: dict[str, int], stages: int, tmp_path: Path
) -> None:
    model = archonnx.compile(f"zoo:{file}", name, **arguments)
    whole, manifest = saved(model, tmp_path, stages)
    given = feeds(model, sizes, batch=1 if file == "dnn" else 2)
    with archonnx.load(whole, "cpu") as one, archonnx.load(manifest, ["cpu"] * stages) as chain:
        assert isinstance(chain, ChainSession)
        assert len(chain.stages) == stages
        assert [str(spec) for spec in chain.inputs] == [str(spec) for spec in one.inputs]
        assert [str(spec) for spec in chain.outputs] == [str(spec) for spec in one.outputs]
        assert chain.states == one.states
        expected, _ = one.run_with_timing(given)
        found, _ = chain.run_with_timing(given)
        assert list(found) == list(expected)
        assert max(error(found[key], expected[key]) for key in expected) <= 1e-6
        assert len(chain.stage_times) == stages
        assert all(array.flags.writeable for array in found.values())
        assert chain.whole_batch == one.whole_batch
        assert chain.placement().sizes == one.placement().sizes


@settings(max_examples=25, database=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_random_models_give_the_same_wherever_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    writer = Writer(
        seed, [each for each in LAYERS if "Embedding" not in each.__name__ and each.__name__ != "MelSpectrogram"]
    )
    writer.grow(6)
    model = archonnx.compile(text=writer.close())
    places = range(1, len(model.graph.nodes))
    cuts = sorted(data.draw(st.sets(st.sampled_from(places), max_size=3))) if places else []
    names = tuple(model.graph.nodes[place].name for place in [0, *cuts])
    given_ = {
        one.name: np.random.default_rng(5)
        .uniform(-1, 1, [size_of(d) for d in one.value.type.shape])
        .astype(one.value.type.dtype)
        if one.value.type.dtype.startswith("float")
        else np.zeros([size_of(d) for d in one.value.type.shape], one.value.type.dtype)
        for one in model.graph.inputs
    }
    whole, manifest = saved(
        model, tmp_path_factory.mktemp("cut"), Cuts(model.name, digest_of_layers(model.graph), names)
    )
    with archonnx.load(whole, "cpu") as one, archonnx.load(manifest, "cpu") as chain:
        expected, found = one.run_with_timing(given_)[0], chain.run_with_timing(given_)[0]
        for key in expected:
            assert found[key].dtype == expected[key].dtype
            assert np.allclose(found[key], expected[key], rtol=1e-5, atol=1e-6, equal_nan=True)


CHAIN = "model Chain():\n    input x: float32[N, 16]\n" + "    Dense(16, activation='tanh')\n" * 4 + "    output y\n"


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    saved(archonnx.compile(text=CHAIN), tmp_path, 4)
    return tmp_path / "m.shards.json"


def test_a_chain_takes_what_a_session_takes(chain: Path) -> None:
    x = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    with archonnx.load(chain.with_name("m.onnx"), "cpu") as one, archonnx.load(chain, "cpu") as session:
        y = one(x)
        assert np.array_equal(session(x=x), y)
        assert np.array_equal(asyncio.run(session.arun(x)), y)
        out = np.empty_like(y)
        assert session(x, out=out) is out
        assert np.array_equal(out, y)
        with pytest.raises(UsageError, match="shape"):
            session(x, out=np.empty((4, 16), np.float32))
        bound = session.bind(x)
        bound()
        assert np.array_equal(bound.outputs["y"], y)
        with pytest.raises(InputError, match="expected float32"):
            session(x.astype(np.float64) * 1.1)
        assert session.name == "Chain"
        assert "ChainSession of 4 stages, Chain on cpu" in repr(session)
    with pytest.raises(UsageError, match="the session is closed"):
        session(x)


def test_a_profile_is_one_of_each_stage(chain: Path) -> None:
    with archonnx.load(chain, "cpu", batch=2) as session:
        found = session.profile(np.ones((3, 16), np.float32), runs=2)
        assert [profile.runs for profile in found.stages] == [2] * 4  # type: ignore[attr-defined]
        layers = [{node.layer for node in profile.nodes} for profile in found.stages]  # type: ignore[attr-defined]
        assert [min(filter(None, each)) for each in layers] == ["dense", "dense_1", "dense_2", "dense_3"]
        assert found.seconds == pytest.approx(sum(profile.seconds for profile in found.stages))  # type: ignore[attr-defined]
        assert "stage 4 of 4, " in str(found)


def test_nothing_is_kept_that_no_later_stage_reads(chain: Path) -> None:
    """After each stage, what it read alone is gone; nothing is copied on its way."""
    with archonnx.load(chain, "cpu") as session:
        runner = session._engine
        links = runner.links  # type: ignore[union-attr]
        values: dict[str, Any] = {"x": np.ones((2, 16), np.float32)}
        for number, link in enumerate(links):
            before = {name: weakref.ref(values[name]) for name in link.inputs}
            runner.stage(number, values)  # type: ignore[union-attr]
            assert list(values) == list(link.outputs)
            assert all(reference() is None for reference in before.values())
            if number < len(links) - 1:
                assert not next(iter(values.values())).flags.owndata  # onnxruntime's own memory


def test_calls_from_several_threads_do_not_mix(chain: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((2, 16)).astype(np.float32) for _ in range(12)]
    with archonnx.load(chain, "cpu") as session:
        expected = [session(x) for x in inputs]
        found: list[Any] = [None] * len(inputs)

        def call(number: int) -> None:
            found[number] = session(inputs[number])

        threads = [threading.Thread(target=call, args=(number,)) for number in range(len(inputs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("batch", [1, 3, [2, 4]])
def test_parts_of_a_batch_flow_through_the_stages(chain: Path, batch: Any) -> None:
    x = np.random.default_rng(0).standard_normal((11, 16)).astype(np.float32)
    with archonnx.load(chain, "cpu") as one, archonnx.load(chain, "cpu", batch=batch) as session:
        assert error(session(x), one(x)) <= 1e-6
        out = np.empty((11, 16), np.float32)
        assert session(x, out=out) is out
        assert error(out, one(x)) <= 1e-6


def test_stages_work_on_several_parts_at_once(chain: Path) -> None:
    """The last stage waits for the first to begin with the next part: it never would if parts went one at a time."""
    with archonnx.load(chain, "cpu", batch=1) as session:
        inner = session._engine._chain  # type: ignore[union-attr]
        stage, begun, second, first_out = inner.stage, [], threading.Event(), threading.Event()

        def watched(number: int, values: dict[str, Any], stop: Any = None) -> None:
            if number == 0:
                begun.append(number)
                if len(begun) == 2:
                    second.set()
            if number == len(inner.links) - 1 and not first_out.is_set():
                assert second.wait(60)
                first_out.set()
            stage(number, values, stop)

        inner.stage = watched
        x = np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32)
        assert session(x).shape == (2, 16)


def test_what_a_stage_raises_ends_the_call_and_no_thread_stays(chain: Path) -> None:
    with archonnx.load(chain, "cpu", batch=1) as session:
        inner, count = session._engine._chain, threading.active_count()  # type: ignore[union-attr]
        stage = inner.stage

        def failing(number: int, values: dict[str, Any], stop: Any = None) -> None:
            if number == 2:
                raise RunError("stage 3 is out of order")
            stage(number, values, stop)

        x = np.ones((9, 16), np.float32)
        inner.stage = failing
        with pytest.raises(RunError, match="stage 3 is out of order"):
            session(x)
        assert threading.active_count() == count
        inner.stage = stage
        assert session(x).shape == (9, 16)


@pytest.mark.parametrize("stages", [2, 3])
@pytest.mark.parametrize(("file", "name", "arguments"), [("gpt2", "GPT2", SMALL_GPT2), ("llama", "Llama", SMALL_LLAMA)])
def test_texts_go_on_with_states_that_stay_on_their_stage(
    file: str, name: str, arguments: dict[str, Any], stages: int, tmp_path: Path
) -> None:
    whole, manifest = saved(archonnx.compile(f"zoo:{file}", name, **arguments, cache=True), tmp_path, stages)
    prompts = [[1, 2, 3, 4], [7, 8]]
    with archonnx.load(whole, "cpu") as one, archonnx.load(manifest, "cpu") as session:
        made = [each.generate(prompts, max_new_tokens=9) for each in (one, session)]
        assert [row.tokens for row in made[0].rows] == [row.tokens for row in made[1].rows]
        states = [name for stage in session.stages for name in stage.states]  # type: ignore[attr-defined]
        assert sorted(states) == sorted(session.states)


def test_a_stage_may_make_nothing_but_states(tmp_path: Path) -> None:
    text = """\
model Tail():
    input tokens: int64[B, T]
    input h: float32[B, 8]
    e = tokens -> Embedding(20, 8)
    output logits = e -> Dense(20)
    (_, hn) = (e, h) -> GRU(8, return_state=True)
    output state h = hn
"""
    model = archonnx.compile(text=text)
    names = [node.name for node in model.graph.nodes]
    order = Cuts(model.name, digest_of_layers(model.graph), (names[0], names[-1]))
    whole, manifest = saved(model, tmp_path, order)
    with archonnx.load(whole, "cpu") as one, archonnx.load(manifest, "cpu") as session:
        made = [each.generate([[1, 2], [3, 4]], max_new_tokens=5) for each in (one, session)]
        assert [row.tokens for row in made[0].rows] == [row.tokens for row in made[1].rows]


def test_characters_go_on_with_the_tokenizer_of_the_first_stage(tmp_path: Path) -> None:
    whole, manifest = saved(archonnx.compile("zoo:lstm", "SmallCharacterModel"), tmp_path, 2)
    with archonnx.load(whole, "cpu") as one, archonnx.load(manifest, "cpu") as session:
        assert session.assets.keys() == one.assets.keys() == {"tokenizer"}
        assert session.generate("The ", max_new_tokens=6).text == one.generate("The ", max_new_tokens=6).text


def test_stages_run_on_devices_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    whole, manifest = saved(archonnx.compile("zoo:unet", width=4), tmp_path, 2)
    x = np.random.default_rng(0).random((2, 32, 32, 1), np.float32)
    with archonnx.load(whole, "cpu") as one:
        y = one(x)
    for devices in (["cpu", "openvino"], "openvino,cpu"):
        with archonnx.load(manifest, devices) as session:
            assert session.device == ", ".join(devices.split(",") if isinstance(devices, str) else devices)
            assert error(session(x), y) < 1e-4


class TestRefusals:
    """What is told of a model in stages that is not whole, or asked for what is not to be had."""

    def test_a_stage_that_is_missing(self, chain: Path) -> None:
        gone = chain.with_name(read_manifest(chain).stages[1].file)
        gone.unlink()
        with pytest.raises(ManifestError, match=f"a stage is missing: expected the file {gone} beside it"):
            archonnx.load(chain)

    def test_a_stage_of_another_build(self, chain: Path, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        save_shards(archonnx.compile(text=CHAIN), tmp_path / "other" / "m.shards.json", 4, seed=7)
        own, other = (read_manifest(path).stages[2].file for path in (chain, tmp_path / "other" / "m.shards.json"))
        chain.with_name(own).write_bytes((tmp_path / "other" / other).read_bytes())
        with pytest.raises(ManifestError, match="is no stage of this build"):
            archonnx.load(chain)

    def test_stages_in_another_order(self, chain: Path) -> None:
        text = chain.read_text()
        first, second = (shard.file for shard in read_manifest(chain).stages[1:3])
        chain.write_text(text.replace(first, "?").replace(second, first).replace("?", second))
        with pytest.raises(ManifestError, match=r"is no stage of this build|wrong order"):
            archonnx.load(chain)

    def test_digests_exchanged_too(self, chain: Path) -> None:
        """Stages of equal types that were exchanged with all that the manifest says of the files."""
        import json

        document = json.loads(chain.read_text())
        stages = document["stages"]
        for key in ("file", "digest", "nbytes"):
            stages[1][key], stages[2][key] = stages[2][key], stages[1][key]
        chain.write_text(json.dumps(document))
        with pytest.raises(
            ManifestError, match=r"its stages stand in the wrong order: .* stands in place 2 of 4, and is stage 3"
        ):
            archonnx.load(chain)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"device": ["cpu", "cpu"]}, "has 4 stages, and 2 devices were named"),
            ({"device": "cpu,cpu,cpu"}, "has 4 stages, and 3 devices were named"),
            ({"max_error": 0.1}, "measured on whole models"),
            ({"plan": "x.plan.json"}, "a plan is of one model file"),
        ],
    )
    def test_what_makes_no_sense(self, chain: Path, options: dict[str, Any], said: str) -> None:
        with pytest.raises(UsageError, match=said):
            archonnx.load(chain, **options)

    def test_several_devices_for_one_file(self, chain: Path) -> None:
        with pytest.raises(UsageError, match="several devices are for a model in stages"):
            archonnx.load(chain.with_name("m.onnx"), ["cpu", "cpu"])

    def test_a_model_without_weights(self, tmp_path: Path) -> None:
        save_shards(archonnx.compile(text=CHAIN), tmp_path / "bare.shards.json", 2, weights="none")
        with pytest.raises(archonnx.ModelFileError, match="built without weights"):
            archonnx.load(tmp_path / "bare.shards.json")


def test_states_are_joined() -> None:
    """No plan parts a state from its next value."""
    graph = archonnx.compile("zoo:gpt2", "GPT2", **SMALL_GPT2, cache=True).graph
    costs = count_costs(graph, Sizes({"B": 1, "T": 1, "P": 4}))
    joined = join(len(costs.items), costs.states)
    made = {id(value): place for place, node in enumerate(graph.nodes) for value in node.outputs}
    read = {id(value): place for place, node in enumerate(graph.nodes) for value in node.inputs if value is not None}
    olds = {given_.name: given_.value for given_ in graph.inputs}
    for output in graph.outputs:
        if output.state is not None:
            places = sorted((made[id(output.value)], read[id(olds[output.state])]))
            assert all(joined[place] for place in range(places[0] + 1, places[1] + 1))
