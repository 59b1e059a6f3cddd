"""Layers that PyTorch has and Keras has not: shuffles, borders, norms of windows, images read at a grid of places."""

from __future__ import annotations

from keras_harness import Case
from torch_harness import TorchCase

CASES: list[Case] = []

LAST = "x0.movedim(-1, 1)"  # ours have the channels last where PyTorch has them first


def _last(call: str, inputs: str, module: str, **options: object) -> TorchCase:
    """A case with channels last: PyTorch is given them first."""
    return TorchCase(call, (inputs,), module=module, run=f"layer({LAST}).movedim(1, -1)", **options)  # type: ignore[arg-type]


def _first(call: str, inputs: str, module: str, **options: object) -> TorchCase:
    return TorchCase(call, (inputs,), module=module, **options)  # type: ignore[arg-type]


SHUFFLES = [
    _last("PixelShuffle(2)", "float32[N, 5, 7, 12]", "nn.PixelShuffle(2)"),
    _last("PixelShuffle(3)", "float32[N, H, W, 18]", "nn.PixelShuffle(3)"),
    _last("PixelShuffle(upscale_factor=1)", "float32[N, H, W, 5]", "nn.PixelShuffle(1)"),
    _last("PixelShuffle(2)", "float32[N, H, W, 4]", "nn.PixelShuffle(2)"),
    _last("PixelShuffle(2)", "float32[N, H, 6, 8]", "nn.PixelShuffle(2)", opset=17),
    _last("PixelShuffle(2)", "float32[N, H, 6, 8]", "nn.PixelShuffle(2)", opset=24),
    _last('PixelShuffle(2, dtype="float64")', "float64[N, H, W, 8]", "nn.PixelShuffle(2)"),
    _last("PixelShuffle(2)", "uint8[N, H, W, 8]", "nn.PixelShuffle(2)", high=255),
    _last("PixelShuffle(2)", "int64[N, H, W, 8]", "nn.PixelShuffle(2)", high=99),
    _last("PixelShuffle(3)", "bool[N, 4, W, 9]", "nn.PixelShuffle(3)"),
    _first('PixelShuffle(2, "channels_first")', "float32[N, 12, H, W]", "nn.PixelShuffle(2)"),
    _first('PixelShuffle(2, data_format="channels_first")', "int32[N, 12, H, 3]", "nn.PixelShuffle(2)", high=99),
    _last("PixelUnshuffle(2)", "float32[N, 6, 10, 3]", "nn.PixelUnshuffle(2)"),
    _last("PixelUnshuffle(3)", "float32[N, 3 * H, 3 * W, 2]", "nn.PixelUnshuffle(3)"),
    _last(
        "PixelUnshuffle(2)",
        "float32[N, H, W, 2]",
        "nn.PixelUnshuffle(2)",
        require=("H % 2 == 0", "W % 2 == 0"),
        sizes={"H": 6, "W": 4},
    ),
    _last("PixelUnshuffle(downscale_factor=1)", "float32[N, H, W, 2]", "nn.PixelUnshuffle(1)"),
    _last("PixelUnshuffle(2)", "int64[N, 2 * H, 4, 3]", "nn.PixelUnshuffle(2)", high=99),
    _last("PixelUnshuffle(2)", "float32[N, 2 * H, 4, 3]", "nn.PixelUnshuffle(2)", opset=17),
    _first('PixelUnshuffle(2, "channels_first")', "float32[N, 3, 2 * H, 6]", "nn.PixelUnshuffle(2)"),
    _last("PixelUnshuffle(2)", "float32[N, 2 * H, 4, 1]", "nn.PixelUnshuffle(2)"),
    _last("PixelUnshuffle(2)", "float32[N, 2 * H, 4, T]", "nn.PixelUnshuffle(2)"),
    _first('PixelUnshuffle(3, "channels_first")', "uint8[N, 2, 3 * H, 6]", "nn.PixelUnshuffle(3)", high=255),
    _last('PixelUnshuffle(2, dtype="float64")', "float64[N, 2 * H, 4, 3]", "nn.PixelUnshuffle(2)"),
    _last("PixelUnshuffle(2)", "float32[N, 2 * H, 4, 3]", "nn.PixelUnshuffle(2)", opset=24),
    _last("PixelShuffle(2)", "float32[N, H, 4, 4 * T]", "nn.PixelShuffle(2)"),
    _last("ChannelShuffle(2)", "float32[N, 4, 2 * T]", "nn.ChannelShuffle(2)"),
    _last("ChannelShuffle(3)", "float32[N, 5, 7, 12]", "nn.ChannelShuffle(3)"),
    _last("ChannelShuffle(groups=4)", "float32[N, H, W, 12]", "nn.ChannelShuffle(4)"),
    _last("ChannelShuffle(1)", "float32[N, H, W, 5]", "nn.ChannelShuffle(1)"),
    _last("ChannelShuffle(6)", "float32[N, H, W, 6]", "nn.ChannelShuffle(6)"),
    _last("ChannelShuffle(2)", "float32[N, T, 6]", "nn.ChannelShuffle(2)"),
    _last("ChannelShuffle(2)", "float32[N, D, H, W, 6]", "nn.ChannelShuffle(2)"),
    _last("ChannelShuffle(2)", "int32[N, H, W, 6]", "nn.ChannelShuffle(2)", high=99),
    _first('ChannelShuffle(2, "channels_first")', "float32[N, 6, H, W]", "nn.ChannelShuffle(2)"),
    _first('ChannelShuffle(3, data_format="channels_first")', "float32[N, 6, 4]", "nn.ChannelShuffle(3)"),
]

