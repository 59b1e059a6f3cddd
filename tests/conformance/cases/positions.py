"""ReversibleEmbedding in both directions; position embeddings, which Keras has none of, against PyTorch."""

from __future__ import annotations

import math

from keras_harness import Case, each
from torch_harness import TorchCase

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

X = ("float32[N, T, 6]",)
IDS = ("float32[N, T, 6]", "int64[N, T]")
HEADS = ("float32[N, T, 3, 8]",)
INNER = ("float32[N, 3, T, 8]",)  # heads before steps
WITH_IDS = {"flow": "(x0, position_ids=x1)", "low": 0, "high": 6}


def table(call: str, inputs: tuple[str, ...], rows: int, run: str, **options: object) -> TorchCase:
    """A learned table of `rows` rows of 6, read by the expression `run`."""
    state = {"weight": "w['embeddings']"}
    return TorchCase(call, inputs, module=f"nn.Embedding({rows}, 6)", state=state, run=run, **options)  # type: ignore[arg-type]


REVERSIBLE = [
    TorchCase(
        "ReversibleEmbedding(10, 4)",
        ("int64[N, T]",),
        low=0,
        high=9,
        module="nn.Embedding(10, 4)",
        state={"weight": "w['embeddings']"},
    ),
    TorchCase(
        "ReversibleEmbedding(10, 4)",
        ("float32[N, T, 4]",),
        flow="(x0, reverse=True)",
        module="nn.Linear(4, 10, bias=False)",
        state={"weight": "w['embeddings']"},
    ),
    TorchCase(
        "ReversibleEmbedding(10, 4, tie_weights=False, logit_soft_cap=30.0)",
        ("float32[N, T, 4]",),
        flow="(x0, reverse=True)",
        module="nn.Linear(4, 10, bias=False)",
        state={"weight": "w['reverse_embeddings'].T"},
        run="30 * torch.tanh(layer(x0) / 30)",
    ),
]

LEARNED = [
    table("PositionEmbedding(5)", ("float32[N, 5, 6]",), 5, "layer(torch.arange(5)).expand(x0.shape)"),
    table("PositionEmbedding(9)", ("float32[N, 5, 6]",), 9, "layer(torch.arange(5)).expand(x0.shape)"),
    table(
        "PositionEmbedding(9, start_index=3)", ("float32[N, 5, 6]",), 9, "layer(torch.arange(3, 8)).expand(x0.shape)"
    ),
    table("PositionEmbedding(9)", ("float32[5, 6]",), 9, "layer(torch.arange(5))"),
    table("PositionEmbedding(9)", ("float32[N, S, 5, 6]",), 9, "layer(torch.arange(5)).expand(x0.shape)"),
    table(
        "PositionEmbedding(sequence_length=9)",
        X,
        9,
        "layer(torch.arange(x0.shape[1])).expand(x0.shape)",
        require=("T <= 9",),
    ),
    table(
        "PositionEmbedding(14, start_index=S)",
        ("float32[N, T, 6]", "float32[S]"),
        14,
        "layer(torch.arange(len(x1), len(x1) + x0.shape[1])).expand(x0.shape)",
        require=("S + T <= 14",),
        flow="(x0 + 0 * sum(x1))",
    ),
    table("PositionEmbedding(7)", IDS, 7, "layer(x1)", **WITH_IDS),
    table("PositionEmbedding(7)", ("float32[N, T, 6]", "uint8[N, T]"), 7, "layer(x1.long())", **WITH_IDS),
    table("PositionEmbedding(7)", ("float32[N, T, 6]", "int32[T]"), 7, "layer(x1).expand(x0.shape)", **WITH_IDS),
    table("PositionEmbedding(7)", ("float32[N, T, 6]", "int32[1, T]"), 7, "layer(x1).expand(x0.shape)", **WITH_IDS),
    table(
        "PositionEmbedding(7)",
        ("float32[N, S, T, 6]", "int32[N, T]"),
        7,
        "layer(x1)[:, None].expand(x0.shape)",
        **WITH_IDS,
    ),
    table('PositionEmbedding(7, dtype="float64")', IDS, 7, "layer(x1)", **WITH_IDS),
    table("PositionEmbedding(9)", ("float32[N, 5, 6]",), 9, "layer(torch.arange(5)).expand(x0.shape)", opset=17),
    # Positions p past the table are made of the rows p % 3 and p // 3; within it p // 3 is 0.
    *(
        table(
            f"PositionEmbedding(3, hierarchical_alpha={a})",
            X,
            3,
            f"(layer(torch.arange(x0.shape[1]) % 3) * {1 - a} + layer(torch.arange(x0.shape[1]) // 3) * {a} "
            f"- layer(torch.tensor(0)) * {a}).div({1 - a}).expand(x0.shape)",
            require=("T <= 9",),
        )
        for a in (0.4, 0.75)
    ),
    table(
        "PositionEmbedding(3, hierarchical_alpha=0.5)",
        IDS,
        3,
        "layer(x1 % 3) + layer(x1 // 3) - layer(torch.tensor(0))",
        **WITH_IDS,
    ),
]


