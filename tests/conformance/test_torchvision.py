"""The networks of torchvision, randomly initialised: their state dictionaries, saved, give ours the same results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error
from networks import Array, compiled_with, large_files, output_of

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Network:
    """torchvision's constructor and the model of ours that it is; `size` is the side of the pictures."""

    theirs: str
    source: str
    model: str
    map: str = "torchvision"
    size: int = 224
    arguments: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.theirs}-{self.size}"


NETWORKS = [
    Network("resnet50", "resnet.arch", "ResNet50V1_5"),
    Network("resnet18", "resnet.arch", "ResNet18", size=75, parameters={"size": 75}),
    Network("vgg19", "vgg.arch", "VGG19", "torchvision_vgg19", parameters={"activation": None}),
    Network("vgg11", "vgg.arch", "VGG11", "torchvision_vgg11", parameters={"width": 64}),
    Network("vgg13_bn", "vgg.arch", "VGG13BN", "torchvision_vgg13_bn", parameters={"width": 64}),
    Network("vgg16", "vgg.arch", "VGG16", "torchvision_vgg16", parameters={"activation": None, "width": 64}),
    Network("vgg16_bn", "vgg.arch", "VGG16BN", "torchvision_vgg16_bn", parameters={"width": 64}),
    Network("vgg19_bn", "vgg.arch", "VGG19BN", "torchvision_vgg19_bn", parameters={"width": 64}),
    Network("efficientnet_b0", "efficientnet.arch", "EfficientNetB0Torchvision"),
    Network("efficientnet_b0", "efficientnet.arch", "EfficientNetB0Torchvision", size=97, parameters={"size": 97}),
    Network("mobilenet_v2", "mobilenet.arch", "MobileNetV2Torchvision", "torchvision_v2"),
    Network("mobilenet_v3_small", "mobilenet.arch", "MobileNetV3SmallTorchvision", "torchvision_v3_small"),
    Network(
        "mobilenet_v3_large",
        "mobilenet.arch",
        "MobileNetV3LargeTorchvision",
        "torchvision_v3_large",
        size=97,
        parameters={"size": 97},
    ),
    Network("vit_b_16", "vit.arch", "ViTB16"),
    Network("vit_b_32", "vit.arch", "ViTB32", size=96, arguments={"image_size": 96}, parameters={"size": 96}),
    Network(
        "efficientnet_v2_s", "efficientnetv2.arch", "EfficientNetV2S", "torchvision_s", size=96, parameters={"size": 96}
    ),
    Network("efficientnet_b5", "efficientnet.arch", "EfficientNetB5Torchvision", size=64, parameters={"size": 64}),
]


def random_module(case: Network) -> Any:
    """The network in evaluation mode, with statistics and biases of its own too."""
    torch.manual_seed(0)
    module = getattr(torchvision.models, case.theirs)(weights=None, **case.arguments).eval()
    if width := case.parameters.get("width"):
        features, _, last = module.classifier[0], module.classifier[3], module.classifier[6]
        module.classifier[0] = torch.nn.Linear(features.in_features, width)
        module.classifier[3] = torch.nn.Linear(width, width)
        module.classifier[6] = torch.nn.Linear(width, last.out_features)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif name == "heads.head.weight":
                value.normal_(0, 0.05)
            elif name.endswith("running_mean") or value.ndim == 1:
                value.add_(0.1 * torch.randn_like(value))
    return module


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.id)
def test_a_network_computes_what_torchvision_computes(case: Network) -> None:
    torch.set_num_threads(2)
    image: Array = np.random.default_rng(0).normal(size=(2, case.size, case.size, 3)).astype(np.float32)
    with large_files() as folder:
        module = random_module(case)
        with torch.no_grad():
            expected = module(torch.from_numpy(image.transpose(0, 3, 1, 2).copy())).numpy()
        torch.save(module.state_dict(), folder / "weights.pth")
        counted = sum(p.numel() for p in module.parameters())
        del module
        model = compiled_with(folder / "weights.pth", case.map, case.source, case.model, **case.parameters)
        assert sum(w.size for w in model.graph.weights() if w.trainable) == counted
        found = output_of(model, image, folder)
    assert float(expected.std()) > 1e-3, "a result that says something"
    assert error(found, expected) <= TOLERANCE


# Source -> networks of torchvision with the model and the map of each.
ALL = {
    "resnet.arch": [
        (f"resnet{n}", f"ResNet{n}" + ("V1_5" if n >= 50 else ""), "torchvision") for n in (18, 34, 50, 101, 152)
    ],
    "vgg.arch": [
        (f"vgg{n}{bn}", f"VGG{n}{bn[1:].upper()}", f"torchvision_vgg{n}{bn}")
        for n in (11, 13, 16, 19)
        for bn in ("", "_bn")
    ],
    "mobilenet.arch": [
        ("mobilenet_v2", "MobileNetV2Torchvision", "torchvision_v2"),
        ("mobilenet_v3_small", "MobileNetV3SmallTorchvision", "torchvision_v3_small"),
        ("mobilenet_v3_large", "MobileNetV3LargeTorchvision", "torchvision_v3_large"),
    ],
    "vit.arch": [
        (f"vit_{n}_{p}", f"ViT{n.upper()}{p}", "torchvision") for n, p in [("b", 16), ("b", 32), ("l", 16), ("l", 32)]
    ],
    "efficientnetv2.arch": [
        (f"efficientnet_v2_{n}", f"EfficientNetV2{n.upper()}", f"torchvision_{by}")
        for n, by in [("s", "s"), ("m", "m_l"), ("l", "m_l")]
    ],
    "efficientnet.arch": [(f"efficientnet_b{n}", f"EfficientNetB{n}Torchvision", "torchvision") for n in range(8)],
}


@pytest.mark.parametrize("source", ALL)
def test_every_network_has_as_many_parameters_and_a_map(source: str, tmp_path: Path) -> None:
    for theirs, ours, by in ALL[source]:
        with torch.device("meta"):
            module = getattr(torchvision.models, theirs)(weights=None)
        # One number that stands for all of a tensor: the file is small, and a map sees nothing but names and shapes.
        state = {name: torch.zeros((), dtype=v.dtype).expand(v.shape) for name, v in module.state_dict().items()}
        torch.save(state, tmp_path / "weights.pth")
        graph = compiled_with(tmp_path / "weights.pth", by, source, ours).graph
        assert sum(w.size for w in graph.weights() if w.trainable) == sum(p.numel() for p in module.parameters())
        statistics = [b for name, b in module.named_buffers() if not name.endswith("num_batches_tracked")]
        assert sum(w.size for w in graph.weights() if not w.trainable) == sum(b.numel() for b in statistics)


@pytest.mark.parametrize(
    ("source", "theirs", "ours"), [("vgg.arch", "vgg19", "VGG19"), ("resnet.arch", "resnet18", "ResNet18")]
)
def test_the_map_is_found_by_itself(source: str, theirs: str, ours: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        module = getattr(torchvision.models, theirs)(weights=None)
    state = {name: torch.zeros((), dtype=v.dtype).expand(v.shape) for name, v in module.state_dict().items()}
    torch.save(state, tmp_path / "weights.pth")
    model = compiled_with(tmp_path / "weights.pth", None, source, ours)
    assert model.given.keys() == {w.path for w in model.graph.weights()}
