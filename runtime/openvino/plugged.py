"""A session of onnxruntime on OpenVINO's plug-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archonnx.runtime.buffers import misshapen, shape_error, too_small
from archonnx.runtime.engine import Engine
from archonnx.runtime.translate import ort_errors, run_error
from archonnx.runtime.values import to_numpy, to_value

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop

    Arrays = Mapping[str, np.ndarray[Any, Any]]


class Laid:
    """Inputs, and arrays for outputs, as onnxruntime's values, which point into them. fits: whether a run was seen to
    give results of the shapes of these arrays, all of them, and each later one will."""

    def __init__(self, names: list[str], inputs: Any, outputs: Any) -> None:
        self.names, self.inputs, self.outputs = names, inputs, outputs
        self.fits = False


class PluginEngine(Engine):
    """An Engine on the plug-in. In the eyes of onnxruntime its memory is not the processor's: what is bound to an input
    is copied at that moment, and never again. So nothing is bound, and each run is given the values themselves."""

    def bind(self, feeds: Arrays, out: Arrays) -> Laid:
        given = [spec.name for spec in self._model.outputs if spec.name in out]
        try:
            return Laid(list(feeds), self._values(feeds, feeds), self._values(out, given))
        except ort_errors() as error:
            raise run_error(self._model, error) from error

    def run_bound(self, binding: Laid, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = self._ready(feeds, stop)
        specs = self._model.outputs
        # A run that fails is the session's last: an array that has another shape than the result is found out before.
        found = binding.outputs if binding.fits else state.OrtValueVector()
        devices = [state.OrtDevice(state.OrtDevice.cpu(), state.OrtDevice.default_memory(), 0)] * len(specs)
        try:
            self._session.run_with_ortvaluevector(
                options, binding.names, binding.inputs, [spec.name for spec in specs], found, devices
            )
        except ort_errors() as error:
            text = str(error)
            raise too_small(text, out) or shape_error(text) or run_error(self._model, error) from error
        values = []
        for spec, each in zip(specs, found, strict=True):
            array, value = out.get(spec.name), onnxruntime.OrtValue(each)
            if array is not None and array.shape != (shape := tuple(value.shape())):
                raise misshapen(spec.name, array, shape)
            if array is None:
                array = to_numpy(spec, value)
            elif array.size and value.data_ptr() != array.ctypes.data:
                array[...] = to_numpy(spec, value)
            values.append(array)
        binding.fits = len(out) == len(specs) and self._settled
        return values

    @cached_property
    def _settled(self) -> bool:
        """Whether the shapes of the inputs settle those of the outputs, as far as the file tells, and no output is an
        input, which would take the place of the array that was given for it."""
        inputs, outputs = self._model.inputs, self._model.outputs
        known = {size for spec in inputs for size in spec.shape or () if size is not None}
        sizes = [size for spec in outputs for size in (spec.shape if spec.shape is not None else (None,))]
        settled = all(isinstance(size, int) or size in known for size in sizes)
        return settled and {spec.name for spec in inputs}.isdisjoint(spec.name for spec in outputs)

    def _values(self, arrays: Arrays, names: Iterable[str]) -> Any:
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        specs = {spec.name: spec for spec in [*self._model.inputs, *self._model.outputs]}
        made = state.OrtValueVector()
        for name in names:
            made.push_back(to_value(specs[name], arrays[name])._ortvalue)
        return made
