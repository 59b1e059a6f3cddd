"""ReversibleEmbedding in both directions."""

from __future__ import annotations

from keras_harness import Case, each

TOKENS = ("int32[N, T]",)
REVERSE = {"flow": "(x0, reverse=True)", "apply": "layer(x0, reverse=True)"}

CASES = [
    *each(
        """
        ReversibleEmbedding(10, 4)
        ReversibleEmbedding(input_dim=10, output_dim=1)
        ReversibleEmbedding(10, 4, tie_weights=False)
        ReversibleEmbedding(10, 4, False, mask_zero=True)
        ReversibleEmbedding(10, 4, logit_soft_cap=3.0)
        ReversibleEmbedding(10, 4, reverse_dtype="float64")
        ReversibleEmbedding(10, 4, dtype="float64")
        """,
        TOKENS,
        low=0,
        high=9,
    ),
    Case("ReversibleEmbedding(10, 4)", ("uint8[N]",), low=0, high=9),
    Case("ReversibleEmbedding(10, 4)", ("float32[N, H, W]",), low=0, high=9),
    Case("ReversibleEmbedding(10, 4)", TOKENS, flow="(x0, reverse=False)", low=0, high=9),
    *each(
        """
        ReversibleEmbedding(10, 4)
        ReversibleEmbedding(1, 4)
        ReversibleEmbedding(10, 4, tie_weights=False)
        ReversibleEmbedding(10, 4, mask_zero=True)
        ReversibleEmbedding(10, 4, mask_zero=True, tie_weights=False)
        ReversibleEmbedding(10, 4, logit_soft_cap=3.0)
        ReversibleEmbedding(10, 4, tie_weights=False, logit_soft_cap=0.5)
        ReversibleEmbedding(10, 4, reverse_dtype="float64")
        ReversibleEmbedding(10, 4, tie_weights=False, reverse_dtype="float64")
        ReversibleEmbedding(10, 4, dtype="float64")
        """,
        ("float32[N, T, 4]",),
        **REVERSE,
    ),
    Case('ReversibleEmbedding(10, 4, reverse_dtype="float16")', ("float32[N, T, 4]",), tolerance=2e-3, **REVERSE),
    Case('ReversibleEmbedding(10, 4, dtype="float16")', ("float16[N, T, 4]",), tolerance=2e-3, **REVERSE),
    Case('ReversibleEmbedding(10, 4, dtype="float16")', ("float32[N, T, 4]",), **REVERSE),
    Case("ReversibleEmbedding(10, 4)", ("float64[N, 4]",), **REVERSE),
    Case("ReversibleEmbedding(10, 4)", ("float32[N, 4]",), **REVERSE),
    Case("ReversibleEmbedding(10, 4)", ("float32[4]",), **REVERSE),
    Case("ReversibleEmbedding(10, 4)", ("float32[N, H, W, 4]",), **REVERSE),
    Case("ReversibleEmbedding(10, 4)", ("int32[N, 4]",), low=0, high=5, **REVERSE),
    Case("ReversibleEmbedding(10, 4)", ("float32[N, T, 4]",), opset=17, **REVERSE),
    Case("ReversibleEmbedding(10, 4, tie_weights=False)", ("float32[2, 3, 4]",), opset=24, **REVERSE),
]
