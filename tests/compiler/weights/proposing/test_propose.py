"""Maps proposed: that they are right where they say that they are sure, and say so where they are not."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.recipes import Constant, Draw, Recipe
from archonnx.compiler.weights.layouts.known import layout_of
from archonnx.compiler.weights.maps.parser import parse_map
from archonnx.compiler.weights.maps.tree import Name
from archonnx.compiler.weights.proposing.compressing import compressed
from archonnx.compiler.weights.proposing.modules import Place
from archonnx.compiler.weights.proposing.pairing import Pair, Sureness
from archonnx.compiler.weights.proposing.propose import Proposal, propose, text_of
from archonnx.compiler.weights.proposing.units import NAME, Unit, Variant
from archonnx.compiler.weights.proposing.words import likeness, natural, words

RESIDUAL = """\
block conv_bn(filters, kernel, activation = True):
    Conv2D(filters, kernel, padding="same", use_bias=False)
    BatchNormalization()
    if activation:
        ReLU()

block bottleneck(filters, project = False):
    input x
    residual = x -> conv_bn(filters, 1) -> conv_bn(filters, 3) -> conv_bn(4 * filters, 1, activation=False)
    shortcut = x -> conv_bn(4 * filters, 1, activation=False) if project else x
    (residual + shortcut) -> ReLU()

block stage(filters, depth):
    bottleneck(filters, project=True)
    for i in range(1, depth):
        bottleneck(filters)

model Net():
    input image: float32[N, 16, 16, 3]
    conv_bn(8, 7)
    for (i, depth) in enumerate([2, 3, 2]):
        stage(4 * 2 ** i, depth)
    GlobalAveragePooling2D()
    Dense(10)
    output logits
"""


def residual_name(path: str) -> str:
    """torchvision's name for a layer of RESIDUAL."""
    if path == "dense":
        return "fc"
    kind = "conv" if path.endswith("conv2d") else "bn"
    parts = path.split("/")
    if parts[0] == "conv_bn":
        return f"{kind}1"
    stage, block, inner = (int(p.rpartition("_")[2]) if p[-1].isdigit() else 0 for p in parts[:3])
    if inner == 3:
        return f"layer{stage + 1}.{block}.downsample.{0 if kind == 'conv' else 1}"
    return f"layer{stage + 1}.{block}.{kind}{inner + 1}"


def stated(
    model: archonnx.CompiledModel, name: Callable[[str], str], layout: str = "torch", mark: str = "."
) -> tuple[dict[str, Recipe], dict[str, Any]]:
    """A file of another tool: its tensors, and the values that the model's weights have then."""
    rng = np.random.default_rng(0)
    values = {w.path: rng.normal(size=w.shape).astype(w.dtype) for w in model.graph.weights()}
    filled = model.with_weights(values)
    evaluation = filled.evaluation()
    made: dict[str, Recipe] = {}
    for node in model.graph.nodes:
        ours = {local: Draw(weight) for local, weight in node.layer.weights.items()}
        for local, recipe in (layout_of(layout).write(node.layer, ours) if ours else {}).items():
            made[f"{name(node.path)}{mark}{local}"] = Constant(recipe.whole(evaluation))
    return made, values


def applied(
    model: archonnx.CompiledModel, tensors: Mapping[str, Recipe], made: Proposal, folder: Path
) -> dict[str, Any]:
    """The values that the model's weights have by the proposal."""
    (folder / "x.map").write_text(text_of(made))
    return model.with_weights(tensors, map=folder / "x.map").values()


