"""A run without copies: inputs laid down once where the model runs, outputs left there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archonnx.runtime.engine import _FOREIGN, Engine, _to_value
from archonnx.runtime.translate import ort_errors, run_error

if TYPE_CHECKING:
    import numpy as np


def bare_run(engine: Engine, feeds: Mapping[str, np.ndarray[Any, Any]]) -> Callable[[], None] | None:
    """A call that runs the model on these inputs and gives nothing back; None for a model of sequences, maps or
    strings, which onnxruntime copies anyway.

    feeds: inputs that have been checked. The run raises RunError, MachineError.
    """
    import numpy as np
    import onnxruntime

    model, session = engine._model, engine._session
    specs = {spec.name: spec for spec in model.inputs}
    if any(spec.kind != "tensor" or spec.dtype == "string" for spec in [*specs.values(), *model.outputs]):
        return None
    device = "cuda" if engine.choice.device == "cuda" else "cpu"
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4  # its failures are raised: it need not print them too
    held = []  # what is bound points into the arrays
    binding = session.io_binding()
    for name, array in feeds.items():
        whole = np.ascontiguousarray(array)
        here = device == "cpu" or specs[name].dtype in _FOREIGN
        value = _to_value(specs[name], whole) if here else onnxruntime.OrtValue.ortvalue_from_numpy(whole, device)
        binding.bind_ortvalue_input(name, value)
        held.append(whole)
    for spec in model.outputs:
        binding.bind_output(spec.name, device)

    def run(_: object = held) -> None:
        try:
            session.run_with_iobinding(binding, options)
        except ort_errors() as error:
            raise run_error(model, error) from error

    return run
