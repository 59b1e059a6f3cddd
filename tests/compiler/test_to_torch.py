"""archonnx.to_torch: names, calls, sharing, training, and what it says of what it cannot take."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx

torch = pytest.importorskip("torch", reason="PyTorch is what this makes modules of")

SMALL = "model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n"
BLOCKS = """
block residual(width):
    input x: [N, D]
    weight scale: [D] = "ones"
    y = (x * scale) -> Dense(width, activation=LeakyReLU(0.2)) -> Dense(D)
    output (x, y) -> Add()

model Shared():
    input left: float32[N, 4]
    input right: float32[N, 4]
    tower = Dense(4, name="tower")
    a = left -> tower -> residual(8, name="first")
    b = right -> tower -> residual(8, trainable=False)
    c = a * 2 - b[:, :1]
    output score = (a, b) -> Dot(1)
    output c
"""


def built(text: str, seed: int = 0) -> Any:
    return archonnx.to_torch(archonnx.compile(text=text), seed=seed)


def test_names_are_paths_and_pytorchs_own() -> None:
    names = list(built(BLOCKS).state_dict())
    assert names == [
        *("tower.weight", "tower.bias", "first.scale"),
        *("first.dense.weight", "first.dense.bias", "first.dense_1.weight", "first.dense_1.bias"),
        *("residual.scale", "residual.dense.weight", "residual.dense.bias"),
        *("residual.dense_1.weight", "residual.dense_1.bias"),
    ]


def test_weights_are_those_of_the_seed_in_pytorchs_layout() -> None:
    source = archonnx.compile(text=SMALL)
    for seed in (0, 5):
        module = archonnx.to_torch(source, seed=seed)
        assert np.array_equal(module.dense.weight.detach().numpy().T, source.values(seed)["dense/kernel"])


def test_weights_that_were_given_are_in_it() -> None:
    source = archonnx.compile(text=SMALL)
    kernel = np.arange(12, dtype=np.float32).reshape(4, 3)
    module = archonnx.to_torch(source.with_weights({"dense/kernel": kernel, "dense/bias": np.ones(3, np.float32)}))
    assert np.array_equal(module.dense.weight.detach().numpy(), kernel.T)


def test_a_layer_that_is_applied_twice_is_one_module() -> None:
    module = built(BLOCKS).eval()
    x = torch.randn(3, 4)
    y = module(x, x)
    assert list(y) == ["score", "c"]
    calls: list[Any] = []
    module.tower.register_forward_hook(lambda *_: calls.append(1))
    module(x, x)
    assert len(calls) == 2


@pytest.mark.parametrize("how", ["positions", "names", "both", "dictionary"])
def test_inputs_by_position_and_by_name(how: str) -> None:
    module = built(BLOCKS).eval()
    left, right = torch.randn(2, 4), torch.randn(2, 4)
    calls = {
        "positions": lambda: module(left, right),
        "names": lambda: module(right=right, left=left),
        "both": lambda: module(left, right=right),
        "dictionary": lambda: module({"right": right, "left": left}),
    }
    assert torch.equal(calls[how]()["c"], module(left, right)["c"])


@pytest.mark.parametrize(
    ("inputs", "named", "said"),
    [
        ((), {}, "got nothing"),
        ((1,), {}, "got 1 by position"),
        ((1, 2, 3), {}, "got 3 by position"),
        ((1,), {"left": 1}, "got 1 by position, left"),
        ((), {"left": 1, "up": 2}, "got left, up"),
    ],
)
def test_wrong_inputs(inputs: tuple[Any, ...], named: dict[str, Any], said: str) -> None:
    with pytest.raises(archonnx.UsageError) as caught:
        built(BLOCKS)(*inputs, **named)
    assert str(caught.value) == f"Shared takes left, right, each once; {said}"


def test_an_input_that_is_no_tensor() -> None:
    with pytest.raises(archonnx.UsageError, match=r"^the input x of M is a torch.Tensor, got ndarray$"):
        built(SMALL)(np.zeros((1, 4), np.float32))


def test_an_error_of_pytorch_names_the_line() -> None:
    with pytest.raises(RuntimeError) as caught:
        built(SMALL)(torch.zeros(1, 5))
    assert caught.value.__notes__ == ["in Dense (dense), text.arch:3:5"]


def test_whole_numbers_of_another_width_are_taken() -> None:
    module = built("model M():\n    input t: int32[N, T]\n    Embedding(9, 4)\n    output y\n")
    tokens = torch.tensor([[1, 2]])
    assert torch.equal(module(tokens), module(tokens.to(torch.int32)))


CLASSIFIER = """
model M():
    input image: float32[N, 8, 8, 3]
    image -> Conv2D(8, 3, strides=2, padding="same") -> BatchNormalization() -> Activation("relu") -> Flatten()
    Dropout(0.3)
    Dense(16, activation="gelu")
    LayerNormalization()
    Dense(4)
    output y