def waves(positions: str, width: int, base: float = 10000.0, scale: float = 1.0) -> str:
    """The angles of positions, one for each pair of features, in double precision."""
    return (
        f"(({positions}).double() / {scale})[..., None] * {base} ** -(torch.arange(0, {width}, 2).double() / {width})"
    )


def sine(call: str, inputs: tuple[str, ...], angles: str, **options: object) -> TorchCase:
    module = "lambda x, t: torch.stack([t.sin(), t.cos()], -1).flatten(-2)[..., : x.shape[-1]].expand(x.shape)"
    return TorchCase(call, inputs, module=module, run=f"layer(x0, {angles})", **options)  # type: ignore[arg-type]


STEP = "torch.arange(x0.shape[-2])"
SINES = [
    sine("SinePositionEncoding()", X, waves(STEP, 6)),
    sine("SinePositionEncoding(100)", X, waves(STEP, 6, 100.0)),
    sine("SinePositionEncoding(max_wavelength=77.5, start_index=9)", X, waves(f"{STEP} + 9", 6, 77.5)),
    sine("SinePositionEncoding()", ("float32[N, 5, 7]",), waves(STEP, 7)),
    sine("SinePositionEncoding()", ("float32[5, 1]",), waves(STEP, 1)),
    sine("SinePositionEncoding()", ("float32[N, H, W, 4]",), waves(STEP, 4)),
    sine("SinePositionEncoding(start_index=4000)", ("float32[N, 2, 64]",), waves(f"{STEP} + 4000", 64)),
    sine("SinePositionEncoding()", ("float32[N, 3000, 8]",), waves(STEP, 8)),
    sine("SinePositionEncoding()", IDS, waves("x1", 6), **WITH_IDS),
    sine("SinePositionEncoding()", ("float32[N, T, 6]", "float32[T]"), waves("x1", 6), flow="(x0, position_ids=x1)"),
    sine("SinePositionEncoding()", ("float32[N, S, T, 6]", "int32[N, T]"), waves("x1[:, None]", 6), **WITH_IDS),
    sine('SinePositionEncoding(dtype="float64")', X, waves(STEP, 6)),
    sine('SinePositionEncoding(dtype="float16")', X, waves(STEP, 6), tolerance=1e-3),
    sine("SinePositionEncoding()", X, waves(STEP, 6), opset=17),
    sine("SinePositionEncoding()", X, waves(STEP, 6), opset=24),
]

# Llama and GPT-NeoX, as transformers write it; GPT-J, as Llama's first source does, by complex numbers.
HALVES = (
    "lambda x, t: x * torch.cat([t, t], -1).cos().to(x.dtype) + torch.cat([-x[..., x.shape[-1] // 2 :], "
    "x[..., : x.shape[-1] // 2]], -1) * torch.cat([t, t], -1).sin().to(x.dtype)"
)
NEIGHBOURS = (
    "lambda x, t: torch.view_as_real(torch.view_as_complex(x.double().contiguous().unflatten(-1, (-1, 2))) "
    "* torch.polar(torch.ones_like(t), t)).flatten(-2).to(x.dtype)"
)


