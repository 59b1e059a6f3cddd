"""A session on the GPU, with CUDA graphs where they are possible and wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.cuda.engine import CudaEngine
from archonnx.runtime.cuda.graphs import Graphs, forbidden
from archonnx.runtime.devices import Choice
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.settings import Settings
from archonnx.runtime.translate import clean, load_error, ort_errors

log = logging.getLogger("archonnx.runtime")
_REFUSED = "cannot use the graph capture feature"  # onnxruntime's words, for branches and for nodes elsewhere
# Calls of the same shapes before the one that is captured. onnxruntime needs two ordinary runs, which it makes itself.
_AFTER, _AT_ONCE = 2, 1


def start_on_gpu(
    make: Callable[[dict[str, str]], Any], model: ModelFile, choice: Choice, asked: Settings
) -> CudaEngine:
    """The engine. make: onnxruntime's session, with these options of the provider beside its usual ones; it is kept, to
    make the session again where a capture spoils it.

    Raises MachineError where graphs are insisted on and impossible, and onnxruntime's own errors.
    """
    session, reason = None, _against(model, choice, asked)
    if reason is None:
        try:
            session = make({"enable_cuda_graph": "1"})
        except ort_errors() as error:
            if _REFUSED not in str(error):
                raise
            reason = clean(str(error)).replace(
                "This session cannot use the graph capture feature as requested by the user", ""
            )
            reason = f"onnxruntime refuses:{' '.join(['', *reason.split()])}"
    if session is not None:
        graphs = Graphs(_AT_ONCE if asked.graphs else _AFTER)
        return CudaEngine(session, model, choice, asked.threads, graphs, _again(make, model, choice))
    if asked.graphs:
        raise MachineError(f'{model.path}: CUDA graphs are impossible: {reason}; load it with graphs="auto"')
    log.info("%s: runs without CUDA graphs: %s", model.path, reason)
    return CudaEngine(make({}), model, choice, asked.threads)


def _against(model: ModelFile, choice: Choice, asked: Settings) -> str | None:
    if asked.graphs is False:
        return "asked for"
    if choice.device != "cuda":
        return f"{choice.providers[0].label} keeps graphs of its own kind, which are not used here"
    return forbidden(model)


def _again(make: Callable[[dict[str, str]], Any], model: ModelFile, choice: Choice) -> Callable[[], Any]:
    def again() -> Any:
        try:
            return make({})
        except ort_errors() as error:
            raise load_error(model, error, choice.device) from error

    return again