_AXES = {1: ("T",), 2: ("H", "W"), 3: ("D", "H", "W")}
_SIDES = {1: "(2, 1)", 2: "((1, 0), (2, 3))", 3: "((1, 2), (0, 1), (3, 0))"}
_TORCH_SIDES = {1: "(2, 1)", 2: "(2, 3, 1, 0)", 3: "(3, 0, 0, 1, 1, 2)"}  # the last axis first


def _borders(rank: int) -> list[TorchCase]:
    cases = []
    known, symbols = ", ".join(("5", "6", "7")[:rank]), _AXES[rank]
    enough = tuple(f"{name} >= 4" for name in symbols)
    for kind in ("Reflection", "Replication", "Circular"):
        name, module = f"{kind}Padding{rank}D", f"nn.{kind}Pad{rank}d"
        options = {} if kind == "Replication" else {"require": enough}
        cases += [
            _last(f"{name}(2)", f"float32[N, {known}, 3]", f"{module}(2)"),
            _last(f"{name}({_SIDES[rank]})", f"float32[N, {known}, 3]", f"{module}({_TORCH_SIDES[rank]})"),
            _last(f"{name}({_SIDES[rank]})", f"float32[N, {', '.join(symbols)}, 3]", f"{module}({_TORCH_SIDES[rank]})",
                  **options),
            _last(f"{name}(padding=1)", f"float32[N, {known}, 3]", f"{module}(1)", opset=17),
            _last(f"{name}({_SIDES[rank]})", f"float32[N, {', '.join(symbols)}, 3]", f"{module}({_TORCH_SIDES[rank]})",
                  opset=18, **options),
            _last(f"{name}(2)", f"float32[N, {known}, 3]", f"{module}(2)", opset=24),
            _last(f'{name}(1, dtype="float64")', f"float64[N, {known}, 3]", f"{module}(1)"),
            _first(f'{name}({_SIDES[rank]}, "channels_first")', f"float32[N, 3, {known}]",
                   f"{module}({_TORCH_SIDES[rank]})"),
            _first(f'{name}(2, data_format="channels_first")', f"float32[N, 3, {', '.join(symbols)}]", f"{module}(2)",
                   **options),
        ]  # fmt: skip
    return cases


def _constants(rank: int) -> list[TorchCase]:
    known, symbols, sides = ", ".join(("5", "6", "7")[:rank]), ", ".join(_AXES[rank]), _TORCH_SIDES[rank]
    name, module = f"ConstantPadding{rank}D", f"nn.ConstantPad{rank}d"
    return [
        _last(f"{name}(2)", f"float32[N, {known}, 3]", f"{module}(2, 0.0)"),
        _last(f"{name}({_SIDES[rank]}, 1.5)", f"float32[N, {symbols}, 3]", f"{module}({sides}, 1.5)"),
        _last(f"{name}(padding=1, value=-2)", f"float32[N, {symbols}, 3]", f"{module}(1, -2)", opset=17),
        _last(f"{name}(1, -0.5)", f"float32[N, {known}, 3]", f"{module}(1, -0.5)", opset=24),
        _last(f'{name}(1, 0.5, dtype="float64")', f"float64[N, {known}, 3]", f"{module}(1, 0.5)"),
        _first(f'{name}({_SIDES[rank]}, 3, "channels_first")', f"float32[N, 3, {symbols}]", f"{module}({sides}, 3)"),
        _first(f'{name}(1, data_format="channels_first")', f"float32[N, 3, {known}]", f"{module}(1, 0.0)"),
    ]