"""
TEXT = """
model M():
    input words: int64[N, T]
    x = words -> Embedding(20, 8, mask_zero=True)
    (x, x) -> MultiHeadAttention(2, 4, dropout=0.2) -> LSTM(6, return_sequences=True) -> GlobalAveragePooling1D()
    Dense(4)
    output y
"""


def example(text: str) -> tuple[Any, Any]:
    """A batch and its classes."""
    generator = torch.Generator().manual_seed(0)
    if "image" in text:
        x = torch.randn(12, 8, 8, 3, generator=generator)
    else:
        x = torch.randint(1, 20, (12, 5), generator=generator)
        x[::2, 3:] = 0
    return x, torch.arange(12) % 4


@pytest.mark.parametrize("text", [CLASSIFIER, TEXT], ids=["image", "text"])
def test_it_trains(text: str) -> None:
    torch.manual_seed(0)
    module = built(text)
    x, classes = example(text)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(p.grad is not None for p in module.parameters())
    assert not [name for name, p in module.named_parameters() if torch.equal(p, before[name])]


def test_one_step_lowers_the_loss() -> None:
    module = built(CLASSIFIER.replace("Dropout(0.3)", "Identity()"))
    x, classes = example(CLASSIFIER)
    optimizer = torch.optim.SGD(module.parameters(), 0.05)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_running_statistics_move_as_in_keras() -> None:
    module = built("model M():\n    input x: float32[N, 4]\n    BatchNormalization(momentum=0.9)\n    output y\n")
    x = torch.randn(50, 4) + 3
    module(x)
    norm = module.batch_normalization
    assert torch.allclose(norm.running_mean, 0.1 * x.mean(0))
    assert torch.allclose(norm.running_var, 0.9 + 0.1 * x.var(0))
    assert torch.equal(module.eval()(x[:2]), module(x)[:2])


FROZEN = """
model M():
    input x: float32[N, 4]
    x -> Dense(3, trainable=False) -> BatchNormalization(trainable=False) -> Dense(2)
    output y