def rotary(call: str, inputs: tuple[str, ...], run: str, **options: object) -> TorchCase:
    module = NEIGHBOURS if "interleaved=True" in call else HALVES
    return TorchCase(call, inputs, module=module, run=run, **options)  # type: ignore[arg-type]


T1 = "torch.arange(x0.shape[1])"
T2 = "torch.arange(x0.shape[2])"
PLAIN = f"layer(x0, ({waves(T1, 8)})[:, None])"
PARTIAL = f"torch.cat([layer(x0[..., :4], ({waves(T1, 4)})[:, None]), x0[..., 4:]], -1)"
LLAMA = """(lambda f, w: layer(x0, T1.double()[:, None, None] * torch.where(w > 64 / 1.5, f / 8, torch.where(w < 64 / 6, f,
    (1 - (64 / w - 1.5) / 4.5) * f / 8 + (64 / w - 1.5) / 4.5 * f))))(
    100.0 ** -(torch.arange(0, 8, 2).double() / 8), 2 * torch.pi * 100.0 ** (torch.arange(0, 8, 2).double() / 8))"""
LLAMA = " ".join(LLAMA.replace("T1", T1).split())
LLAMA_CALL = "RotaryEmbedding(100, scaling_factor=8, low_freq_factor=1.5, high_freq_factor=6, old_context_len=64{})"
# Each at the default operator set, spelled out, and at one that has the operator RotaryEmbedding.
ROTARY = [
    made
    for opset in (None, 23)
    for made in (
        rotary("RotaryEmbedding()", X, f"layer(x0, {waves(T1, 6)})", opset=opset),
        rotary("RotaryEmbedding()", ("float32[N, 7, 2]",), f"layer(x0, {waves(T1, 2)})", opset=opset),
        rotary("RotaryEmbedding()", HEADS, PLAIN, opset=opset),
        rotary("RotaryEmbedding(interleaved=True)", HEADS, PLAIN, opset=opset),
        rotary("RotaryEmbedding(interleaved=True)", X, f"layer(x0, {waves(T1, 6)})", opset=opset),
        rotary("RotaryEmbedding(sequence_axis=2)", INNER, f"layer(x0, {waves(T2, 8)})", opset=opset),
        rotary("RotaryEmbedding(sequence_axis=-2, feature_axis=3)", INNER, f"layer(x0, {waves(T2, 8)})", opset=opset),
        rotary("RotaryEmbedding(sequence_axis=2)", ("float32[N, H, T, 8]",), f"layer(x0, {waves(T2, 8)})", opset=opset),
        rotary("RotaryEmbedding()", ("float32[N, T, H, 8]",), PLAIN, opset=opset),
        rotary("RotaryEmbedding(sequence_axis=2, interleaved=True)", INNER, f"layer(x0, {waves(T2, 8)})", opset=opset),
        rotary("RotaryEmbedding(500000.0)", HEADS, f"layer(x0, ({waves(T1, 8, 500000.0)})[:, None])", opset=opset),
        rotary("RotaryEmbedding(77, 2.5)", HEADS, f"layer(x0, ({waves(T1, 8, 77.0, 2.5)})[:, None])", opset=opset),
        rotary("RotaryEmbedding(scaling_factor=4)", X, f"layer(x0, {waves(T1, 6, scale=4.0)})", opset=opset),
        rotary(
            "RotaryEmbedding(start_index=1000)", HEADS, f"layer(x0, ({waves(f'{T1} + 1000', 8)})[:, None])", opset=opset
        ),
        rotary(
            "RotaryEmbedding(start_index=7)", ("float32[2, 5, 8]",), f"layer(x0, {waves(f'{T1} + 7', 8)})", opset=opset
        ),
        rotary("RotaryEmbedding(rotary_dim=4)", HEADS, PARTIAL, opset=opset),
        rotary("RotaryEmbedding(rotary_dim=8)", HEADS, PLAIN, opset=opset),
        rotary("RotaryEmbedding(rotary_dim=4, interleaved=True)", HEADS, PARTIAL, opset=opset),
        rotary(
            "RotaryEmbedding(sequence_axis=2, rotary_dim=4)",
            ("float32[N, H, T, 8]",),
            f"torch.cat([layer(x0[..., :4], {waves(T2, 4)}), x0[..., 4:]], -1)",
            opset=opset,
        ),
        rotary(
            "RotaryEmbedding(rotary_dim=4)",
            ("float32[N, T, 7]",),
            f"torch.cat([layer(x0[..., :4], {waves(T1, 4)}), x0[..., 4:]], -1)",
            opset=opset,
        ),
        rotary(
            "RotaryEmbedding(feature_axis=2)",
            ("float32[N, T, 8, 3]",),
            f"layer(x0.transpose(2, 3), ({waves(T1, 8)})[:, None]).transpose(2, 3)",
            opset=opset,
        ),
        rotary(
            "RotaryEmbedding(sequence_axis=-1, feature_axis=1, interleaved=True)",
            ("float32[N, 8, 3, T]",),
            f"layer(x0.transpose(1, 3), ({waves('torch.arange(x0.shape[3])', 8)})[:, None]).transpose(1, 3)",
            opset=opset,
        ),
        rotary(
            "RotaryEmbedding(feature_axis=2, rotary_dim=4, interleaved=True)",
            ("float32[N, T, 8, 3]",),
            f"torch.cat([layer(x0[:, :, :4].transpose(2, 3), ({waves(T1, 4)})[:, None]).transpose(2, 3), "
            "x0[:, :, 4:]], 2)",
            opset=opset,
        ),
        rotary(
            "RotaryEmbedding(sequence_axis=3)",
            ("float32[N, 2, 3, T, 8]",),
            f"layer(x0, {waves('torch.arange(x0.shape[3])', 8)})",
            opset=opset,
        ),
        rotary("RotaryEmbedding()", IDS, f"layer(x0, {waves('x1', 6)})", opset=opset, **WITH_IDS),
        rotary(
            "RotaryEmbedding()",
            ("float32[N, T, 3, 8]", "int64[N, T]"),
            f"layer(x0, ({waves('x1', 8)})[:, :, None])",
            opset=opset,
            **WITH_IDS,
        ),
        rotary(
            "RotaryEmbedding(interleaved=True, sequence_axis=2)",
            ("float32[N, 3, T, 8]", "int32[N, T]"),
            f"layer(x0, ({waves('x1', 8)})[:, None])",
            opset=opset,
            **WITH_IDS,
        ),
        rotary(
            "RotaryEmbedding(2.0, 3)",
            ("float32[N, T, 3, 8]", "int32[T]"),
            f"layer(x0, ({waves('x1', 8, 2.0, 3.0)})[:, None])",
            opset=opset,
            **WITH_IDS,
        ),
        rotary(
            "RotaryEmbedding()",
            ("float32[N, T, 3, 8]", "float32[1, T]"),
            f"layer(x0, ({waves('x1', 8)})[:, :, None])",
            opset=opset,
            **WITH_IDS,
        ),
        rotary(
            "RotaryEmbedding(sequence_axis=2, start_index=S)",
            ("float32[N, 3, T, 8]", "float32[S]"),
            f"layer(x0, {waves(f'{T2} + len(x1)', 8)})",
            flow="(x0 + 0 * sum(x1))",
            opset=opset,
        ),
        rotary(LLAMA_CALL.format(""), HEADS, LLAMA, opset=opset),
        rotary(LLAMA_CALL.format(", interleaved=True"), HEADS, LLAMA, opset=opset),
        rotary('RotaryEmbedding(dtype="float64")', HEADS, PLAIN, opset=opset),
        rotary('RotaryEmbedding(dtype="float16")', HEADS, PLAIN, opset=opset, tolerance=2e-3),
        rotary("RotaryEmbedding()", ("float16[N, T, 3, 8]",), PLAIN, opset=opset, tolerance=2e-3),
        rotary(
            "RotaryEmbedding()",
            ("int32[N, T, 3, 8]",),
            PLAIN.replace("(x0,", "(x0.float(),"),
            opset=opset,
            low=-5,
            high=5,
        ),
    )
]
ROTARY += [
    rotary("RotaryEmbedding()", HEADS, PLAIN, opset=17),
    rotary("RotaryEmbedding(interleaved=True)", HEADS, PLAIN, opset=17),
    rotary("RotaryEmbedding()", HEADS, PLAIN, opset=24),
    rotary("RotaryEmbedding(interleaved=True, rotary_dim=4)", HEADS, PARTIAL, opset=28),
]