BORDERS = [
    *_borders(1),
    *_borders(2),
    *_borders(3),
    *_constants(1),
    *_constants(2),
    *_constants(3),
    _last("ConstantPadding2D(1, 7)", "uint8[N, 4, W, 3]", "nn.ConstantPad2d(1, 7)", high=255),
    _last("ConstantPadding2D(1, -7)", "int64[N, 4, W, 3]", "nn.ConstantPad2d(1, -7)", high=99),
    _last("ReflectionPadding2D((4, 6))", "float32[N, 5, 7, 3]", "nn.ReflectionPad2d((6, 6, 4, 4))"),
    _last("CircularPadding2D((5, 7))", "float32[N, 5, 7, 3]", "nn.CircularPad2d((7, 7, 5, 5))"),
    _last("CircularPadding2D((5, 7))", "float32[N, 5, 7, 3]", "nn.CircularPad2d((7, 7, 5, 5))", opset=17),
    _last("ReplicationPadding2D((9, 8))", "float32[N, H, W, 3]", "nn.ReplicationPad2d((8, 8, 9, 9))"),
    _last("ReflectionPadding2D(0)", "float32[N, H, W, 3]", "nn.ReflectionPad2d(0)"),
    _last("ReflectionPadding1D((0, 3))", "float32[N, 4, 3]", "nn.ReflectionPad1d((0, 3))"),
    _first('ReflectionPadding2D(1, "channels_first")', "int64[N, 3, 5, 6]", "nn.ReflectionPad2d(1)", high=99),
    _first('ReplicationPadding2D(1, "channels_first")', "float16[N, 3, 5, 6]", "nn.ReplicationPad2d(1)",
           tolerance=1e-3),
]  # fmt: skip


def _norms(rank: int) -> list[TorchCase]:
    shape = {1: "10", 2: "9, 8", 3: "5, 6, 7"}[rank]
    symbols = ", ".join(_AXES[rank])
    name, module = f"LpPooling{rank}D", f"nn.LPPool{rank}d"
    return [
        _last(f"{name}(2, 2)", f"float32[N, {shape}, 3]", f"{module}(2, 2)"),
        _last(f"{name}(norm_type=2, pool_size=3, strides=2)", f"float32[N, {symbols}, 3]", f"{module}(2, 3, 2)"),
        _last(f"{name}(1, 3, 1)", f"float32[N, {shape}, 3]", f"{module}(1, 3, 1)", low=0.0),
        _last(f"{name}(3, 2)", f"float32[N, {symbols}, 3]", f"{module}(3, 2)", low=0.0),
        _last(f"{name}(2, 2)", f"float32[N, {shape}, 3]", f"{module}(2, 2)", opset=17),
        _last(f"{name}(2, 2)", f"float32[N, {shape}, 3]", f"{module}(2, 2)", opset=24),
        _last(f'{name}(2, 2, dtype="float64")', f"float64[N, {shape}, 3]", f"{module}(2, 2)"),
        _last(f'{name}(3, 2, dtype="float64")', f"float64[N, {symbols}, 3]", f"{module}(3, 2)", low=0.0),
        _first(f'{name}(2, 3, 1, "valid", "channels_first")', f"float32[N, 3, {shape}]", f"{module}(2, 3, 1)"),
        # What "same" adds is zeros.
        TorchCase(
            f'{name}(2, 3, 1, padding="same")',
            (f"float32[N, {symbols}, 3]",),
            module=f"{module}(2, 3, 1)",
            run=f"layer(torch.nn.functional.pad({LAST}, (1, 1) * {rank})).movedim(1, -1)",
        ),
        TorchCase(
            f'{name}(2, 3, 1, "same", data_format="channels_first")',
            (f"float32[N, 3, {shape}]",),
            module=f"{module}(2, 3, 1)",
            run=f"layer(torch.nn.functional.pad(x0, (1, 1) * {rank}))",
        ),
        TorchCase(
            f'{name}(1, 2, data_format="channels_first")',  # absolute values, where PyTorch adds with signs
            (f"float32[N, 3, {shape}]",),
            module=f"{module}(1, 2)",
            run="layer(x0.abs())",
        ),
    ]


