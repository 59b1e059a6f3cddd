"""Buffers on the GPU for inputs and outputs of fixed shapes, which runs and graphs use again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archonnx.contract.diagnostics import UsageError
from archonnx.contract.dtypes import DTYPES
from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.devicearray import DeviceArray
from archonnx.runtime.modelfile import Spec
from archonnx.runtime.values import to_host, to_value


def buffer(spec: Spec, shape: Sequence[int], place: str) -> Any:
    """Memory on a device, as onnxruntime's value. place: "cuda"; "cpu" in tests."""
    from onnxruntime import OrtValue

    return OrtValue.ortvalue_from_shape_and_type(list(shape), DTYPES[spec.dtype].onnx, place, 0)


class Static:
    """A binding of onnxruntime's whose inputs and outputs lie still.

    session: onnxruntime's; feeds: inputs that have been checked, of which those on the GPU are read where they are;
    out: arrays for outputs, of which those on the GPU are written where they are. The others get buffers.
    """

    def __init__(
        self,
        session: Any,
        inputs: Sequence[Spec],
        outputs: Sequence[Spec],
        feeds: Mapping[str, Any],
        out: Mapping[str, Any],
        place: str,
        own: bool = False,
    ) -> None:
        """own: inputs on the GPU get buffers too, as each call has others."""
        self._outputs, self._place, self._own = outputs, place, own
        self._specs = {spec.name: spec for spec in inputs}
        self.number = 0  # of the graph, 0 where there is none
        self.options: Any = None  # of its runs
        self.again(session, feeds, out)

    def again(self, session: Any, feeds: Mapping[str, Any], out: Mapping[str, Any]) -> None:
        """Begin anew, with a session that may be another."""
        self.session, self.runs, self.number = session, 0, 0
        self.binding = session.io_binding()
        self.inputs: dict[str, Any] = {}
        self.made: dict[str, Any] = {}  # the outputs' buffers, once a run has told their shapes
        for name, array in feeds.items():
            there = isinstance(array, DeviceArray) and not self._own
            value = array.value if there else buffer(self._specs[name], array.shape, self._place)
            self.binding.bind_ortvalue_input(name, value)
            self.inputs[name] = value
        self._ours = {n for n, a in feeds.items() if self._own or not isinstance(a, DeviceArray)}
        for spec in self._outputs:
            if isinstance(out.get(spec.name), DeviceArray):
                self.made[spec.name] = out[spec.name].value
                self.binding.bind_ortvalue_output(spec.name, self.made[spec.name])
            else:
                self.binding.bind_output(spec.name, self._place)

    @property
    def settled(self) -> bool:
        """Whether all outputs have their buffers."""
        return len(self.made) == len(self._outputs)

    def fill(self, feeds: Mapping[str, Any]) -> None:
        """Lay the inputs down, and wait until they and whatever else the GPU was given are there."""
        for name, array in feeds.items():
            if not isinstance(array, DeviceArray):
                self._copy(self.inputs[name], to_value(self._specs[name], array))
            elif self._own:
                self._copy(self.inputs[name], array.value)
        # A copy from ordinary memory may be under way when it returns, and onnxruntime's stream waits for no other.
        self.binding.synchronize_inputs()

    def clear(self) -> None:
        """Zeros in those inputs that have buffers of ours."""
        import numpy as np

        for name, value in self.inputs.items():
            if name not in self._ours:
                continue
            spec = self._specs[name]
            self._copy(value, to_value(spec, np.zeros(tuple(value.shape()), numpy_dtype(spec.dtype))))
        self.binding.synchronize_inputs()

    @staticmethod
    def _copy(target: Any, source: Any) -> None:
        if target.tensor_size_in_bytes():
            target.update_inplace(source)

    def run(self, options: Any) -> None:
        """Run, and keep what came as the outputs' buffers."""
        self.session.run_with_iobinding(self.binding, options)
        self.runs += 1
        if not self.settled:
            for spec, value in zip(self._outputs, self.binding.get_outputs(), strict=True):
                if spec.name not in self.made:
                    self.made[spec.name] = value
                    self.binding.bind_ortvalue_output(spec.name, value)

    def results(self, out: Mapping[str, Any], stay: bool) -> list[Any]:
        """The outputs in order: those of `out` written into its arrays, the others new arrays of the caller's, which
        stay on the GPU where `stay` says so. Raises UsageError for an array of another shape."""
        found = []
        for spec in self._outputs:
            value, array = self.made[spec.name], out.get(spec.name)
            if array is None and stay:
                array = DeviceArray(buffer(spec, value.shape(), self._place))
                self._copy(array.value, value)
            elif array is None:
                array = to_host(spec, value)
            elif not isinstance(array, DeviceArray):
                if tuple(array.shape) != tuple(value.shape()):
                    given, made = list(array.shape), list(value.shape())
                    raise UsageError(f"out: output {spec.name}: the array has the shape {given}, the result {made}")
                if array.size:
                    to_value(spec, array).update_inplace(value)
            found.append(array)
        if stay:
            self.binding.synchronize_outputs()
        return found