SCORES = ("float32[N, 8, T, T]",)
STEP_SCORES = ("float32[N, 6, 1, T]",)
PAST_SCORES = ("float32[N, 12, T, T + S]",)


def alibi(call: str, inputs: tuple[str, ...], slopes: str, **options: object) -> TorchCase:
    """Slopes as BLOOM and MPT have them, a tensor over the heads."""
    run = f"x0 + (torch.tensor({slopes})[:, None, None] * torch.arange(1 - x0.shape[3], 1)).to(x0.dtype)"
    return TorchCase(call, inputs, module="None", run=run, **options)  # type: ignore[arg-type]


ALIBI = [
    alibi("AlibiBias()", SCORES, "[2.0**-i for i in range(1, 9)]"),
    alibi("AlibiBias()", STEP_SCORES, "[0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]"),
    alibi(
        "AlibiBias(16)", PAST_SCORES, "[2.0 ** (-2 * i) for i in range(1, 9)] + [2.0**-1, 2.0**-3, 2.0**-5, 2.0**-7]"
    ),
    alibi("AlibiBias(alibi_bias_max=3)", ("float32[N, 1, 5, 7]",), "[0.125]"),
    alibi('AlibiBias(dtype="float64")', ("float64[N, 3, T, S]",), "[2.0**-4, 2.0**-8, 2.0**-2]"),
    alibi('AlibiBias(dtype="float16")', ("float16[N, 3, T, S]",), "[2.0**-4, 2.0**-8, 2.0**-2]", tolerance=1e-3),
    alibi("AlibiBias()", SCORES, "[2.0**-i for i in range(1, 9)]", opset=17),
]


