"""How an image is sampled at another size, as TensorFlow does it (tf.image.resize, half-pixel centres).

    linear          ONNX Resize: the mean of the two nearest pixels, weighted; in float64 gathered and weighted
    nearest         the pixel at floor((i + 0.5) * size / target), in float32
    matrix          every other kind as a matrix [target, size] along one axis: cubic, Lanczos, area, with or without
                    antialiasing; the size must be known
    antialiased     linear and cubic with antialiasing where a size is symbolic: ONNX Resize, which weighs alike

The formulas of the matrices are those of scale_and_translate_op.cc, resize_bicubic_op.cc and resize_area_op.cc in
tensorflow/core/kernels/image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType

if TYPE_CHECKING:
    import numpy as np

    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

    Array = np.ndarray[Any, Any]

INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area")
ANTIALIASED = {"bilinear": "linear", "bicubic": "cubic"}  # what ONNX's Resize antialiases, under its names
RADIUS = {"bilinear": 1.0, "bicubic": 2.0, "lanczos3": 3.0, "lanczos5": 5.0}
TABLE = 1024  # TensorFlow rounds the place between two pixels to this many steps for cubics without antialiasing


def needs_known_size(interpolation: str, antialias: bool) -> bool:
    """Whether an interpolation is a matrix, whose size must be a number."""
    return interpolation != "nearest" and (antialias or interpolation != "bilinear")


def by_operator(interpolation: str, dtype: str, sizes: Sequence[Dim]) -> bool:
    """Whether antialiasing is ONNX's operator: with sizes old or new that are symbolic, in types that it takes."""
    return interpolation in ANTIALIASED and dtype != "float64" and not all(isinstance(size, int) for size in sizes)


def resize(
    b: Builder, x: Tensor, axes: Sequence[int], sizes: Sequence[Dim], interpolation: str, antialias: bool
) -> Tensor:
    """`x` with its axes `axes` (two, ascending) brought to `sizes`."""
    if antialias and by_operator(interpolation, x.dtype, [*sizes, *(b.known(x.shape[axis]) for axis in axes)]):
        return _antialiased(b, x, axes, sizes, ANTIALIASED[interpolation])
    if x.dtype == "float64" and interpolation == "bilinear" and not antialias:
        return between(b, x, axes, sizes)
    if interpolation == "nearest":
        for axis, size in zip(axes, sizes, strict=True):
            x = _nearest(b, x, axis, size)
        return x
    if needs_known_size(interpolation, antialias):
        for axis, size in zip(axes, sizes, strict=True):
            x = _by_matrix(b, x, axis, size, interpolation, antialias)
        return x
    return _linear(b, x, axes, sizes)


def _antialiased(b: Builder, x: Tensor, axes: Sequence[int], sizes: Sequence[Dim], mode: str) -> Tensor:
    """Channels first: onnxruntime antialiases no other layout on CUDA; and in float32, as it takes no other float."""
    moved = axes[-1] != x.rank - 1
    y = b.cast(b.channels_first(x) if moved else x, "float32")
    shape = (*y.shape[:2], *sizes)
    y = b.op(
        "Resize",
        y,
        None,
        None,
        b.shape(shape),
        result=TensorType("float32", shape),
        mode=mode,
        coordinate_transformation_mode="half_pixel",
        antialias=1,
        exclude_outside=1,  # the weights of pixels beyond the edge go to those inside, as everywhere else
        cubic_coeff_a=-0.5,
    )
    return b.cast(b.channels_last(y) if moved else y, x.dtype)


