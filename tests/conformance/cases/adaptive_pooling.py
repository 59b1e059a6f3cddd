"""Pools to a given number of places. Keras pools known sizes alone; its arrays have them, and our one model is open.

TensorFlow crashes where one bin of a maximum takes a whole axis: those are held against PyTorch alone.
"""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VOLUME, Case, each
from torch_harness import TorchCase

KINDS = ("Average", "Max")
VOLUME_FIRST = ("float32[N, 4, 5, 6, 7]",)
OPEN_FIRST = ("float32[N, 6, H, W]",)
OPEN_STEPS = ("float32[N, T, 6]",)
OPEN_VOLUME = ("float32[N, D, H, W, 2]",)


def _means(calls: str, inputs: tuple[str, ...], **options: object) -> list[Case]:
    return each(calls.replace("Adaptive", "AdaptiveAveragePooling"), inputs, **options)


def _both(calls: str, inputs: tuple[str, ...], **options: object) -> list[Case]:
    """Each line for the means and for the maxima, Adaptive2D(3) for Adaptive...Pooling2D(3)."""
    return [
        case for kind in KINDS for case in each(calls.replace("Adaptive", f"Adaptive{kind}Pooling"), inputs, **options)
    ]


CASES = [
    # IMAGE is 9 by 8: what divides, overlaps at equal distances (4 of 9), is uneven (5 and 7), and exceeds the size.
    *_both(
        """
        Adaptive2D((3, 4))
        Adaptive2D((9, 8))
        Adaptive2D((9, 2))
        Adaptive2D((4, 4))
        Adaptive2D(output_size=(5, 3))
        Adaptive2D([3, 7])
        Adaptive2D(7)
        Adaptive2D((12, 11))
        Adaptive2D((5, 4), dtype="float64")
        Adaptive2D((3, 2), dtype="float64")
        """,
        IMAGE,
    ),
    *_means("Adaptive2D(1)\nAdaptive2D((1, 4))\nAdaptive2D((4, 1))", IMAGE),
    *_both('Adaptive2D((3, 2), "channels_first")\nAdaptive2D((5, 3), "channels_first")', FIRST),
    *_both(
        """
        Adaptive2D(2)
        Adaptive2D((3, 5))
        Adaptive2D((14, 13))
        Adaptive2D((4, 3), dtype="float64")
        """,
        OPEN,
    ),
    *_means("Adaptive2D(1)\nAdaptive2D((7, 1))", OPEN),
    *_both('Adaptive2D((4, 3), "channels_first")', OPEN_FIRST),
    *_both("Adaptive2D((3, 4))", ("float32[N, 3 * H, 2 * W, 5]",)),
    *_both("Adaptive2D((3, 4))", ("float32[N, 10, W, 5]",)),
    *_both("Adaptive2D((5, 2))", ("float32[N, H, W, 6]",), require=("H % 5 == 0",), sizes={"H": 10}),
    *_means("Adaptive2D((5, 3))", ("float32[N, H, W, 6]",), sizes={"H": 1, "W": 2}),
    *_both("Adaptive2D((5, 3))", OPEN, opset=17),
    *_both("Adaptive2D((5, 3))", IMAGE, opset=17),
    *_both("Adaptive2D((3, 2))", IMAGE, opset=24),
    *_both("Adaptive2D((5, 3))", OPEN, opset=24),
    *_both('Adaptive2D((5, 4), dtype="float16")\nAdaptive2D((3, 4), dtype="float16")', IMAGE, tolerance=2e-3),
    *(Case(f"AdaptiveMaxPooling2D({size})", ("uint8[N, 9, 8, 3]",), high=255) for size in ("3", "5", "(3, 4)")),
    *_means("Adaptive1D(1)", STEPS),
    *_both("Adaptive1D(5)\nAdaptive1D((4,))\nAdaptive1D(10)\nAdaptive1D(13)", STEPS),
    *_means("Adaptive1D(1)", OPEN_STEPS),
    *_both("Adaptive1D(3)\nAdaptive1D(7)", OPEN_STEPS),
    *_both('Adaptive1D(3, "channels_first")\nAdaptive1D(5, data_format="channels_first")', ("float32[N, 6, 10]",)),
    *_both('Adaptive1D(4, "channels_first")', ("float32[N, 6, T]",)),
    *_means("Adaptive3D(1)\nAdaptive3D((1, 2, 3))", VOLUME),
    *_both("Adaptive3D((5, 3, 7))\nAdaptive3D((2, 4, 3))\nAdaptive3D(2)", VOLUME),
    *_means("Adaptive3D((1, 4, 5))", OPEN_VOLUME),
    *_both("Adaptive3D(2)\nAdaptive3D((3, 4, 5))", OPEN_VOLUME),
    *_both('Adaptive3D((2, 3, 4), "channels_first")\nAdaptive3D(3, data_format="channels_first")', VOLUME_FIRST),
]

_SHAPES = {1: "float32[N, 6, T]", 2: "float32[N, 6, H, W]", 3: "float32[N, 6, D, H, W]"}
_KNOWN = {1: "float32[N, 6, 10]", 2: "float32[N, 6, 9, 8]", 3: "float32[N, 4, 5, 6, 7]"}


def _against(rank: int, size: str, inputs: str) -> list[TorchCase]:
    return [
        TorchCase(
            f'Adaptive{kind}Pooling{rank}D({size}, "channels_first")',
            (inputs,),
            module=f"nn.Adaptive{kind.replace('Average', 'Avg')}Pool{rank}d({size})",
        )
        for kind in KINDS
    ]


TORCH_CASES = [
    case
    for rank, sizes in {1: ("1", "3", "4", "12"), 2: ("1", "(3, 5)", "(7, 1)", "13"), 3: ("2", "(1, 4, 5)")}.items()
    for size in sizes
    for inputs in (_SHAPES[rank], _KNOWN[rank])
    for case in _against(rank, size, inputs)
]
TORCH_CASES.append(
    TorchCase(
        'AdaptiveAveragePooling2D((5, 3), "channels_first")',
        ("uint8[N, 6, 9, 8]",),
        high=255,
        module="nn.AdaptiveAvgPool2d((5, 3))",
        run="layer(x0.float())",
    )
)