def relative(call: str, inputs: tuple[str, ...], heads: int, n: int, m: int, **options: object) -> TorchCase:
    """Buckets as transformers' T5 has them, by logarithms."""
    both = "False" not in call
    ways = n // 2 if both else n
    single = ways // 2
    away = "torch.arange(x0.shape[3]) - torch.arange(x0.shape[3] - x0.shape[2], x0.shape[3])[:, None]"
    far = f"(torch.log(d / {single}) / {math.log(m / single)} * {ways - single}).clip(0, {n}).long() + {single}"
    bucket = f"(lambda d: torch.where(d < {single}, d, ({far}).clip(max={ways - 1})))"
    distance = f"{bucket}(({away}).abs()) + {ways} * (({away}) > 0)" if both else f"{bucket}((-({away})).clip(min=0))"
    run = f"x0 + layer({distance}).permute(2, 0, 1)"
    state = {"weight": "w['embeddings']"}
    return TorchCase(call, inputs, module=f"nn.Embedding({n}, {heads})", state=state, run=run, **options)  # type: ignore[arg-type]


RELATIVE = [
    relative("RelativePositionBias()", SCORES, 8, 32, 128),
    relative("RelativePositionBias()", ("float32[N, 2, 300, 300]",), 2, 32, 128),
    relative("RelativePositionBias(bidirectional=False)", ("float32[N, 2, 300, 300]",), 2, 32, 128),
    relative("RelativePositionBias(bidirectional=False)", ("float32[N, 6, 1, T]",), 6, 32, 128),
    relative("RelativePositionBias(8, 20)", ("float32[N, 12, T, T + S]",), 12, 8, 20),
    relative("RelativePositionBias(4, 3)", ("float32[N, 1, 9, 9]",), 1, 4, 3),
    relative("RelativePositionBias(num_buckets=2, max_distance=7, bidirectional=False)", SCORES, 8, 2, 7),
    relative("RelativePositionBias(5, 40, False)", ("float32[N, 3, T, T]",), 3, 5, 40),
    relative('RelativePositionBias(dtype="float64")', ("float64[N, 8, T, T]",), 8, 32, 128),
    relative("RelativePositionBias(8, 20)", SCORES, 8, 8, 20, opset=17),
]

TORCH_CASES = [*REVERSIBLE, *LEARNED, *SINES, *ROTARY, *ALIBI, *RELATIVE]
