"""A model as OpenVINO's library has read and compiled it, kept for the next start: in its own format, whose weights are
mapped, and what it compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.caching.blobs import UnkeptError, kept
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.compiled import Compiled
from archonnx.runtime.openvino.library import core, library_errors
from archonnx.runtime.openvino.reading import read_graph
from archonnx.runtime.translate import clean

if TYPE_CHECKING:
    from archonnx.runtime.openvino.nodes import Node

_GRAPH = "graph.xml"
_READ = "3"  # raised where `read_graph` makes another graph of the same file


def graph_of(
    source: str | bytes, model: ModelFile, nodes: Sequence[Node], properties: Mapping[str, str], cache: str
) -> tuple[Any, dict[str, Any], bool]:
    """The model as an openvino.Model, what it is compiled with besides `properties`, and whether it was kept already.

    Raises MachineError as `read_graph` does.
    """
    import openvino

    optional = {spec.name for spec in model.inputs if spec.optional} & model.initializers
    if isinstance(source, bytes) or optional:  # whose values are looked for in what was read of the file
        return read_graph(source, model, nodes), {}, False

    def make(folder: Path) -> None:
        graph = read_graph(source, model, nodes)
        try:
            openvino.save_model(graph, folder / _GRAPH, compress_to_fp16=False)
            Compiled(_mapped(folder), model.path, {**properties, **_kept_in(folder)})
            for blob in folder.glob("*.blob"):  # which it lets nobody else read
                blob.chmod((folder / _GRAPH).stat().st_mode)
        except library_errors() as error:
            raise UnkeptError(clean(str(error))) from None
        except MachineError as error:  # it is told where the model is compiled without a cache
            raise UnkeptError(str(error)) from None

    versions = {"openvino": openvino.__version__, "read": _READ}
    found = kept(source, model, cache, "openvino", versions, dict(properties), make)
    if found is None:
        return read_graph(source, model, nodes), {}, False
    return _mapped(found[0]), _kept_in(found[0]), found[1]


def _mapped(folder: Path) -> Any:
    """The graph with its weights where they lie: nobody writes to the cache's files, as somebody may to a model's."""
    return core().read_model(folder / _GRAPH, config={"ENABLE_MMAP": True})


def _kept_in(folder: Path) -> dict[str, Any]:
    return {"CACHE_DIR": str(folder), "ENABLE_MMAP": True}