def _linear(b: Builder, x: Tensor, axes: Sequence[int], sizes: Sequence[Dim]) -> Tensor:
    if all(x.shape[axis] == size for axis, size in zip(axes, sizes, strict=True)):
        return x
    moved = axes[-1] != x.rank - 1
    y = b.channels_first(x) if moved else x
    shape = (*y.shape[:2], *sizes)
    scales = _scales([b.known(d) for d in y.shape[2:]], sizes)
    # Not the attribute `axes` with two sizes: onnxruntime's optimizer misreads them once it moves a Transpose past.
    y = b.op(
        "Resize",
        y,
        None,
        b.constant([1.0, 1.0, *scales]) if scales else None,
        None if scales else b.shape(shape),
        result=TensorType(y.dtype, shape),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
    return b.channels_last(y) if moved else y


def between(b: Builder, x: Tensor, axes: Sequence[int], sizes: Sequence[Dim]) -> Tensor:
    """Linear in float64, for which onnxruntime has no Resize: the two nearest pixels gathered, and weighted."""
    for axis, size in zip(axes, sizes, strict=True):
        old, new = b.known(x.shape[axis]), b.known(size)
        if b.same(old, new):
            continue
        last = b.cast(b.dim(b.known(old - 1)), "float64")
        place = b.op("Add", b.cast(_range(b, new), "float64"), b.constant(0.5, "float64"))
        scale = b.op("Div", b.cast(b.dim(old), "float64"), b.cast(b.dim(new), "float64"))
        place = b.op("Sub", b.op("Mul", place, scale), b.constant(0.5, "float64"))
        place = b.op("Min", b.op("Max", place, b.constant(0.0, "float64")), last)
        low = b.op("Floor", place)
        high = b.op("Min", b.op("Add", low, b.constant(1.0, "float64")), last)
        weight = b.reshape(b.op("Sub", place, low), (new, *(1 for _ in x.shape[axis + 1 :])))
        first, second = (b.gather(x, b.cast(at, "int64"), axis) for at in (low, high))
        x = b.op("Add", first, b.op("Mul", b.op("Sub", second, first), weight, result=first.type), result=first.type)
    return x


def _range(b: Builder, size: Dim) -> Tensor:
    """int64 0, 1, ..., size - 1."""
    if isinstance(size, int):
        return b.ints(range(size))
    bounds = (b.constant(0, "int64"), b.dim(size), b.constant(1, "int64"))
    return b.op("Range", *bounds, result=TensorType("int64", (size,)))


def _scales(old: Sequence[Dim], new: Sequence[Dim]) -> list[float]:
    """Factors in float32 whose exact products with the old sizes, cut, are the new ones; none where one is symbolic."""
    import numpy as np

    scales = []
    for size, target in zip(old, new, strict=True):
        if not isinstance(size, int) or not isinstance(target, int):
            return []
        scale = np.float32(target / size)
        while size * float(scale) < target:  # onnx multiplies in float64, onnxruntime in float32
            scale = np.nextafter(scale, np.float32(np.inf))
        scales.append(float(scale))
    return scales


def _nearest(b: Builder, x: Tensor, axis: int, size: Dim) -> Tensor:
    """The indices are computed as TensorFlow does, in float32: the product's rounding decides between two pixels."""
    import numpy as np

    known = b.known(x.shape[axis])
    if not isinstance(size, int):
        return _nearest_of_any(b, x, axis, size)
    places = np.arange(size, dtype=np.float32) + np.float32(0.5)
    if isinstance(known, int):
        if known == size:
            return x
        found = np.floor(places * (np.float32(known) / np.float32(size))).astype(np.int64)
        indices = b.constant(np.minimum(found, known - 1), "int64")
    else:
        extent = b.shape((known,))
        scale = b.op("Div", b.cast(extent, "float32"), b.constant([float(size)]))
        floors = b.cast(b.op("Floor", b.op("Mul", b.constant(places), scale)), "int64")
        indices = b.op("Min", floors, b.op("Sub", extent, b.ints([1])))
    return b.gather(x, indices, axis)


def _nearest_of_any(b: Builder, x: Tensor, axis: int, size: Dim) -> Tensor:
    """The same for a new size that is symbolic."""
    old, new = b.shape((x.shape[axis],)), b.shape((size,))
    places = b.op("Add", b.cast(_range(b, size), "float32"), b.constant(0.5))
    scale = b.op("Div", b.cast(old, "float32"), b.cast(new, "float32"))
    floors = b.cast(b.op("Floor", b.op("Mul", places, scale)), "int64")
    return b.gather(x, b.op("Min", floors, b.op("Sub", old, b.ints([1]))), axis)


def _by_matrix(b: Builder, x: Tensor, axis: int, size: Dim, interpolation: str, antialias: bool) -> Tensor:
    known = b.known(x.shape[axis])
    assert isinstance(known, int)
    assert isinstance(size, int)
    if known == size:
        return x
    weights = b.constant(matrix(known, size, interpolation, antialias).T, x.dtype)
    last = x.rank - 1
    order = [*(a for a in range(x.rank) if a != axis), axis]
    y = b.matmul(b.transpose(x, order) if axis != last else x, weights)
    return b.transpose(y, [order.index(a) for a in range(x.rank)]) if axis != last else y


def matrix(size: int, target: int, interpolation: str, antialias: bool) -> Array:
    """float32 [target, size]: the weight of each pixel in each new one."""
    if interpolation == "area":
        return _area(size, target)
    if interpolation == "bicubic" and not antialias:
        return _tabled_cubic(size, target)
    return _kernel(size, target, interpolation, antialias)


def _kernel(size: int, target: int, interpolation: str, antialias: bool) -> Array:
    """scale_and_translate_op.cc: the kernel around each place, as wide as the step where antialiased, of sum 1."""
    import numpy as np

    scale = size / target
    width = max(scale, 1.0) if antialias else 1.0
    centres = (np.arange(target)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(size)[None, :] + 0.5 - centres) / width
    weights = _curve(interpolation, distance)
    weights[distance > RADIUS[interpolation]] = 0.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _curve(interpolation: str, x: Array) -> Array:
    """A kernel's value at distances x >= 0."""
    import numpy as np

    if interpolation == "bilinear":
        return np.maximum(0.0, 1.0 - x)
    if interpolation == "bicubic":
        near = ((1.5 * x - 2.5) * x) * x + 1.0
        far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
        return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, far, near))
    radius = RADIUS[interpolation]
    return np.where(x > radius, 0.0, np.sinc(x) * np.sinc(x / radius))


