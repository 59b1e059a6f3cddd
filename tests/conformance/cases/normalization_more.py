"""Normalization by groups and by length, the last by PyTorch where Keras has none."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VECTOR, VOLUME, Case, each
from torch_harness import TorchCase

STREAM = ("float32[N, T, 6]",)
OPEN_FIRST = ("float32[N, 6, H, W]",)

CASES = [
    *each(
        """
        GroupNormalization(2)
        GroupNormalization(groups=3, epsilon=1e-5)
        GroupNormalization(6)
        GroupNormalization(1)
        GroupNormalization(-1)
        GroupNormalization(2, center=False)
        GroupNormalization(2, scale=False)
        GroupNormalization(2, center=False, scale=False)
        GroupNormalization(-1, center=False, scale=False)
        GroupNormalization(3, 1)
        GroupNormalization(2, axis=-2)
        RMSNormalization()
        RMSNormalization(epsilon=0.1)
        RMSNormalization(axis=(2, 3))
        RMSNormalization([-1, -2, -3])
        UnitNormalization()
        UnitNormalization(1)
        UnitNormalization(axis=(1, 2))
        UnitNormalization([3, -3])
        LayerNormalization(axis=(1, -1))
        LayerNormalization(rms_scaling=True)
        LayerNormalization(axis=(1, 2), epsilon=0.01, scale=False, rms_scaling=True)
        """,
        IMAGE,
    ),
    *each(
        """
        GroupNormalization(2, axis=1)
        GroupNormalization(-1, axis=-3, scale=False)
        """,
        FIRST,
    ),
    *each("GroupNormalization(2, axis=1)\nGroupNormalization(3, -3, 1e-5)", OPEN_FIRST),
    *each("GroupNormalization(2)\nGroupNormalization(-1)\nUnitNormalization()\nRMSNormalization()", OPEN),
    *each("GroupNormalization(3)\nGroupNormalization(-1)\nUnitNormalization(1)\nRMSNormalization()", STREAM),
    *each("GroupNormalization(3)\nRMSNormalization()\nRMSNormalization((1, 2))\nUnitNormalization((1, 2))", STEPS),
    *each("GroupNormalization(4)\nGroupNormalization(2, 2)", VOLUME, sizes={"N": 2}),
    *each("GroupNormalization(3)\nGroupNormalization(-1)\nRMSNormalization()\nUnitNormalization()", VECTOR),
    *each("GroupNormalization(2)\nRMSNormalization()\nUnitNormalization()", VECTOR, opset=17),
    *(
        Case(call, ("float32[N, 5, 4]",), opset=opset)
        for call in ("GroupNormalization(2)", "RMSNormalization()", "RMSNormalization((1, 2))", "UnitNormalization()")
        for opset in (17, 18, 21, 23, 24)
    ),
    *(
        Case(f'{name}({arguments}dtype="{dtype}")', ("float32[N, 5, 4]",), tolerance=tolerance)
        for name, arguments in (
            ("GroupNormalization", "2, "),
            ("GroupNormalization", "-1, "),
            ("LayerNormalization", ""),
            ("LayerNormalization", "rms_scaling=True, "),
            ("RMSNormalization", ""),
            ("UnitNormalization", ""),
        )
        # Keras and onnxruntime round to float16 at other places.
        for dtype, tolerance in (("float64", 1e-5), ("float16", 3e-3))
    ),
    Case('RMSNormalization(dtype="float16")', ("float32[N, 5, 4]",), opset=23, tolerance=3e-3),
    *each(
        """
        SpectralNormalization(Dense(3))
        SpectralNormalization(layer=Dense(3, activation="tanh", use_bias=False, name="critic"), power_iterations=3)
        SpectralNormalization(Conv2D(4, 3, padding="same"))
        SpectralNormalization(Conv2DTranspose(4, 3, 2))
        SpectralNormalization(Conv2D(4, 3, trainable=False))
        SpectralNormalization(DepthwiseConv2D(3))
        SpectralNormalization(SpectralNormalization(Conv2D(4, 1)))
        SpectralNormalization(Conv2D(4, 3), 2, dtype="float64")
        """,
        IMAGE,
    ),
    Case("SpectralNormalization(Dense(3))", ("float64[N, T, 6]",)),
    Case("SpectralNormalization(Conv1D(4, 3))", ("float32[N, T, 6]",)),
    Case("SpectralNormalization(Conv2D(4, 3))", OPEN, opset=17),
    Case("SpectralNormalization(Embedding(9, 4))", ("float32[N, 6]",), low=0, high=8),
    Case("SpectralNormalization(Embedding(9, 4, mask_zero=True))", ("float32[N, 6]",), low=0, high=8),
    Case("UnitNormalization()", ("float32[N, 3, 4]",), low=0.0, high=0.0),
    Case("RMSNormalization()", ("float32[N, 3, 4]",), low=-1e-3, high=1e-3),
    # A mean a hundred times the spread: in float32 the difference from it has lost two digits, in Keras as in ours.
    Case("GroupNormalization(2)", ("float32[N, 3, 4]",), low=100.0, high=101.0, tolerance=1e-4),
]

AFFINE = {"weight": "w['gamma']", "bias": "w['beta']"}
MOVING = AFFINE | {"running_mean": "w['moving_mean']", "running_var": "w['moving_variance']"}
COUNTED = ("num_batches_tracked",)
LAST = "layer(x0.movedim(-1, 1)).movedim(1, -1)"

TORCH_CASES = [
    TorchCase("BatchNormalization(epsilon=1e-5)", VECTOR, module="nn.BatchNorm1d(6)", state=MOVING, extra=COUNTED),
    TorchCase(
        "BatchNormalization(epsilon=1e-5)", STREAM, module="nn.BatchNorm1d(6)", state=MOVING, extra=COUNTED, run=LAST
    ),
    TorchCase(
        "BatchNormalization(epsilon=1e-5)", OPEN, module="nn.BatchNorm2d(6)", state=MOVING, extra=COUNTED, run=LAST
    ),
    TorchCase(
        "BatchNormalization(1, epsilon=1e-3)", FIRST, module="nn.BatchNorm2d(6, eps=1e-3)", state=MOVING, extra=COUNTED
    ),
    TorchCase(
        "BatchNormalization(1, epsilon=1e-5, center=False, scale=False)",
        OPEN_FIRST,
        module="nn.BatchNorm2d(6, affine=False)",
        state={"running_mean": "w['moving_mean']", "running_var": "w['moving_variance']"},
        extra=COUNTED,
    ),
    TorchCase(
        "BatchNormalization(epsilon=1e-5)", VOLUME, module="nn.BatchNorm3d(4)", state=MOVING, extra=COUNTED, run=LAST
    ),
    TorchCase("LayerNormalization(epsilon=1e-5)", STREAM, module="nn.LayerNorm(6)", state=AFFINE),
    TorchCase(
        "LayerNormalization(epsilon=1e-5, center=False)",
        OPEN,
        module="nn.LayerNorm(6, bias=False)",
        state={"weight": "w['gamma']"},
    ),
    TorchCase(
        "LayerNormalization(epsilon=1e-5, center=False, scale=False)",
        VECTOR,
        module="nn.LayerNorm(6, elementwise_affine=False)",
    ),
    TorchCase("LayerNormalization((1, 2, 3), 1e-5)", FIRST, module="nn.LayerNorm((6, 9, 8))", state=AFFINE),
    TorchCase(
        "LayerNormalization((2, 3), 1e-6)", IMAGE, module="nn.LayerNorm((8, 6), eps=1e-6)", state=AFFINE, opset=17
    ),
    TorchCase("GroupNormalization(2, epsilon=1e-5)", OPEN, module="nn.GroupNorm(2, 6)", state=AFFINE, run=LAST),
    TorchCase("GroupNormalization(3, 1, 1e-5)", OPEN_FIRST, module="nn.GroupNorm(3, 6)", state=AFFINE),
    TorchCase("GroupNormalization(1, 1, 1e-5)", FIRST, module="nn.GroupNorm(1, 6)", state=AFFINE, opset=17),
    TorchCase("GroupNormalization(6, 1, 1e-5)", FIRST, module="nn.GroupNorm(6, 6)", state=AFFINE, opset=24),
    TorchCase("GroupNormalization(2, epsilon=1e-5)", VECTOR, module="nn.GroupNorm(2, 6)", state=AFFINE),
    TorchCase("GroupNormalization(2, epsilon=1e-5)", STREAM, module="nn.GroupNorm(2, 6)", state=AFFINE, run=LAST),
    TorchCase(
        "GroupNormalization(2, epsilon=1e-5, center=False, scale=False)",
        VOLUME,
        module="nn.GroupNorm(2, 4, affine=False)",
        run=LAST,
    ),
    TorchCase(
        "RMSNormalization(epsilon=1e-6)", STREAM, module="nn.RMSNorm(6, eps=1e-6)", state={"weight": "w['scale']"}
    ),
    TorchCase(
        "RMSNormalization((2, 3), 1e-5)", IMAGE, module="nn.RMSNorm((8, 6), eps=1e-5)", state={"weight": "w['scale']"}
    ),
    TorchCase("RMSNormalization()", OPEN, module="nn.RMSNorm(6, eps=1e-6)", state={"weight": "w['scale']"}, opset=23),
    TorchCase("UnitNormalization()", STREAM, module="lambda x: torch.nn.functional.normalize(x, dim=-1)"),
    TorchCase("UnitNormalization(1)", OPEN_FIRST, module="lambda x: torch.nn.functional.normalize(x, dim=1)", opset=17),
    TorchCase("InstanceNormalization()", STREAM, module="nn.InstanceNorm1d(6, affine=True)", state=AFFINE, run=LAST),
    TorchCase("InstanceNormalization()", OPEN, module="nn.InstanceNorm2d(6, affine=True)", state=AFFINE, run=LAST),
    TorchCase("InstanceNormalization(axis=1)", OPEN_FIRST, module="nn.InstanceNorm2d(6, affine=True)", state=AFFINE),
    TorchCase(
        "InstanceNormalization(-3, epsilon=1e-3)",
        FIRST,
        module="nn.InstanceNorm2d(6, 1e-3, affine=True)",
        state=AFFINE,
        opset=17,
    ),
    TorchCase("InstanceNormalization(center=False, scale=False)", VOLUME, module="nn.InstanceNorm3d(4)", run=LAST),
    TorchCase(
        "InstanceNormalization(scale=False)",
        IMAGE,
        module="nn.InstanceNorm2d(6, affine=True)",
        state=AFFINE | {"weight": "np.ones(6, 'float32')"},
        run=LAST,
        opset=24,
    ),
    TorchCase(
        'InstanceNormalization(dtype="float64")',
        ("float64[N, T, 6]",),
        module="nn.InstanceNorm1d(6, affine=True, dtype=torch.float64)",
        state=AFFINE,
        run=LAST,
    ),
    TorchCase(
        'InstanceNormalization(dtype="float16")',
        STREAM,
        module="nn.InstanceNorm1d(6, affine=True)",
        state={"weight": "w['gamma'].astype('float32')", "bias": "w['beta'].astype('float32')"},
        run=LAST,
        tolerance=2e-3,
    ),
    *(
        TorchCase(
            f"LocalResponseNormalization({ours})",
            kinds,
            module=f"nn.LocalResponseNorm({theirs})",
            run=run,
            low=-5.0,
            high=5.0,
        )
        for ours, theirs in (
            ("5", "5"),
            ("size=3, alpha=0.1, beta=0.5, k=2", "3, 0.1, 0.5, 2.0"),
            ("2, 0.1", "2, 0.1"),
            ("4, 0.5, k=0.5", "4, 0.5, k=0.5"),
            ("1, 1.0", "1, 1.0"),
            ("15, 1.0", "15, 1.0"),
            ("3, 0.1, beta=0", "3, 0.1, 0.0"),
            ("3, 0.1, -0.5", "3, 0.1, -0.5"),
            ("3, 0, k=2", "3, 0.0, k=2.0"),
        )
        for kinds, run in ((STREAM, LAST), (OPEN, LAST), (VOLUME, LAST))
    ),
    TorchCase(
        "LocalResponseNormalization(2, 0.1)",
        ("float32[N, 2, 3, 2, T, 6]",),
        module="nn.LocalResponseNorm(2, 0.1)",
        run=LAST,
    ),
    TorchCase(
        "InstanceNormalization()", ("float32[N, 2, 3, 2, T, 6]",), module="nn.GroupNorm(6, 6)", state=AFFINE, run=LAST
    ),
    TorchCase("LocalResponseNormalization(3, 0.1, axis=1)", OPEN_FIRST, module="nn.LocalResponseNorm(3, 0.1)"),
    TorchCase("LocalResponseNormalization(4, 0.1, axis=-3)", FIRST, module="nn.LocalResponseNorm(4, 0.1)", opset=17),
    TorchCase(
        "LocalResponseNormalization(3, 0.1)", ("float32[N, H, W, D]",), module="nn.LocalResponseNorm(3, 0.1)", run=LAST
    ),
    TorchCase(
        "LocalResponseNormalization(2, 0.1)",
        ("float32[N, T, D]",),
        module="nn.LocalResponseNorm(2, 0.1)",
        run=LAST,
        opset=24,
    ),
    *(
        TorchCase(
            f'LocalResponseNormalization({size}, 0.1, dtype="float64")',
            ("float64[N, T, 6]",),
            module=f"nn.LocalResponseNorm({size}, 0.1)",
            run=LAST,
        )
        for size in (1, 2, 3, 8)
    ),
    TorchCase(
        'LocalResponseNormalization(3, 0.1, dtype="float16")',
        IMAGE,
        module="nn.LocalResponseNorm(3, 0.1)",
        run=LAST,
        tolerance=2e-3,
    ),
    TorchCase(
        'LocalResponseNormalization(2, 0.1, dtype="float16")',
        IMAGE,
        module="nn.LocalResponseNorm(2, 0.1)",
        run=LAST,
        tolerance=2e-3,
    ),
]
