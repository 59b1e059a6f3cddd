"""A cell run along axis 1 of a sequence, as ONNX' Scan: a graph of layers (RNN over a block), or a layer's own step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archonnx.compiler.graph import LayerGraph, TensorType, Value
from archonnx.compiler.ir import Tensor
from archonnx.compiler.lowering.bodies import Body
from archonnx.compiler.lowering.builder import Builder


@dataclass(slots=True)
class _Carried:
    """A value that goes from step to step: where it starts, what a step reads, what it hands on."""

    name: str
    initial: Tensor
    before: Tensor
    after: Tensor


class Scanned:
    """One application of a cell over time; a subclass says what a step is (`step`).

    sequence: [batch, steps, ...]. read and states: the names and types of what a step reads. initials: where the states
    start; None for zeros. mask: bool [batch, steps]; where it is False, states stay as they are and the result is the
    one before (zeros before the first), or zeros `zeros_where_masked`, as in Keras.
    """

    def __init__(
        self,
        b: Builder,
        sequence: Tensor,
        read: tuple[str, TensorType],
        states: Sequence[tuple[str, TensorType]],
        initials: Sequence[Tensor | None],
        *,
        mask: Tensor | None = None,
        zeros_where_masked: bool = False,
    ) -> None:
        assert b.node is not None
        self.b, self.sequence, self.states, self.initials, self.mask = b, sequence, states, initials, mask
        self.zeros_where_masked = zeros_where_masked
        self.body = Body(b, f"{b.node.name}/step")
        self.read = self.body.receive(*read)
        self.before = [self.body.receive(name, kind) for name, kind in states]

    def step(self) -> tuple[Tensor, list[Tensor]]:
        """The result and the next states, built in `body` from `read` and `before`."""
        raise TypeError(f"{type(self).__name__} declares no step")

    def emit(self, *, sequences: bool, backwards: bool, in_order: bool = False) -> tuple[Tensor, list[Tensor]]:
        """The last result, or with `sequences` all of them along axis 1, and the last states.

        All of them come as they are computed, or `in_order`, in the order of the steps that they belong to.
        """
        result, after = self.step()
        self.body.node, self.body.origin = self.b.node, self.b.origin
        scanned, read = [self.sequence], [self.read]
        flag = None
        if self.mask is not None:
            flag = self.body.receive("mask", TensorType("bool", (self.mask.shape[0],)))
            scanned.append(self.mask)
            read.append(flag)
        last = self._twin(result, after)
        carried: list[_Carried] = []
        for (name, kind), initial, before, new in zip(self.states, self.initials, self.before, after, strict=True):
            start = self._zeros(kind) if initial is None else initial
            carried.append(_Carried(name, start, before, self._held(flag, new, before)))
        states = len(carried)
        if last is not None:
            result = carried[last].after
        elif flag is not None and self.zeros_where_masked:
            result = self._held(flag, result, self.body.like(result, 0))
        if last is None and (not sequences or (flag is not None and not self.zeros_where_masked)):
            last = states
            before = self.body.receive("result", result.type)
            if not self.zeros_where_masked:
                result = self._held(flag, result, before)
            carried.append(_Carried("result", self._zeros(result.type), before, result))
        carried += [
            _Carried(inside.name.rpartition("/")[2], outside, inside, inside) for outside, inside in self.body.handed
        ]
        made = self._scan(carried, scanned, read, result if sequences else None, backwards, in_order)
        if sequences:
            return made[-1], list(made[:states])
        assert last is not None
        return made[last], list(made[:states])

    def _scan(
        self,
        carried: Sequence[_Carried],
        scanned: Sequence[Tensor],
        read: Sequence[Tensor],
        result: Tensor | None,
        backwards: bool,
        in_order: bool,
    ) -> tuple[Tensor, ...]:
        body, prefix = self.body.graph, self.b.origin.prefix
        body.inputs = [*(c.before for c in carried), *read]
        body.outputs = [(f"{prefix}{c.name}/next", c.after) for c in carried]
        types = [c.before.type for c in carried]
        if result is not None:
            body.outputs.append((f"{prefix}step/result", result))
            types.append(
                TensorType(result.dtype, (result.shape[0], self.sequence.shape[1], *result.shape[1:])),
            )
        for domain, version in body.domains.items():
            self.b.graph.domains.setdefault(domain, version)
        return self.b.op(
            "Scan",
            *(c.initial for c in carried),
            *scanned,
            result=types,
            body=body,
            num_scan_inputs=len(scanned),
            scan_input_axes=[1] * len(scanned),
            scan_input_directions=[1] * len(scanned) if backwards else None,
            scan_output_axes=[1] if result is not None else None,
            scan_output_directions=[1] if result is not None and backwards and in_order else None,
        )

    def _twin(self, result: Tensor, after: Sequence[Tensor]) -> int | None:
        """The state that the result is, where both start from the same: then nothing else has to be carried."""
        for i, state in enumerate(after):
            starts_alike = self.mask is None or (self.initials[i] is None and not self.zeros_where_masked)
            if state is result and starts_alike:
                return i
        return None

    def _held(self, flag: Tensor | None, new: Tensor, old: Tensor) -> Tensor:
        """`new`, and `old` where the mask is False."""
        if flag is None:
            return new
        condition = self.body.expand_dims(flag, range(1, new.rank))
        return self.body.op("Where", condition, new, old, result=new.type)

    def _zeros(self, kind: TensorType) -> Tensor:
        return self.b.expand(self.b.constant(0, kind.dtype), kind.shape)


class Loop(Scanned):
    """One application of a cell's graph: inputs the step and the states, outputs the result and the next states.

    captured: tensors by the values from outside that the graph reads.
    """

    def __init__(
        self,
        b: Builder,
        graph: LayerGraph,
        sequence: Tensor,
        initials: Sequence[Tensor | None],
        captured: Mapping[Value, Tensor],
        *,
        mask: Tensor | None = None,
        zeros_where_masked: bool = False,
    ) -> None:
        step, *states = [(given.name, given.value.type) for given in graph.inputs]
        super().__init__(b, sequence, step, states, initials, mask=mask, zeros_where_masked=zeros_where_masked)
        self.graph = graph
        for given, tensor in zip(graph.inputs, [self.read, *self.before], strict=True):
            self.body.tensors[id(given.value)] = tensor
        for value, tensor in captured.items():
            self.body.tensors[id(value)] = self.body.hand_in(tensor)

    def step(self) -> tuple[Tensor, list[Tensor]]:
        from archonnx.compiler.lowering.lower import lower_node

        for node in self.graph.nodes:
            lower_node(node, self.body)
        result, *after = [self.body.tensor_of(output.value) for output in self.graph.outputs]
        return result, after
