"""References of torchvision's networks: `python -m tools.reference.torchvision [--check]`.

Counted of the modules themselves. PyTorch's `parameters()` leaves out the moving statistics of batch normalization,
`without_statistics`; `total` has them too, as Keras' total does.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.metadata import version
from typing import Any

from tools.reference.modules import entry, on_meta, prepare
from tools.reference.writing import Entries, Entry, main

# File -> model -> torchvision's function, and the side of its pictures.
NETWORKS: dict[str, dict[str, tuple[str, int]]] = {
    "vgg": {f"VGG{n}{bn}": (f"vgg{n}{'_bn' if bn else ''}", 224) for bn in ("", "BN") for n in (11, 13, 16, 19)},
    "resnet": {
        **{f"ResNet{n}": (f"resnet{n}", 224) for n in (18, 34)},
        **{f"ResNet{n}V1_5": (f"resnet{n}", 224) for n in (50, 101, 152)},
    },
    "efficientnet": {
        f"EfficientNetB{n}Torchvision": (f"efficientnet_b{n}", size)
        for n, size in enumerate((224, 240, 288, 300, 380, 456, 528, 600))
    },
    "efficientnetv2": {
        f"EfficientNetV2{n}": (f"efficientnet_v2_{n.lower()}", size) for n, size in (("S", 384), ("M", 480), ("L", 480))
    },
    "mobilenet": {
        "MobileNetV2Torchvision": ("mobilenet_v2", 224),
        "MobileNetV3SmallTorchvision": ("mobilenet_v3_small", 224),
        "MobileNetV3LargeTorchvision": ("mobilenet_v3_large", 224),
    },
    "vit": {
        f"ViT{n.upper()}{patch}": (f"vit_{n}_{patch}", size)
        for n, patch, size in (("b", 16, 224), ("b", 32, 224), ("l", 16, 224), ("l", 32, 224), ("h", 14, 518))
    },
}
KERAS = ("VGG16", "VGG19")  # these have Keras' networks for their reference


def entries() -> Entries:
    """What torchvision's modules count."""
    prepare()
    import torch
    import torchvision

    told = f"torchvision {version('torchvision')}"
    found: dict[str, dict[str, Entry]] = {}
    for stem, networks in NETWORKS.items():
        found[stem] = {}
        for model, (name, size) in networks.items():
            if model in KERAS:
                continue
            given: dict[str, Any] = {"image_size": size} if name == "vit_h_14" else {}
            module = on_meta(partial(getattr(torchvision.models, name), weights=None, **given))
            image = torch.zeros(1, 3, size, size, device="meta")
            source = f"{told} {name}, counted by tools/reference/torchvision.py at {size}x{size}"
            found[stem][model] = entry(source, module, image)
    return found


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