def unlike(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    return [path for path, array in expected.items() if not np.array_equal(found[path], array)]


def rules(made: Proposal) -> list[str]:
    return [f"{line.left} = {line.right}" for line in made.lines]


def shuffled(tensors: Mapping[str, Recipe], seed: int) -> dict[str, Recipe]:
    names = list(tensors)
    random.Random(seed).shuffle(names)
    return {name: tensors[name] for name in names}


@pytest.fixture(scope="module")
def net() -> archonnx.CompiledModel:
    return archonnx.compile(text=RESIDUAL)


RESIDUAL_RULES = [
    "conv_bn/conv2d = conv1",
    "conv_bn/batch_normalization = bn1",
    "stage_{i}/bottleneck_{j}/conv_bn_{k:0..2}/conv2d = layer{i + 1}.{j}.conv{k + 1}",
    "stage_{i}/bottleneck_{j}/conv_bn_{k:0..2}/batch_normalization = layer{i + 1}.{j}.bn{k + 1}",
    "stage_{i}/bottleneck_{j}/conv_bn_3/conv2d = layer{i + 1}.{j}.downsample.0",
    "stage_{i}/bottleneck_{j}/conv_bn_3/batch_normalization = layer{i + 1}.{j}.downsample.1",
    "dense = fc",
]


def test_a_residual_network_of_torch(net: archonnx.CompiledModel, tmp_path: Path) -> None:
    tensors, values = stated(net, residual_name)
    made = propose(net.graph, tensors)
    assert made.complete
    assert made.layout == "torch"
    found = [rule.replace("layer{i + 1}.0.downsample", "layer{i + 1}.{j}.downsample") for rule in rules(made)]
    expected = [rule.replace("bottleneck_{j}/conv_bn_3", "bottleneck/conv_bn_3") for rule in RESIDUAL_RULES]
    assert found == expected
    assert made.count(Sureness.GUESS) == 0
    assert unlike(applied(net, tensors, made, tmp_path), values) == []


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_a_file_in_any_order(net: archonnx.CompiledModel, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    tensors, values = stated(net, residual_name)
    tensors = shuffled(tensors, seed)
    made = propose(net.graph, tensors)
    assert made.complete
    assert len(made.lines) == len(RESIDUAL_RULES)
    assert unlike(applied(net, tensors, made, tmp_path_factory.mktemp("m")), values) == []


STACK = """\
model Stack():
    input x: float32[N, 6]
    Dense(8)
    Dense(8)
    Dense(8)
    LayerNormalization()
    Dense(8)
    LayerNormalization()
    Dense(4)
    output y
"""


def letters(seed: int) -> Callable[[str], str]:
    """Names that say nothing, the same for the same path."""
    chosen = random.Random(seed)
    known: dict[str, str] = {}
    return lambda path: known.setdefault(path, "".join(chosen.choice("bcdfghjkpqrstvxz") for _ in range(9)))


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_names_that_say_nothing(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    model = archonnx.compile(text=STACK)
    tensors, values = stated(model, letters(seed))
    made = propose(model.graph, tensors)
    assert made.complete
    assert unlike(applied(model, tensors, made, tmp_path_factory.mktemp("m")), values) == []
    assert {line.left: line.why for line in made.lines if line.why is Sureness.SHAPE} == {
        "dense": Sureness.SHAPE,
        "dense_4": Sureness.SHAPE,
    }
    assert made.count(Sureness.GUESS) == len(made.lines) - 2


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_what_is_wrong_was_said_to_be_unsure(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Names that say nothing, in any order: only what has shapes of its own can be known."""
    model = archonnx.compile(text=STACK)
    tensors, values = stated(model, letters(seed))
    tensors = shuffled(tensors, seed)
    made = propose(model.graph, tensors)
    assert made.complete
    sure = {line.left for line in made.lines if line.why is not Sureness.GUESS}
    assert sure == {"dense", "dense_4"}
    wrong = unlike(applied(model, tensors, made, tmp_path_factory.mktemp("m")), values)
    assert not [path for path in wrong if path.rpartition("/")[0] in sure]


ENCODER = """\
block layer(width, heads):
    input x
    x = x + ((x, x) -> MultiHeadAttention(heads, width // heads, name="attention"))
    x = x -> LayerNormalization()
    x = x + (x -> Dense(4 * width, name="expand") -> Dense(width, name="contract"))
    x -> LayerNormalization()

model Encoder():
    input ids: int32[N, T]
    Embedding(50, 8, name="words")
    for i in range(3):
        layer(8, 2)
    output y
"""


def encoder_file(turned: bool, fused: bool) -> dict[str, Recipe]:
    """As BERT's files (query, key, value apart) or GPT-2's (in one, kernels the other way)."""
    rng = np.random.default_rng(1)

    def linear(name: str, wide: int, narrow: int) -> dict[str, Recipe]:
        shape = (narrow, wide) if turned else (wide, narrow)
        made = {f"{name}.weight": rng.normal(size=shape), f"{name}.bias": rng.normal(size=wide)}
        return {key: Constant(array.astype("float32")) for key, array in made.items()}

    made: dict[str, Recipe] = {"wte.weight": Constant(rng.normal(size=(50, 8)).astype("float32"))}
    for i in range(3):
        if fused:
            made |= linear(f"h.{i}.attn.c_attn", 24, 8)
        else:
            for part in ("query", "key", "value"):
                made |= linear(f"h.{i}.attn.{part}", 8, 8)
        made |= linear(f"h.{i}.attn.c_proj", 8, 8)
        for end in ("weight", "bias"):
            made[f"h.{i}.ln_1.{end}"] = Constant(rng.normal(size=8).astype("float32"))
        made |= linear(f"h.{i}.mlp.c_fc", 32, 8) | linear(f"h.{i}.mlp.c_proj", 8, 32)
        for end in ("weight", "bias"):
            made[f"h.{i}.ln_2.{end}"] = Constant(rng.normal(size=8).astype("float32"))
    return made


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_encoders(turned: bool, fused: bool, tmp_path: Path) -> None:
    model = archonnx.compile(text=ENCODER)
    tensors = encoder_file(turned, fused)
    made = propose(model.graph, tensors)
    assert made.complete
    found = applied(model, tensors, made, tmp_path)

    def array(name: str) -> Any:
        recipe = tensors[name]
        assert isinstance(recipe, Constant)
        return recipe.array

    def kernel(name: str) -> Any:
        return array(name) if turned else array(name).T

    for i, path in enumerate(("layer", "layer_1", "layer_2")):
        for n, part in enumerate(("query", "key", "value")):
            name = f"h.{i}.attn.c_attn" if fused else f"h.{i}.attn.{part}"
            expected = kernel(f"{name}.weight")[:, 8 * n : 8 * n + 8] if fused else kernel(f"{name}.weight")
            np.testing.assert_array_equal(found[f"{path}/attention/{part}/kernel"].reshape(8, 8), expected)
        np.testing.assert_array_equal(
            found[f"{path}/attention/attention_output/kernel"].reshape(8, 8), kernel(f"h.{i}.attn.c_proj.weight")
        )
        np.testing.assert_array_equal(found[f"{path}/contract/kernel"], kernel(f"h.{i}.mlp.c_proj.weight"))
        np.testing.assert_array_equal(found[f"{path}/layer_normalization_1/beta"], array(f"h.{i}.ln_2.bias"))
    if fused:
        assert "query, key and value taken to stand in this order" in text_of(made)


def test_what_is_flattened_is_turned(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    text = """\
model A():
    input image: float32[N, 6, 5, 3]
    Conv2D(4, 3, activation="relu")
    Flatten()
    Dropout(0.5)
    Dense(7)
    output y
"""
    torch.manual_seed(1)
    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 7)).eval()
    tensors: dict[str, Recipe] = {name: Constant(value.numpy()) for name, value in net.state_dict().items()}
    model = archonnx.compile(text=text)
    made = propose(model.graph, tensors)
    assert "what was flattened stands in another order" in text_of(made)
    (tmp_path / "x.map").write_text(text_of(made))
    model.with_weights(tensors, map=tmp_path / "x.map").save(tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype("float32")
    with torch.no_grad():
        expected = net(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    (found,) = (archonnx.load(tmp_path / "m.onnx")(x),)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_recurrent_layers_one_on_the_other(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    text = """\
model A():
    input x: float32[N, T, 4]
    LSTM(4, return_sequences=True)
    LSTM(4, return_sequences=True)
    Bidirectional(GRU(3))
    output y
"""
    module = torch.nn.Module()
    module.rnn = torch.nn.LSTM(4, 4, num_layers=2)
    module.top = torch.nn.GRU(4, 3, bidirectional=True)
    tensors: dict[str, Recipe] = {name: Constant(value.numpy()) for name, value in module.state_dict().items()}
    model = archonnx.compile(text=text)
    made = propose(model.graph, tensors)
    assert made.complete
    found, state = applied(model, tensors, made, tmp_path), module.state_dict()
    np.testing.assert_array_equal(found["lstm_1/recurrent_kernel"], state["rnn.weight_hh_l1"].numpy().T)
    np.testing.assert_array_equal(found["lstm/bias"], (state["rnn.bias_ih_l0"] + state["rnn.bias_hh_l0"]).numpy())
    assert "bidirectional = top" in rules(made)


def test_files_of_keras_and_tensors_laid_out_as_ours(net: archonnx.CompiledModel, tmp_path: Path) -> None:
    for layout in ("keras", "none"):
        tensors, values = stated(net, lambda path: residual_name(path).replace(".", "_"), layout, "/")
        made = propose(net.graph, tensors, "keras_h5" if layout == "keras" else "")
        assert made.complete
        assert unlike(applied(net, tensors, made, tmp_path), values) == []


def test_what_stays_of_either_side_is_listed(tmp_path: Path) -> None:
    model = archonnx.compile(text=STACK)
    tensors, _ = stated(model, lambda path: f"net.{path}")
    del tensors["net.dense_4.weight"]
    tensors["head.weight"] = Constant(np.zeros((3, 3), "float32"))
    made = propose(model.graph, tensors)
    assert not made.complete
    assert made.missing == ["dense_4/kernel", "dense_4/bias"]
    assert made.unused == ["net.dense_4.bias", "head.weight"]
    text = text_of(made)
    assert "# initial dense_4/kernel\n" in text
    assert "# ignore head.weight\n" in text
    opened = text.replace("# initial", "initial").replace("# ignore", "ignore")
    (tmp_path / "x.map").write_text(opened)
    model.with_weights(tensors, map=tmp_path / "x.map")


def test_what_stays_is_listed_in_patterns_that_match_nothing_else(net: archonnx.CompiledModel, tmp_path: Path) -> None:
    tensors, values = stated(net, residual_name)
    extra = {f"aux.{i}.weight": Constant(np.zeros((3, 3), "float32")) for i in range(4)}
    made = propose(net.graph, {**tensors, **extra, "a b{1}": Constant(np.zeros((3, 3), "float32"))})
    text = text_of(made)
    assert "# ignore aux.{i}.weight  # 4 of them\n" in text
    assert '# ignore "a b{{1}}"\n' in text
    (tmp_path / "x.map").write_text(text.replace("# ignore", "ignore"))
    found = net.with_weights({**tensors, **extra, "a b{1}": np.zeros((3, 3))}, map=tmp_path / "x.map").values()
    assert unlike(found, values) == []
    without = {name: tensor for name, tensor in tensors.items() if ".conv2." not in name}
    assert "# initial stage_{i}/bottleneck_{j}/conv_bn_1/conv2d/kernel" not in text_of(propose(net.graph, without))
    assert "# initial stage_1/bottleneck/conv_bn_1/conv2d/kernel\n" in text_of(propose(net.graph, without))


def lines(pairs: Mapping[str, str], paths: list[str] | None = None) -> list[str]:
    """The rules that pairs of a path and a name are compressed to."""
    variant = Variant({".weight": (1,)}, (("", NAME),))
    units = [Unit(path, (path,)) for path in pairs]
    made = [Pair(u, Place(name, variant), Sureness.NAME) for u, name in zip(units, pairs.values(), strict=True)]
    order = {id(unit): n for n, unit in enumerate(units)}
    return [f"{line.left} = {line.right}" for line in compressed(made, paths or list(pairs), order)]


def counted(path: str, *numbers: int) -> str:
    """`a_{}/b_{}` with its numbers, the first without one."""
    return path.format(*(f"_{n}" if n else "" for n in numbers))


def test_numbers_are_worked_out() -> None:
    assert lines({counted("a{}", i): f"x.{i}" for i in range(12)}) == ["a_{i} = x.{i}"]
    assert lines({counted("a{}", i): f"x.{3 * i + 2}" for i in range(4)}) == ["a_{i} = x.{3*i + 2}"]
    assert lines({counted("a{}", i): f"x{9 - i}" for i in range(4)}) == ["a_{i} = x{-i + 9}"]
    both = {counted("a{}/b{}", i, j): f"x.{4 * i + j}" for i in range(3) for j in range(4)}
    assert lines(both) == ["a_{i}/b_{j} = x.{4*i + j}"]
    cut = {counted("a{}/b{}", i, j): f"x.{(0, 2, 5)[i] + j}" for i in range(3) for j in range((2, 3, 2)[i])}
    assert lines(cut) == ["a_{i:0..1}/b_{j} = x.{2*i + j}", "a_2/b_{i} = x.{i + 5}"]


PATHS = st.builds(
    "/".join,
    st.lists(
        st.builds("{}{}".format, st.sampled_from("ab"), st.sampled_from(["", "_0", "_1", "_2", "_3"])),
        min_size=1,
        max_size=2,
    ),
)
NAMED = st.text("xy01{}a._ '\"/", min_size=1, max_size=7)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(PATHS, NAMED), min_size=1, max_size=12, unique_by=(lambda p: p[0], lambda p: p[1])), st.data()
)
def test_rules_give_back_the_pairs_that_they_were_made_of(drawn: list[tuple[str, str]], data: st.DataObject) -> None:
    pairs = dict(drawn)
    if "'" in "".join(pairs.values()) and '"' in "".join(pairs.values()):
        pairs = {path: name.replace("'", "") + "z" for path, name in pairs.items()}
    pairs = {path: name for path, name in pairs.items() if list(pairs.values()).count(name) == 1}
    paths = [*pairs, *data.draw(st.lists(PATHS.filter(lambda path: path not in pairs), max_size=3))]
    found: dict[str, str] = {}
    for line in lines(pairs, paths):
        made, wrong = parse_map(line + "\n", "")
        assert wrong == [], line
        (rule,) = made.rules
        assert isinstance(rule.value, Name)
        for path in paths:
            numbers = rule.target.match(path)
            if numbers is not None:
                assert path not in found, line
                whole, counted = (rule.value.pattern.expand(numbers, counted=c) for c in (False, True))
                found[path] = whole if whole in pairs.values() else counted
    assert found == pairs


def test_patterns_match_no_path_beside() -> None:
    pairs = {counted("a{}", i): f"x.{i}" for i in range(3)}
    assert lines(pairs, [*pairs, "a_3"]) == ["a_{i:0..2} = x.{i}"]
    assert lines({"a": "x.7", "a_2": "x.9"}, ["a", "a_1", "a_2"]) == ["a = x.7", "a_2 = x.9"]


def test_numbers_with_zeros_before_them_are_text() -> None:
    assert lines({"a": "00", "a_1": "0"}) == ["a = 00", "a_1 = 0"]
    assert lines({counted("a{}", i): f"x.{i:02}" for i in range(3)}) == ["a = x.00", "a_1 = x.01", "a_2 = x.02"]


def test_names_that_are_counted_as_ours_are() -> None:
    pairs = {counted("a/b{}", i): counted("x{}/y", i) for i in range(4)}
    assert lines(pairs) == ["a/b_{i} = x_{i}/y"]
    assert lines({"a": "x", "a_1": "x_0"}) == ["a = x", "a_1 = x_0"]
    assert lines({"a": "x_0", "a_1": "x_1"}) == ["a_{i} = x_{i}"]


def test_a_model_of_keras_with_its_own_names(tmp_path: Path) -> None:
    model = archonnx.compile(text=RESIDUAL)
    known: dict[str, str] = {}

    def keras_name(path: str) -> str:
        kind = path.rpartition("/")[2]
        number = sum(other.rpartition("/")[2] == kind for other in known if other != path)
        return known.setdefault(path, f"{kind}_{number}" if number else kind)

    tensors, values = stated(model, keras_name, "keras", "/")
    made = propose(model.graph, tensors, "keras_h5")
    assert made.complete
    assert unlike(applied(model, tensors, made, tmp_path), values) == []


def test_odd_names_stand_in_quotes() -> None:
    assert lines({"a": "x (1)", "a_1": "x (2)"}) == ['a_{i} = "x ({i + 1})"']
    assert lines({"a": "x{y}"}) == ['a = "x{{y}}"'] or lines({"a": "x{y}"}) == ["a = x{{y}}"]


def test_likeness_knows_the_spellings_of_tools() -> None:
    assert words("encoder.layer.3.attention.self.query") == ["encoder", "layer", "attention", "self", "query"]
    assert words("LayerNorm_fc1") == words("layer_norm.expand")
    assert likeness("attention/query", "attn.q") == 1
    assert likeness("a", "b") == likeness("0", "b") == 0
    assert likeness("attention/key", "attn.k") > likeness("attention/key", "attn.v")
    assert sorted(["l.10", "l.2", "l.1"], key=natural) == ["l.1", "l.2", "l.10"]
