"""Maps proposed for networks of torchvision and transformers are those that ship, weight by weight.

Only shapes are needed: the modules are made on PyTorch's device `meta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torchvision_operators

import archonnx
from archonnx.compiler.recipes import Placeholder, Recipe
from archonnx.compiler.weights.filling.by_map import by_map
from archonnx.compiler.weights.filling.places import read_map
from archonnx.compiler.weights.filling.slots import slots_of
from archonnx.compiler.weights.maps.parser import parse_map
from archonnx.compiler.weights.proposing.pairing import Sureness
from archonnx.compiler.weights.proposing.propose import Proposal, propose, text_of

MODELS = Path(__file__).resolve().parents[2] / "models"

# Theirs -> our file, model and map.
VISION = {
    "resnet18": ("resnet", "ResNet18", "torchvision"),
    "resnet50": ("resnet", "ResNet50V1_5", "torchvision"),
    "vgg19": ("vgg", "VGG19", "torchvision_vgg19"),
    "vgg16_bn": ("vgg", "VGG16BN", "torchvision_vgg16_bn"),
    "efficientnet_b0": ("efficientnet", "EfficientNetB0Torchvision", "torchvision"),
}


def shapes(state: Mapping[str, object]) -> dict[str, Recipe]:
    return {
        name: Placeholder(name, str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))  # type: ignore[attr-defined]
        for name, tensor in state.items()
    }


def recipes(model: archonnx.CompiledModel, tensors: Mapping[str, Recipe], path: Path | None, text: str = "") -> object:
    """What every weight is made of, by the map in a file or by a text."""
    maps = read_map(path) if path is not None else parse_map(text, "proposed")[0]
    assignment, found = by_map(slots_of(model.graph), tensors, maps)
    assert found == []
    return {path: recipe.key() for path, recipe in assignment.given.items()}


def assert_proposed(file: str, name: str, shipped: str, tensors: dict[str, Recipe], sort: bool = True) -> Proposal:
    """The proposal for the tensors in their order, and, where `sort`, as files of safetensors have them."""
    model = archonnx.compile(MODELS / f"{file}.arch", name)
    expected = recipes(model, tensors, MODELS / f"{file}.{shipped}.map")
    made = propose(model.graph, tensors)
    leftover = "".join(f'ignore "{name}"\n' for name in made.unused)
    assert recipes(model, tensors, None, text_of(made) + leftover) == expected
    assert made.count(Sureness.GUESS) == 0
    if not sort:
        return made
    in_order = propose(model.graph, {name: tensors[name] for name in sorted(tensors)})
    assert recipes(model, tensors, None, text_of(in_order) + leftover) == expected
    return made


@pytest.mark.parametrize("network", VISION)
def test_networks_of_torchvision(network: str) -> None:
    torch = pytest.importorskip("torch")
    torchvision_operators.install()
    torchvision = pytest.importorskip("torchvision", reason="its networks are what maps are proposed for")
    with torch.device("meta"):
        state = getattr(torchvision.models, network)().state_dict()
    made = assert_proposed(*VISION[network], shapes(state))
    assert made.complete
    assert len(made.lines) <= 24


@pytest.mark.parametrize(("network", "file"), [("ResNet50", "resnet"), ("EfficientNetB0", "efficientnet")])
def test_networks_of_keras(network: str, file: str) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.clear_session(free_memory=False)
    made = getattr(keras.applications, network)(weights=None)
    tensors: dict[str, Recipe] = {v.path: Placeholder(v.path, v.dtype, tuple(v.shape)) for v in made.weights}
    del made
    proposal = assert_proposed(file, network, "keras", tensors, sort=False)
    assert proposal.complete
    assert len(proposal.lines) <= 14


@pytest.mark.parametrize("network", ["bert", "gpt2"])
def test_networks_of_transformers(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torchvision_operators.install()
    transformers = pytest.importorskip("transformers", reason="its networks are what maps are proposed for")
    with torch.device("meta"):
        if network == "bert":
            ours = ("bert", "BERTBase", "transformers")
            state = transformers.BertModel(transformers.BertConfig()).state_dict()
        else:
            ours = ("gpt2", "GPT2Small", "transformers")
            state = transformers.GPT2LMHeadModel(transformers.GPT2Config()).state_dict()
    tensors = shapes(state)
    made = assert_proposed(*ours, tensors)
    assert made.filled == made.weights
    assert made.unused == ([] if network == "bert" else ["lm_head.weight"])
    assert len(made.lines) <= 16
