"""Shapes, borders."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VECTOR, VOLUME, Case, each
from torch_harness import TorchCase

VOLUME_FIRST = ("float32[N, 4, 5, 6, 7]",)

CASES = [
    Case("Flatten()", IMAGE),
    Case("Flatten()", VECTOR),
    Case("Flatten()", ("float32[N, H, 4]",)),
    Case("Flatten()", ("float32[N, H, W, 3]",)),
    Case("Flatten()", ("float32[N]",)),
    Case("Flatten()", ("float32[2, 3, 4]",)),
    Case("Flatten()", ("int32[N, 3, 4]",), high=9),
    Case("Flatten()", ("bool[N, 3, 4]",)),
    Case('Flatten("channels_first")', FIRST),
    Case('Flatten(data_format="channels_first")', ("float32[N, 3, H, W]",)),
    Case('Flatten("channels_first")', ("float32[N, 3, 5]",)),
    Case('Flatten("channels_first")', VOLUME_FIRST),
    Case('Flatten("channels_first")', VECTOR),
    Case("Reshape((3, 2))", VECTOR),
    Case("Reshape((6,))", VECTOR),
    Case("Reshape([2, 3])", VECTOR),
    Case("Reshape((-1, 4))", IMAGE),
    Case("Reshape((2, -1, 4))", IMAGE),
    Case("Reshape((-1,))", OPEN),
    Case("Reshape((-1, 2))", OPEN),
    Case("Reshape((3, -1))", OPEN),
    Case("Reshape((-1, 6))", OPEN),
    Case("Reshape((-1, 4, 3))", ("float32[N, 4 * H, W, 3]",)),
    Case("Reshape((-1, 3, 2))", ("float32[N, T, 6]",)),
    Case("Reshape((1, 6, 1))", VECTOR),
    Case("Reshape((-1, 1))", ("int64[N, T]",), high=9),
    Case("Reshape((1, 1))", ("float32[N]",)),
    Case("Reshape((2, 3))", ("float32[4, 6]",)),
    Case("Reshape((-1, 2))", ("bool[N, 4, 3]",)),
    Case('Reshape((3, 2), dtype="float64")', VECTOR),
    Case("Permute((2, 1))", STEPS),
    Case("Permute((1, 2))", STEPS),
    Case("Permute((1,))", VECTOR),
    Case("Permute((3, 1, 2))", OPEN),
    Case("Permute(dims=(2, 3, 1))", IMAGE),
    Case("Permute([4, 2, 1, 3])", VOLUME),
    Case("Permute((2, 1))", ("uint8[N, T, 3]",), high=255),
    Case("RepeatVector(3)", VECTOR),
    Case("RepeatVector(n=1)", VECTOR),
    Case("RepeatVector(4)", ("int32[N, T]",), high=9),
    *each(
        """
        ZeroPadding2D()
        ZeroPadding2D(3)
        ZeroPadding2D(0)
        ZeroPadding2D((1, 2))
        ZeroPadding2D([2, 0])
        ZeroPadding2D(((1, 0), (2, 3)))
        ZeroPadding2D(((0, 0), (0, 5)))
        Cropping2D()
        Cropping2D(1)
        Cropping2D(((1, 2), (0, 3)))
        Cropping2D(((0, 8), (7, 0)))
        Cropping2D((2, 1))
        """,
        IMAGE,
    ),
    *each(
        """
        ZeroPadding2D(2)
        ZeroPadding2D(((1, 0), (2, 3)))
        Cropping2D(2)
        Cropping2D(((1, 0), (0, 3)))
        """,
        OPEN,
    ),
    *each(
        """
        ZeroPadding2D(2, data_format="channels_first")
        ZeroPadding2D(((1, 0), (2, 3)), "channels_first")
        Cropping2D(2, data_format="channels_first")
        Cropping2D(((0, 2), (3, 1)), "channels_first")
        """,
        FIRST,
    ),
    Case("ZeroPadding2D(1)", ("uint8[N, 4, 4, 3]",), high=255),
    Case("Cropping2D(1)", ("bool[N, 4, 4, 3]",)),
    Case('ZeroPadding2D(1, dtype="float64")', IMAGE),
    Case('ZeroPadding2D(1, dtype="float16")', IMAGE),
    *each(
        """
        ZeroPadding1D()
        ZeroPadding1D(2)
        ZeroPadding1D((1, 3))
        ZeroPadding1D((0, 2), "channels_last")
        Cropping1D((1, 2))
        Cropping1D(3)
        Cropping1D((0, 9))
        Cropping1D()
        """,
        STEPS,
    ),
    Case("ZeroPadding1D((2, 1))", ("float32[N, T, 6]",)),
    Case("Cropping1D((2, 1))", ("float32[N, T, 6]",)),
    Case('ZeroPadding1D((1, 3), data_format="channels_first")', ("float32[N, 6, T]",)),
    *each(
        """
        ZeroPadding3D()
        ZeroPadding3D(2)
        ZeroPadding3D((1, 2, 0))
        ZeroPadding3D(((0, 1), (2, 0), (1, 3)))
        Cropping3D()
        Cropping3D(1)
        Cropping3D((1, 0, 2))
        Cropping3D(((1, 0), (1, 1), (2, 2)))
        """,
        VOLUME,
    ),
    Case("ZeroPadding3D(((0, 1), (2, 0), (1, 3)))", ("float32[N, D, H, W, 2]",)),
    Case("Cropping3D(((0, 1), (2, 0), (1, 3)))", ("float32[N, D, H, W, 2]",)),
    Case('ZeroPadding3D(((0, 1), (2, 0), (1, 3)), "channels_first")', VOLUME_FIRST),
    Case('Cropping3D((1, 2, 3), "channels_first")', VOLUME_FIRST),
    Case('Cropping3D(((0, 1), (2, 0), (1, 3)), data_format="channels_first")', VOLUME_FIRST),
    # Open sizes with channels first, and expressions over symbols.
    Case('ZeroPadding2D(((1, 0), (2, 3)), "channels_first")', ("float32[N, 6, H, W]",)),
    Case('ZeroPadding3D((1, 0, 2), "channels_first")', ("float32[N, 4, D, H, W]",)),
    Case('Cropping2D(((1, 0), (2, 3)), "channels_first")', ("float32[N, 6, H, W]",)),
    Case('Cropping3D((1, 0, 2), "channels_first")', ("float32[N, 4, D, H, W]",)),
    Case("Cropping2D(((1, 2), (0, 3)))", ("float32[N, 2 * H, W + 1, 3]",)),
    Case("ZeroPadding1D((2, 1))", ("float32[N, 2 * T, 6]",), opset=17),
    Case("Cropping1D((2, 1))", ("float32[N, T + 1, 6]",), opset=24),
    Case("Flatten()", ("float32[N, 2 * H, W + 1, 3]",)),
    Case('Flatten("channels_first")', ("float32[N, 3, 2 * H, W + 1]",)),
    Case("Permute((2, 3, 1))", ("float32[N, 2 * H, W + 1, 3]",)),
    Case("RepeatVector(3)", ("float32[N, T]",), opset=17),
    Case("Reshape((-1, 3))", ("float32[N, T, 6]",), opset=17),
    Case("Reshape((-1, 3))", ("float32[N, T, 6]",), opset=24),
]

TORCH_CASES = [
    TorchCase("Flatten()", ("float32[N, H, 4]",), module="nn.Flatten()"),
    TorchCase("Reshape((3, 2))", VECTOR, module="nn.Unflatten(1, (3, 2))"),
    TorchCase("Permute((2, 1))", ("float32[N, T, 6]",), module="None", run="x0.permute(0, 2, 1)"),
    TorchCase('ZeroPadding1D((1, 3), "channels_first")', ("float32[N, 6, T]",), module="nn.ZeroPad1d((1, 3))"),
    TorchCase(
        'ZeroPadding2D(((1, 3), (0, 2)), "channels_first")',
        ("float32[N, 6, H, W]",),
        module="nn.ZeroPad2d((0, 2, 1, 3))",
    ),
    TorchCase(
        "Cropping2D(((1, 2), (0, 3)), 'channels_first')",
        ("float32[N, 3, H, W]",),
        module="nn.ZeroPad2d((0, -3, -1, -2))",
    ),
    TorchCase("RepeatVector(4)", VECTOR, module="None", run="x0[:, None].expand(-1, 4, -1)"),
    TorchCase("Flatten()", ("float32[N, H, W, 3]",), module="nn.Flatten()"),
    TorchCase('ZeroPadding3D(2, "channels_first")', ("float32[N, 6, D, H, W]",), module="nn.ZeroPad3d(2)"),
]
