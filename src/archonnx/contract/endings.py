"""How the names of files end that more than one part looks at."""

from __future__ import annotations

import os

MODEL = ".onnx"
MANIFEST = ".shards.json"  # of a model in stages, see archonnx.contract.shards


def is_manifest(model: object) -> bool:
    """Whether this is the path of a model in stages."""
    return isinstance(model, str | os.PathLike) and os.fsdecode(model).endswith(MANIFEST)
