"""References of EfficientNet-Lite: `python -m tools.reference.lite [--check]`.

Counted of the modules of the package efficientnet-lite-pytorch (tests/packages.txt).
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.metadata import version

from tools.reference.modules import entry, on_meta
from tools.reference.writing import Entries, Entry, main


def entries() -> Entries:
    """What the package's modules count."""
    import efficientnet_lite_pytorch as package
    import torch

    told = f"efficientnet-lite-pytorch {version('efficientnet-lite-pytorch')}"
    found: dict[str, Entry] = {}
    for number in range(5):
        name = f"efficientnet-lite{number}"
        module = on_meta(partial(package.EfficientNet.from_name, name))
        size = module.input_image_size
        image = torch.zeros(1, 3, size, size, device="meta")
        source = f"{told} {name}, counted by tools/reference/lite.py at {size}x{size}"
        found[f"EfficientNetLite{number}"] = entry(source, module, image)
    return {"efficientnet": found}


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
