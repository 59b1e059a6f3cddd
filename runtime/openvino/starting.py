"""A model on OpenVINO: looked at for what it computes otherwise, and started on its library where that was chosen."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.caching.folders import OFF
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.library import STATIC_SHAPES
from archonnx.runtime.openvino.nodes import read_nodes
from archonnx.runtime.openvino.otherwise import check_nodes
from archonnx.runtime.openvino.sequences import check_steps
from archonnx.runtime.openvino.unchanged import check_casts
from archonnx.runtime.openvino.wholes import check_wholes

if TYPE_CHECKING:
    from archonnx.runtime.devices import Choice
    from archonnx.runtime.openvino.running import OpenVinoRunner
    from archonnx.runtime.settings import Settings


def start_alone(
    source: str | bytes, model: ModelFile, choice: Choice, asked: Settings, folder: str
) -> OpenVinoRunner | None:
    """The model on OpenVINO's library; None where onnxruntime runs it on the plug-in. folder: where the external data
    of bytes lie.

    Raises MachineError for what OpenVINO does not know, cannot read or computes otherwise.
    """
    nodes = read_nodes(source)
    check_nodes(source, model, nodes)
    first = choice.providers[0]
    if not first.alone:
        _check_ranks(model)
        check_steps(model, nodes)
        check_casts(model, nodes)
        check_wholes(source, model, nodes)
        return None
    from archonnx.runtime.openvino.running import OpenVinoRunner

    properties = {**first.settings(asked.threads, choice.floats), **dict(asked.options.provider)}
    shapes = int(properties.pop(STATIC_SHAPES, 0))
    cache = asked.cache if isinstance(source, str) else OFF
    with _readable(source, model, folder) as readable:
        return OpenVinoRunner(readable, model, nodes, choice, properties, asked.threads, shapes, cache)


def _check_ranks(model: ModelFile) -> None:
    """Refuse what the plug-in takes for a single number. Raises MachineError."""
    odd = next((spec for spec in model.inputs if spec.shape is None and spec.name not in model.initializers), None)
    if odd is not None:
        reason = f"the file does not tell how many axes its input {odd.name} has, which OpenVINO's plug-in has to know"
        raise MachineError(f'{model.path}: {reason}; use device="cpu" for it')


@contextmanager
def _readable(source: str | bytes, model: ModelFile, folder: str) -> Iterator[str | bytes]:
    """What OpenVINO reads: it takes external data from beside a file alone, and follows no links out of its folder."""
    if isinstance(source, str) or not model.external:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as temporary:
        for name in model.external:
            origin, beside = (Path(folder) / name).resolve(), Path(temporary) / name
            beside.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(origin, beside)
            except OSError:  # another file system
                shutil.copyfile(origin, beside)
        path = Path(temporary) / "model.onnx"
        path.write_bytes(source)
        yield str(path)