"""


def test_frozen_layers() -> None:
    module = built(FROZEN)
    learns = {name for name, p in module.named_parameters() if p.requires_grad}
    assert learns == {"dense_1.weight", "dense_1.bias"}
    before = module.batch_normalization.running_mean.clone()
    module.train()(torch.randn(9, 4) + 1)
    assert torch.equal(module.batch_normalization.running_mean, before)
    module.requires_grad_(True).train()(torch.randn(9, 4) + 1)
    assert not torch.equal(module.batch_normalization.running_mean, before)


@pytest.mark.parametrize(
    "layer",
    [
        *("Dropout(0.5)", "Dropout(0.5, noise_shape=(None, 1))", "AlphaDropout(0.5)", "GaussianNoise(0.5)"),
        "GaussianDropout(0.5)",
    ],
)
def test_noise_is_for_training(layer: str) -> None:
    module = built(f"model M():\n    input x: float32[N, 40]\n    {layer}\n    output y\n")
    x = torch.ones(30, 40)
    torch.manual_seed(0)
    assert not torch.equal(module.train()(x), x)
    assert torch.equal(module.eval()(x), x)


def test_scores_of_attention_are_dropped_in_training() -> None:
    text = "model M():\n    input x: float32[N, T, 8]\n    output y = (x, x) -> {}(dropout=0.5)\n"
    x = torch.randn(2, 6, 8)
    for layer in (
        "MultiHeadAttention(2, 4, ",
        "MultiHeadAttention(2, 3, ",
        "GroupQueryAttention(4, 2, 1, ",
        "Attention(",
    ):
        module = built(text.replace("{}(", layer))
        assert not torch.allclose(module.train()(x), module(x))
        assert torch.equal(module.eval()(x), module(x))


def test_a_module_can_be_copied_and_stored(tmp_path: Path) -> None:
    module = built(TEXT).eval()
    x, _ = example(TEXT)
    expected = module(x)
    assert torch.equal(copy.deepcopy(module)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), expected)
    torch.save(module.state_dict(), tmp_path / "m.pth")
    other = built(TEXT, seed=1).eval()
    assert not torch.equal(other(x), expected)
    other.load_state_dict(torch.load(tmp_path / "m.pth"))
    assert torch.equal(other(x), expected)


def test_a_submodule_can_be_replaced() -> None:
    module = built(SMALL)
    module.dense = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, 3))
    module(torch.randn(2, 4)).sum().backward()
    assert module.dense[0].weight.grad is not None


def test_layers_called_like_methods_of_modules() -> None:
    text = "model M():\n    input x: float32[N, 4]\n    x -> Dense(4, name='forward') -> Dense(2, name='train')\n    output y\n"
    module = built(text.replace("'", '"'))
    assert set(module.state_dict()) == {
        f"{name}.{kind}" for name in ("forward", "train") for kind in ("weight", "bias")
    }
    assert module.train().eval()(torch.zeros(1, 4)).shape == (1, 2)


def test_a_weight_of_another_layer_is_the_same_parameter() -> None:
    text = """
model M():
    input tokens: int32[N, T]
    embed = Embedding(12, 8)
    x = tokens -> embed
    output y = x @ transpose(embed.embeddings)
"""
    module = built(text)
    assert list(module.state_dict()) == ["embed.weight"]
    module(torch.tensor([[1, 2]], dtype=torch.int32)).sum().backward()
    assert torch.count_nonzero(module.embed.weight.grad.abs().sum(-1)) == 12


def test_a_layer_that_others_wrap_has_one_set_of_weights() -> None:
    text = """
model M():
    input x: float32[N, T, 4]
    d = Dense(4, name="d")
    a = x -> d
    b = x -> SpectralNormalization(d)
    c = x -> TimeDistributed(d)
    output y = a + b * c
"""
    module = built(text)
    assert sum(p.numel() for p in module.parameters()) == 20
    assert module.d.weight is module.spectral_normalization.weight is module.time_distributed.weight


@pytest.mark.parametrize("order", ["d e", "e d"])
def test_a_convolution_that_is_applied_and_wrapped_has_one_kernel(order: str) -> None:
    lines = {"d": "    a = x -> d\n", "e": "    b = x -> SpectralNormalization(d)\n"}
    head = 'model M():\n    input x: float32[N, 5, 5, 2]\n    d = Conv2D(3, 2, name="d")\n'
    text = head + "".join(lines[name] for name in order.split()) + "    output y = a + b\n"
    source = archonnx.compile(text=text)
    module = archonnx.to_torch(source)
    assert module.d.weight is module.spectral_normalization.weight
    assert sum(p.numel() for p in module.parameters()) == 2 * 2 * 2 * 3 + 3
    x = torch.randn(1, 5, 5, 2)
    assert torch.allclose(module(x), 2 * module.d(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), atol=1e-6)


def test_no_two_weights_are_one_parameter() -> None:
    text = "model M():\n    input x: float32[N, 9, 9, 2]\n" + "    Conv2D(2, 1)\n" * 40 + "    output y\n"
    module = built(text)
    assert len({id(p) for p in module.parameters()}) == 80
    source = archonnx.compile(text=text)
    assert all(
        np.array_equal(a, source.values()[n]) for n, a in source.with_weights(module.state_dict()).values().items()
    )


@pytest.mark.parametrize("name", ["AND", "OR", "NAND", "XOR"])
def test_gates(name: str) -> None:
    """Made of weights of blocks alone, each a parameter of its own."""
    source = archonnx.compile(Path(__file__).resolve().parents[2] / "models/gates.arch", name)
    module = archonnx.to_torch(source)
    assert len({id(p) for p in module.parameters()}) == len(list(source.graph.weights()))
    assert {n: tuple(p.shape) for n, p in module.named_parameters()} == {
        weight.path.replace("/", "."): weight.shape for weight in source.graph.weights()
    }
    bits = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    truth = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}
    assert module(bits).reshape(-1).tolist() == truth[name]


def test_sizes_are_those_of_each_call() -> None:
    text = """
