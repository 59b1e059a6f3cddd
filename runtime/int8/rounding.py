"""Weights of int8 rounded so that what they multiply on the data changes least, and biases that make up for the rest.

Rounding each number to the nearest is not best for their sum: a kernel of differences loses its zero. The numbers of a
channel are rounded one after another, and what each loses is laid upon those that follow, by the inverse of the inputs'
second moments, as GPTQ does (arXiv 2210.17323). What a channel then still gives too much on average, its bias takes
away (arXiv 1906.04721). Both keep the operators and their speed as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.runtime.int8.preparing import Prepared
from archonnx.runtime.translate import ort_errors, run_error

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.modelfile import ModelFile
    from archonnx.runtime.samples import Sample

    Array = np.ndarray[Any, Any]

COLUMNS = 4096  # inputs of one channel's sums that a product is judged by
NUMBERS = 12_000_000  # of them, at most, in all groups
WIDEST = 2304  # numbers in a channel: the work grows with its square and cube
_BLOCK = 64
_DAMPING = 0.01  # of the mean second moment: what data did not show must not run away


def inputs_seen(prepared: Prepared, model: ModelFile, samples: Sequence[Sample]) -> dict[str, Array]:
    """For each product what its sums are made of: float32[groups, K, columns], some columns of all samples.

    Raises RunError.
    """
    import numpy as np
    import onnxruntime

    nodes = {node.name: node for node in prepared.proto.graph.node if node.name in set(prepared.products)}
    wanted = sorted({node.input[0] for node in nodes.values()})
    constants = {tensor.name: tuple(tensor.dims) for tensor in prepared.proto.graph.initializer}
    draw = np.random.default_rng(0)
    parts: dict[str, list[Array]] = {name: [] for name in nodes}
    session = _session(prepared, [name for name in wanted if name not in {i.name for i in prepared.proto.graph.input}])
    names = [output.name for output in session.get_outputs()]
    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = 4
    for sample in samples:
        try:
            found = {**sample, **dict(zip(names, session.run(None, dict(sample), quiet), strict=True))}
        except ort_errors() as error:
            raise run_error(model, error) from error
        for name, node in nodes.items():
            shape = constants[node.input[1]]
            groups, width = _form(node, shape)
            most = max(16, min(COLUMNS, NUMBERS // (groups * width)) // len(samples))
            columns = _columns(node, shape, found[node.input[0]], most, draw)
            if columns.shape[2]:
                parts[name].append(columns)
    return {name: np.concatenate(each, axis=2) for name, each in parts.items() if each}


def _session(prepared: Prepared, outputs: Sequence[str]) -> Any:
    import onnxruntime
    from onnx import helper

    proto = type(prepared.proto)()
    proto.CopyFrom(prepared.proto)
    del proto.graph.output[:]
    proto.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    if not outputs:  # all inputs of products are the model's own: any output makes it a model
        proto.graph.output.append(prepared.proto.graph.output[0])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _form(node: Any, shape: Sequence[int]) -> tuple[int, int]:
    """Groups, and how many numbers a channel has."""
    if node.op_type == "Conv":
        width = 1
        for size in shape[1:]:
            width *= size
        return int(_attribute(node, "group", 1)), width
    return 1, shape[1] if node.op_type == "Gemm" and _attribute(node, "transB", 0) else shape[0]


def matrix(node: Any, weight: Array) -> Array:
    """A product's factor as [groups, channels of a group, K], as `unmatrix` takes it back."""
    if node.op_type == "Conv":
        groups = int(_attribute(node, "group", 1))
        return weight.reshape(groups, len(weight) // groups, -1)
    rows = weight if node.op_type == "Gemm" and _attribute(node, "transB", 0) else weight.T
    return rows.reshape(1, *rows.shape)


def unmatrix(node: Any, rows: Array, shape: Sequence[int]) -> Array:
    """The factor in its own shape again."""
    if node.op_type == "Conv" or (node.op_type == "Gemm" and _attribute(node, "transB", 0)):
        return rows.reshape(shape)
    found: Array = rows[0].T.reshape(shape)
    return found


def _columns(node: Any, shape: Sequence[int], x: Array, most: int, draw: Any) -> Array:
    """Some of the columns that a product multiplies its factor with: [groups, K, at most `most`]."""
    import numpy as np

    if node.op_type != "Conv":
        rows = x.T if node.op_type == "Gemm" and _attribute(node, "transA", 0) else x
        rows = rows.reshape(-1, rows.shape[-1])
        if len(rows) > most:
            rows = rows[draw.choice(len(rows), most, replace=False)]
        return rows.T[None].astype(np.float32)
    kernel, axes = shape[2:], len(shape) - 2
    strides = list(_attribute(node, "strides", [1] * axes))
    dilations = list(_attribute(node, "dilations", [1] * axes))
    spans = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    pads = _pads(node, x.shape[2:], spans, strides)
    places = [
        max(0, (size + pads[at] + pads[axes + at] - spans[at]) // strides[at] + 1)
        for at, size in enumerate(x.shape[2:])
    ]
    count = len(x) * int(np.prod(places))
    if not count:
        return np.zeros((int(_attribute(node, "group", 1)), _form(node, shape)[1], 0), np.float32)
    chosen = draw.choice(count, min(count, most), replace=False)
    row, *at = np.unravel_index(chosen, (len(x), *places))
    index: list[Array] = []
    inside = np.ones((len(chosen), *kernel), bool)
    for axis in range(axes):
        wide = [1] * axes
        wide[axis] = kernel[axis]
        offsets = (np.arange(kernel[axis]) * dilations[axis] - pads[axis]).reshape(1, *wide)
        where = at[axis].reshape(-1, *[1] * axes) * strides[axis] + offsets
        inside &= (where >= 0) & (where < x.shape[2 + axis])
        index.append(np.clip(where, 0, x.shape[2 + axis] - 1))
    taken = np.moveaxis(x, 1, -1)[(row.reshape(-1, *[1] * axes), *index)]  # [chosen, *kernel, channels]
    taken = np.where(inside[..., None], taken, 0).astype(np.float32)
    groups = int(_attribute(node, "group", 1))
    taken = np.moveaxis(taken, -1, 1).reshape(len(chosen), groups, -1)
    return np.ascontiguousarray(taken.transpose(1, 2, 0))


def _pads(node: Any, sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int]) -> list[int]:
    auto = _attribute(node, "auto_pad", b"NOTSET").decode()
    if auto in ("NOTSET", "VALID"):
        given = list(_attribute(node, "pads", [0] * 2 * len(sizes)))
        return given if auto == "NOTSET" else [0] * 2 * len(sizes)
    begin, end = [], []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        whole = max(0, (-(-size // stride) - 1) * stride + span - size)
        small = whole // 2
        begin.append(small if auto == "SAME_UPPER" else whole - small)
        end.append(whole - begin[-1])
    return begin + end


def round_rows(rows: Array, scales: Array, columns: Array, most: int = 127) -> Array:
    """Whole numbers [groups, channels, K] for which `q * scale` multiplies columns [groups, K, n] about as `rows` do.

    scales: [groups, channels, 1]. Never farther from `rows` on these columns than rounding to the nearest is.
    """
    import numpy as np

    nearest = np.clip(np.rint(rows / scales), -most, most)
    groups, _, width = rows.shape
    if width > WIDEST:
        return nearest
    wide = columns.astype(np.float64)
    moments = wide @ wide.transpose(0, 2, 1) / wide.shape[2]
    diagonal = np.diagonal(moments, axis1=1, axis2=2)
    moments = moments + np.eye(width) * (_DAMPING * diagonal.mean(axis=1) + 1e-12)[:, None, None]
    order = np.argsort(-diagonal.mean(axis=0), kind="stable")  # what weighs most is rounded first
    moments = moments[:, order][:, :, order]
    # Upper triangular, its product with itself the inverse: row k tells how the rest makes up for the k-th number.
    upper = np.linalg.cholesky(np.linalg.inv(moments)).transpose(0, 2, 1)
    left = rows[:, :, order].astype(np.float64) / scales
    found = np.empty_like(left)
    for start in range(0, width, _BLOCK):  # the rest is brought up to date once a block, as one product of matrices
        end = min(start + _BLOCK, width)
        lost = np.empty((groups, rows.shape[1], end - start))
        for k in range(start, end):
            found[:, :, k] = np.clip(np.rint(left[:, :, k]), -most, most)
            lost[:, :, k - start] = (left[:, :, k] - found[:, :, k]) / upper[:, k, k][:, None]
            left[:, :, k + 1 : end] -= lost[:, :, k - start, None] * upper[:, None, k, k + 1 : end]
        left[:, :, end:] -= lost @ upper[:, start:end, end:]
    back = np.empty_like(found)
    back[:, :, order] = found
    exact = rows / scales
    worse = _off(back - exact, wide) > _off(nearest - exact, wide)
    return np.where(worse[:, :, None], nearest, back)


def _off(rows: Array, columns: Array) -> Array:
    """Mean squares of what rows make of columns: [groups, channels]."""
    found: Array = ((rows.astype(columns.dtype) @ columns) ** 2).mean(axis=2)
    return found


@dataclass(frozen=True, slots=True)
class Rounded:
    """How far a product of the data's own inputs is off, its own rounding alone, relative to its size: by rounding to
    the nearest, and as it was rounded."""

    nearest: float
    found: float


def improve(
    quantized: Any, prepared: Prepared, seen: dict[str, Array], known: dict[str, tuple[Array, Array]] | None = None
) -> dict[str, Rounded]:
    """Round the weights of a quantized ModelProto anew, and correct its biases, in place.

    known: scales and whole numbers of products that were rounded before, which is added to.
    """
    known = {} if known is None else known
    import numpy as np
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in quantized.graph.initializer}
    original = {tensor.name: tensor for tensor in prepared.proto.graph.initializer}
    makers = {name: node for node in quantized.graph.node for name in node.output}
    before = {node.name: node for node in prepared.proto.graph.node}
    users: dict[str, int] = {}
    for node in quantized.graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    found: dict[str, Rounded] = {}
    for node in quantized.graph.node:
        if node.name not in seen or node.name not in before:
            continue
        weights = makers.get(node.input[1])
        if weights is None or weights.op_type != "DequantizeLinear" or weights.input[0] not in constants:
            continue
        tensor = constants[weights.input[0]]
        old = numpy_helper.to_array(tensor)
        if old.dtype != np.int8 or users[weights.input[0]] > 1 or users[node.input[1]] > 1:
            continue
        exact = numpy_helper.to_array(original[before[node.name].input[1]]).astype(np.float32)
        rows = matrix(node, exact)
        scales = np.asarray(numpy_helper.to_array(constants[weights.input[1]]), np.float32).reshape(-1)
        scales = np.broadcast_to(scales, (rows.shape[0] * rows.shape[1],)).reshape(*rows.shape[:2], 1)
        columns = seen[node.name]
        most = 64 if int(np.abs(old.astype(np.int16)).max()) <= 64 else 127
        if node.name not in known or not np.array_equal(known[node.name][0], scales):
            known[node.name] = (scales, round_rows(rows, scales, columns, most))
        whole = known[node.name][1]
        size = np.sqrt(_off(rows, columns).mean()) + 1e-12
        nearest = np.sqrt(_off(matrix(node, old.astype(np.float32)) * scales - rows, columns).mean())
        apart = whole.astype(np.float32) * scales - rows
        found[node.name] = Rounded(float(nearest / size), float(np.sqrt(_off(apart, columns).mean()) / size))
        tensor.CopyFrom(numpy_helper.from_array(unmatrix(node, whole.astype(np.int8), exact.shape), tensor.name))
        mean = (apart @ columns.mean(axis=2)[:, :, None]).reshape(-1)
        _correct(node, -mean, constants, makers, users)
    return found


def _correct(node: Any, more: Array, constants: dict[str, Any], makers: dict[str, Any], users: dict[str, int]) -> None:
    """Add to a product's bias, where it has one of its own."""
    import numpy as np
    from onnx import numpy_helper

    if len(node.input) < 3 or not node.input[2]:
        return
    name, scale = node.input[2], None
    maker = makers.get(name)
    if maker is not None and maker.op_type == "DequantizeLinear" and users[name] == 1:
        scale = numpy_helper.to_array(constants[maker.input[1]]).astype(np.float64)
        name = maker.input[0]
    tensor = constants.get(name)
    if tensor is None or users[name] > 1 or list(tensor.dims) != [len(more)]:
        return
    bias = numpy_helper.to_array(tensor)
    if scale is None:
        made = (bias + more).astype(bias.dtype)
    else:
        made = np.clip(bias + np.rint(more / scale), -(2**31) + 1, 2**31 - 1).astype(bias.dtype)
    tensor.CopyFrom(numpy_helper.from_array(made, tensor.name))