def _grid(ours: str, theirs: str, inputs: tuple[str, str], *, first: bool = False, **options: object) -> TorchCase:
    call = f'GridSample({ours}{", " if ours else ""}data_format="channels_first")' if first else f"GridSample({ours})"
    sampled = f"torch.nn.functional.grid_sample({'x0' if first else LAST}, x1, {theirs})"
    options = {"low": -1.3, "high": 1.3} | options
    return TorchCase(call, inputs, module="None", run=sampled if first else f"{sampled}.movedim(1, -1)", **options)  # type: ignore[arg-type]


IMAGES = ("float32[N, 9, 8, 3]", "float32[N, 4, 5, 2]")
OPEN = ("float32[N, H, W, 3]", "float32[N, T, S, 2]")
VOLUMES = ("float32[N, D, H, W, 2]", "float32[N, 2, T, S, 3]")
GRIDS = [
    *(
        _grid(
            f'"{mode}", "{outside}", align_corners={corners}',
            f"mode='{mode}', padding_mode='{outside}', align_corners={corners}",
            inputs,
            opset=opset,
        )
        for mode in ("bilinear", "nearest", "bicubic")
        for outside in ("zeros", "border", "reflection")
        for corners in (False, True)
        for inputs, opset in ((IMAGES, None), (OPEN, 17))
    ),
    _grid("", "align_corners=False", IMAGES),
    _grid("", "align_corners=False", OPEN, opset=24),
    _grid('mode="nearest"', "mode='nearest', align_corners=False", OPEN),
    _grid("", "align_corners=False", ("float32[N, 3, H, W]", "float32[N, T, S, 2]"), first=True),
    _grid('"bicubic", padding_mode="border"', "mode='bicubic', padding_mode='border', align_corners=False",
          ("float32[N, 3, 9, 8]", "float32[N, 4, 5, 2]"), first=True),
    *(
        _grid(
            f'"{mode}", "{outside}"',
            f"mode='{mode}', padding_mode='{outside}', align_corners=False",
            VOLUMES,
        )
        for mode in ("bilinear", "nearest")
        for outside in ("zeros", "border", "reflection")
    ),
    TorchCase(
        'GridSample(dtype="float16")',
        ("float16[N, 9, 8, 3]", "float16[N, 4, 5, 2]"),
        low=-1.3,
        high=1.3,
        module="None",
        run=f"torch.nn.functional.grid_sample({LAST}.float(), x1.float(), align_corners=False).movedim(1, -1)",
        tolerance=2e-3,
    ),
    _grid('align_corners=True, dtype="float64"', "align_corners=True", ("float64[N, 9, 8, 3]", "float64[N, 4, 5, 2]")),
]  # fmt: skip

# In float16 beside PyTorch's float32, which takes the same numbers.
HALF = [
    TorchCase(
        f'{ours}, dtype="float16")',
        ("float16[N, 4, W, 4]",),
        module=f"nn.{theirs}",
        run=f"layer({LAST}.float()).movedim(1, -1)",
        sizes={"W": 8},
        tolerance=2e-3,
    )
    for ours, theirs in (
        ("PixelShuffle(2", "PixelShuffle(2)"),
        ("ChannelShuffle(2", "ChannelShuffle(2)"),
        ("ReplicationPadding2D((1, 2)", "ReplicationPad2d((2, 2, 1, 1))"),
        ("ConstantPadding2D(2, 0.5", "ConstantPad2d(2, 0.5)"),
        ("LpPooling2D(2, 2", "LPPool2d(2, 2)"),
        ("AdaptiveAveragePooling2D(3", "AdaptiveAvgPool2d(3)"),
        ("AdaptiveMaxPooling2D(3", "AdaptiveMaxPool2d(3)"),
    )
]
TORCH_CASES = [*SHUFFLES, *HALF, *BORDERS, *_norms(1), *_norms(2), *_norms(3), *GRIDS]