def _tabled_cubic(size: int, target: int) -> Array:
    """resize_bicubic_op.cc: four pixels, weights from a table of TABLE steps, none for pixels outside, of sum 1."""
    import numpy as np

    scale = np.float32(size) / np.float32(target)
    places = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    first = np.floor(places).astype(np.int64)
    offset = np.rint((places - first.astype(np.float32)) * np.float32(TABLE)) / TABLE
    weights = np.zeros((target, size))
    for step in range(-1, 3):
        column = first + step
        inside = (column >= 0) & (column < size)
        rows = np.nonzero(inside)[0]
        weights[rows, column[rows]] = _curve("bicubic", np.abs(offset - step))[rows]
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _area(size: int, target: int) -> Array:
    """resize_area_op.cc: the share of each pixel in the stretch that a new one covers."""
    import numpy as np

    scale = size / target
    low = np.arange(target)[:, None] * scale
    pixel = np.arange(size)[None, :]
    overlap = np.minimum(pixel + 1, low + scale) - np.maximum(pixel, low)
    return np.asarray(np.maximum(overlap, 0.0) / scale, np.float32)


def repeat(b: Builder, x: Tensor, axes: Sequence[int], factors: Sequence[int]) -> Tensor:
    """Each place repeated along axes, for every dtype: new axes beside them, which Expand fills."""
    wide: list[Dim] = []
    final: list[Dim] = []
    added: list[int] = []
    for axis, size in enumerate(x.shape):
        wide.append(size)
        final.append(size)
        if axis in axes:
            factor = factors[list(axes).index(axis)]
            added.append(len(wide))
            wide.append(factor)
            final[-1] = size * factor
    return b.reshape(b.expand(b.expand_dims(x, added), wide), final)