model M():
    input x: float32[N, T, 4]
    places = cast(arange(T * 2), float32) / T
    output y = x[:, 1:] * reshape(places[:T - 1], (1, T - 1, 1)) + N
"""
    module = built(text)
    for batch, steps in ((2, 5), (3, 8)):
        x = torch.randn(batch, steps, 4)
        expected = x[:, 1:] * (torch.arange(steps - 1) / steps)[:, None] + batch
        assert torch.allclose(module(x), expected)


def test_states_come_and_go() -> None:
    text = """
model M():
    input x: float32[N, 3]
    input h: float32[N, 3]
    (y, next) = (x, h) -> GRUCell(3)
    output y
    output state h = next
"""
    made = built(text)(torch.randn(2, 3), torch.zeros(2, 3))
    assert list(made) == ["y", "h_next"]
    assert torch.equal(made["y"], made["h_next"])


def test_the_result_keeps_its_axes_in_order() -> None:
    """Channels last in and out; the views inside cost nothing."""
    module = built('model M():\n    input x: float32[N, 9, 9, 3]\n    Conv2D(5, 3, padding="same")\n    output y\n')
    y = module(torch.randn(2, 9, 9, 3))
    assert tuple(y.shape) == (2, 9, 9, 5)
    assert y.is_contiguous()


def test_it_prints_its_layers() -> None:
    shown = str(built(BLOCKS))
    assert "Shared(left, right) -> score, c" in shown
    assert "(tower): Linear(in_features=4, out_features=4, bias=True)" in shown
    assert "(add): Computed(Add)" in shown


def test_what_is_not_computed_is_listed_at_once() -> None:
    text = """
model M():
    input x: float32[N, 8, 3, 3]
    a = x -> RandomShear()
    b = x -> onnx.Bernoulli(seed=1.0)
    output y = a -> RandomInvert(0.2)
    output b
"""
    with pytest.raises(archonnx.ArchonnxError) as caught:
        built(text)
    lines = str(caught.value).splitlines()
    assert lines[0] == "M cannot become a module of PyTorch: 3 layers have no way"
    assert lines[1].startswith(
        "  text.arch:4:14: RandomShear (random_shear): it acts in training only, and PyTorch has no"
    )
    assert lines[2] == (
        "  text.arch:5:14: Bernoulli (bernoulli): it becomes the operator Bernoulli of ONNX, which is not computed in PyTorch; "
        "build it of other layers"
    )
    assert "RandomInvert (random_invert)" in lines[3]


def test_a_wrong_seed() -> None:
    with pytest.raises(archonnx.UsageError, match=r"from 0 to 2\*\*64 - 1, got -1"):
        built(SMALL, seed=-1)


def test_without_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    source = archonnx.compile(text=SMALL)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(archonnx.MachineError, match=r"^PyTorch is not installed: pip install 'archonnx\[torch\]'$"):
        archonnx.to_torch(source)
