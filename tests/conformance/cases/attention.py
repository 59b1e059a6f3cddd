"""Attention: Attention, AdditiveAttention, MultiHeadAttention, GroupQueryAttention."""

from __future__ import annotations

import re

from keras_harness import Case
from torch_harness import TorchCase

# What our constructors take and Keras' calls do.
CALLED = ("use_causal_mask", "return_attention_scores")
SELF = ("float32[N, T, 6]",)
CROSS = ("float32[N, T, 6]", "float32[N, S, 6]")
WIDE = ("float32[N, T, 6]", "float32[N, S, 5]")
THREE = ("float32[N, T, 6]", "float32[N, S, 5]", "float32[N, S, 3]")
TOKENS = "Embedding(4, 6, mask_zero=True)"
OWN = ("int32[N, T]",)


def case(
    call: str,
    inputs: tuple[str, ...] = SELF,
    flow: str = "(x0, x0)",
    apply: str = "",
    as_list: bool = False,
    results: int = 1,
    **options: object,
) -> Case:
    """`flow` is written for both sides; `use_causal_mask=True` and the like move to Keras' call by themselves.

    `apply` is Keras' application where it is another. With `as_list` Keras takes the inputs as one list.
    """
    words = [word for word in re.findall(r"(\w+)=True", call) if word in CALLED]
    theirs = re.sub(rf"(, )?\b({'|'.join(CALLED)})=True", "", call).replace("(, ", "(")
    asked = "".join(f", {word}=True" for word in words)
    given = f"[{flow[1:-1]}]" if as_list else flow[1:-1]
    applied = apply.replace("*", asked) if apply else f"layer({given}{asked})"
    results = 2 if "return_attention_scores" in words else results
    return Case(call, inputs, flow=flow, theirs=theirs, apply=applied, results=results, **options)  # type: ignore[arg-type]


def plain(
    call: str, inputs: tuple[str, ...] = SELF, flow: str = "(x0, x0)", apply: str = "", **options: object
) -> Case:
    return case(call, inputs, flow, apply, as_list=True, **options)  # type: ignore[arg-type]


MULTI_HEAD = [
    *(
        case(f"MultiHeadAttention({arguments})")
        for arguments in (
            "2, 3",
            "1, 4",
            "num_heads=3, key_dim=5, value_dim=2",
            "2, 3, dropout=0.3",
            "2, 3, use_bias=False",
            "2, 3, output_shape=7",
            "2, 3, output_shape=(4, 3)",
            "2, 3, output_shape=(1,)",
            "2, 3, attention_axes=1",
            "2, 3, attention_axes=(-2,)",
            "2, 3, sliding_window=2",
            "2, 3, sliding_window=1, use_causal_mask=True",
            "2, 3, sliding_window=3, dropout=0.5",
            "2, 3, use_gate=True",
            "2, 3, use_gate=True, use_bias=False, value_dim=4",
            "2, 3, use_causal_mask=True",
            "2, 3, use_causal_mask=True, dropout=0.1",
            "2, 3, return_attention_scores=True",
            "2, 3, return_attention_scores=True, use_causal_mask=True, sliding_window=2",
            "2, 3, flash_attention=False, seed=3",
        )
    ),
    case("MultiHeadAttention(2, 3)", CROSS, "(x0, x1)"),
    case("MultiHeadAttention(2, 3)", WIDE, "(x0, x1)"),
    case("MultiHeadAttention(2, 3, value_dim=4)", THREE, "(x0, x1, x2)"),
    case("MultiHeadAttention(2, 3)", THREE, "(x0, value=x1, key=x2)", "layer(x0, x1, x2*)"),
    case("MultiHeadAttention(2, 3, use_causal_mask=True)", CROSS, "(x0, x1)"),
    case("MultiHeadAttention(2, 3, use_causal_mask=True)", CROSS, "(x1, x0)"),
    case("MultiHeadAttention(2, 3, return_attention_scores=True)", CROSS, "(x0, x1)"),
    case("MultiHeadAttention(2, 3, sliding_window=2)", CROSS, "(x0, x1)"),
    case("MultiHeadAttention(2, 3, sliding_window=2)", CROSS, "(x1, x0)", again={"T": 3, "S": 9}),
    case("MultiHeadAttention(2, 3, sliding_window=2, dropout=0.1)", CROSS, "(x1, x0)", sizes={"T": 2, "S": 7}),
    *(
        case(f"MultiHeadAttention(2, 3, sliding_window=2{more})", CROSS, "(x1, x0)", opset=25)
        for more in ("", ", dropout=0.1", ", use_causal_mask=True")
    ),
    # Several axes.
    *(
        case(f"MultiHeadAttention(2, 3, {arguments})", ("float32[N, H, W, 6]",))
        for arguments in (
            "attention_axes=None",
            "attention_axes=1",
            "attention_axes=2",
            "attention_axes=(1, 2)",
            "attention_axes=(2, 1), return_attention_scores=True",
            "attention_axes=-2, return_attention_scores=True",
            "attention_axes=1, use_causal_mask=True",
            "attention_axes=1, sliding_window=3",
            "attention_axes=(1, 2), value_dim=5, output_shape=4",
            "use_gate=True",
        )
    ),
    case("MultiHeadAttention(2, 3)", ("float32[N, 3, 2, 6]", "float32[N, 4, 5, 6]"), "(x0, x1)"),
    case("MultiHeadAttention(2, 3, attention_axes=2)", ("float32[N, 3, 2, 6]", "float32[N, 3, 5, 4]"), "(x0, x1)"),
    case("MultiHeadAttention(2, 3, attention_axes=(1, 3))", ("float32[N, 3, 2, 4, 6]",)),
    # Masks that are given: bool and other numbers, with fewer axes and sizes of 1.
    *(
        case(f"MultiHeadAttention(2, 3{more})", ("float32[N, T, 6]", mask), "(x0, x0, attention_mask=x1)", **options)
        for more, mask, options in (
            ("", "bool[N, T, T]", {}),
            ("", "bool[T, T]", {}),
            ("", "bool[N, 1, T]", {}),
            ("", "bool[1, T, 1]", {}),
            ("", "bool[N, 1, T, T]", {}),
            ("", "bool[N, 2, T, T]", {}),
            ("", "int32[N, T, T]", {"low": 0.0, "high": 1.0}),
            ("", "float32[N, T, T]", {}),
            (", dropout=0.2", "bool[N, T, T]", {}),
            (", dropout=0.2", "bool[N, 2, T, T]", {}),
            (", use_causal_mask=True", "bool[N, T, T]", {}),
            (", use_causal_mask=True, dropout=0.2", "bool[N, T, T]", {}),
            (", return_attention_scores=True", "bool[N, T, T]", {}),
            (", return_attention_scores=True", "bool[N, 2, T, T]", {}),
            (", sliding_window=2", "bool[N, T, T]", {}),
            (", use_gate=True", "bool[N, T, T]", {}),
            (", use_gate=True, dropout=0.2", "bool[N, T, T]", {}),
            ("", "bool[N, T, T]", {"opset": 17}),
            ("", "bool[N, T, T]", {"opset": 23}),
            ("", "bool[N, 2, T, T]", {"opset": 23}),
            ("", "bool[N, 1, T]", {"opset": 24}),
            (", dropout=0.2", "bool[N, T, T]", {"opset": 23}),
            (", dropout=0.2", "bool[N, 2, T, T]", {"opset": 23}),
            (", dropout=0.2", "bool[T, T]", {"opset": 24}),
            (", use_causal_mask=True", "bool[N, T, T]", {"opset": 23}),
            (", sliding_window=2, dropout=0.2, use_causal_mask=True", "bool[N, T, T]", {"opset": 24}),
            (", sliding_window=2, dropout=0.2, use_causal_mask=True", "bool[N, T, T]", {"opset": 25}),
            (", sliding_window=2, use_causal_mask=True", "bool[N, T, T]", {"opset": 25}),
        )
    ),
    case(
        "MultiHeadAttention(2, 3, attention_axes=(1, 2))",
        ("float32[N, 3, 2, 6]", "bool[N, 3, 2, 3, 2]"),
        "(x0, x0, attention_mask=x1)",
    ),
    case(
        "MultiHeadAttention(2, 3, attention_axes=2, return_attention_scores=True)",
        ("float32[N, 3, 2, 6]", "bool[N, 3, 2, 2]"),
        "(x0, x0, attention_mask=x1)",
    ),
    case("MultiHeadAttention(2, 3)", (*CROSS, "bool[N, S]"), "(x0, x1, value_mask=x2)"),
    case(
        "MultiHeadAttention(2, 3)",
        (*CROSS, "bool[N, S]", "bool[N, S]"),
        "(x0, x1, value_mask=x2, key_mask=x3)",
    ),
    case(
        "MultiHeadAttention(2, 3, use_causal_mask=True)",
        (*CROSS, "bool[N, S]", "bool[N, T, S]"),
        "(x0, x1, key_mask=x2, attention_mask=x3)",
    ),
    # Masks that travel with the inputs.
    *(
        case(f"MultiHeadAttention(2, 3{more})", OWN, before=TOKENS, low=0, high=3, **options)
        for more, options in (
            ("", {}),
            (", use_causal_mask=True", {}),
            (", dropout=0.2", {}),
            (", return_attention_scores=True", {}),
            (", sliding_window=2, use_causal_mask=True", {}),
            ("", {"opset": 23}),
            (", dropout=0.2, use_causal_mask=True", {"opset": 23}),
        )
    ),
    case("MultiHeadAttention(2, 3)", (*OWN, "float32[N, S, 6]"), "(x0, x1)", before=TOKENS, low=0, high=3),
    case("MultiHeadAttention(2, 3)", (*OWN, "float32[N, S, 6]"), "(x1, x0)", before=TOKENS, low=0, high=3),
    case("MultiHeadAttention(2, 3)", (*OWN, "float32[N, T, 6]"), "(x1, x1, x0)", before=TOKENS, low=0, high=3),
    case(
        "MultiHeadAttention(2, 3)",
        (*OWN, "bool[N, T, T]"),
        "(x0, x0, attention_mask=x1)",
        before=TOKENS,
        low=0,
        high=3,
    ),
    case("MultiHeadAttention(2, 3, attention_axes=2)", ("int32[N, T, S]",), before=TOKENS, low=0, high=3),
    # Types and operator sets.
    case('MultiHeadAttention(2, 3, dtype="float64")'),
    case('MultiHeadAttention(2, 3, dtype="float16")', tolerance=5e-3),
    case('MultiHeadAttention(2, 3, dtype="float16", use_causal_mask=True)', tolerance=5e-3, opset=23),
    case('MultiHeadAttention(2, 3, dtype="float64", use_causal_mask=True)', opset=23),
    *(
        case(
            f'MultiHeadAttention(2, 3, dtype="{dtype}"{more})',
            ("float32[N, T, 6]", "bool[N, T, T]"),
            "(x0, x0, attention_mask=x1)",
            opset=opset,
            tolerance=tolerance,
        )
        for dtype, tolerance in (("float16", 5e-3), ("float64", 1e-5))
        for more in ("", ", dropout=0.5")
        for opset in (None, 23)
    ),
    case("MultiHeadAttention(2, 3)", ("float64[N, T, 6]",)),
    case("MultiHeadAttention(2, 3)", ("float32[2, 7, 6]",)),
    case("MultiHeadAttention(2, 3, use_causal_mask=True)", ("float32[N, 7, 6]",)),
    *(
        case(f"MultiHeadAttention(2, 3{more})", opset=opset)
        for opset in (17, 23, 25, 28)
        for more in (
            "",
            ", value_dim=4, use_causal_mask=True",
            ", use_gate=True, return_attention_scores=True",
            ", sliding_window=2",
        )
    ),
    case("MultiHeadAttention(2, 3, use_causal_mask=True)", CROSS, "(x0, x1)", opset=23),
    case("MultiHeadAttention(2, 3, use_causal_mask=True)", CROSS, "(x1, x0)", opset=23),
    case("MultiHeadAttention(2, 3)", ("float32[N, H, W, 6]",), opset=23),
]

GROUPED = [
    *(
        case(f"GroupQueryAttention({arguments})")
        for arguments in (
            "3, 4, 2",
            "3, 4, 1",
            "3, 4, 4",
            "head_dim=5, num_query_heads=6, num_key_value_heads=2",
            "3, 4, 2, dropout=0.2",
            "3, 4, 2, use_bias=False",
            "3, 4, 2, sliding_window=2",
            "3, 4, 2, use_gate=True",
            "3, 4, 2, use_causal_mask=True",
            "3, 4, 2, return_attention_scores=True",
            "3, 4, 2, return_attention_scores=True, use_causal_mask=True, sliding_window=2",
            "3, 4, 2, flash_attention=False, seed=1",
            '3, 4, 2, dtype="float64"',
        )
    ),
    case("GroupQueryAttention(3, 4, 2)", CROSS, "(x0, x1)"),
    case("GroupQueryAttention(3, 4, 2)", THREE, "(x0, x1, x2)"),
    case("GroupQueryAttention(3, 4, 2, use_causal_mask=True)", CROSS, "(x1, x0)"),
    *(
        case(
            f"GroupQueryAttention(3, 4, 2{more})", ("float32[N, T, 6]", mask), "(x0, x0, attention_mask=x1)", **options
        )
        for more, mask, options in (
            ("", "bool[N, T, T]", {}),
            ("", "bool[T, T]", {}),
            ("", "bool[N, 4, T, T]", {}),
            (", dropout=0.2", "bool[N, T, T]", {}),
            (", return_attention_scores=True", "bool[N, 4, T, T]", {}),
            (", use_causal_mask=True", "int32[N, T, T]", {"low": 0.0, "high": 1.0}),
            ("", "bool[N, T, T]", {"opset": 23}),
            (", dropout=0.2", "bool[N, T, T]", {"opset": 23}),
        )
    ),
    case(
        "GroupQueryAttention(3, 4, 2)",
        (*CROSS, "bool[N, T]", "bool[N, S]", "bool[N, S]"),
        "(x0, x1, query_mask=x2, value_mask=x3, key_mask=x4)",
    ),
    *(
        case(f"GroupQueryAttention(3, 4, 2{more})", OWN, before=TOKENS, low=0, high=3, **options)
        for more, options in (
            ("", {}),
            (", use_causal_mask=True, dropout=0.1", {}),
            (", return_attention_scores=True", {}),
            ("", {"opset": 23}),
        )
    ),
    *(
        case(f"GroupQueryAttention(3, 4, 2{more})", opset=opset)
        for opset in (17, 23, 25)
        for more in ("", ", use_causal_mask=True", ", use_gate=True, sliding_window=2")
    ),
]

PLAIN = [
    *(
        plain(f"Attention({arguments})")
        for arguments in (
            "",
            "use_scale=True",
            'score_mode="concat"',
            'True, "concat"',
            "dropout=0.2, seed=1",
            "use_causal_mask=True",
            "return_attention_scores=True",
            'score_mode="concat", return_attention_scores=True, use_causal_mask=True',
            'dtype="float64"',
        )
    ),
    *(
        plain(f"AdditiveAttention({arguments})")
        for arguments in (
            "",
            "use_scale=False",
            "dropout=0.2, seed=1",
            "use_causal_mask=True",
            "return_attention_scores=True",
            "False, return_attention_scores=True, use_causal_mask=True",
        )
    ),
    *(
        plain(f"{name}({arguments})", inputs, flow)
        for name in ("Attention", "AdditiveAttention")
        for arguments, inputs, flow in (
            ("", CROSS, "(x0, x1)"),
            ("use_causal_mask=True", CROSS, "(x0, x1)"),
            ("use_causal_mask=True", CROSS, "(x1, x0)"),
            ("", ("float32[N, T, 6]", "float32[N, S, 4]", "float32[N, S, 6]"), "(x0, x1, x2)"),
            ("use_scale=True", ("float32[N, 3, T, 6]", "float32[N, 3, S, 6]"), "(x0, x1)"),
            ("return_attention_scores=True", ("float32[N, 4, 1]", "float32[N, 2, 1]"), "(x0, x1)"),
        )
    ),
    *(
        plain(f"{name}({arguments})", OWN, before=TOKENS, low=0, high=3, **options)
        for name in ("Attention", "AdditiveAttention")
        for arguments, options in (
            ("", {}),
            ("use_causal_mask=True", {}),
            ("return_attention_scores=True", {}),
            ("use_causal_mask=True", {"opset": 23}),
        )
    ),
    *(
        plain(f"{name}()", (*CROSS, "bool[N, T]", "bool[N, S]"), flow, apply, **options)
        for name in ("Attention", "AdditiveAttention")
        for flow, apply, options in (
            ("(x0, x1, query_mask=x2, value_mask=x3)", "layer([x0, x1], mask=[x2, x3])", {}),
            ("(x0, x1, value_mask=x3)", "layer([x0, x1], mask=[None, x3])", {}),
            ("(x0, x1, query_mask=x2)", "layer([x0, x1], mask=[x2, None])", {}),
            ("(x0, x1, query_mask=x2, value_mask=x3)", "layer([x0, x1], mask=[x2, x3])", {"opset": 23}),
        )
    ),
    plain('Attention(dtype="float16")', tolerance=5e-3),
    *(
        plain(f"Attention({arguments})", CROSS, "(x0, x1)", opset=opset)
        for opset in (17, 23, 24)
        for arguments in ("", "use_scale=True", "use_causal_mask=True")
    ),
]

# The cache that a layer gives is what Keras' projections give; tests/compiler/layers/test_attention.py feeds it back.
CACHES = [
    Case(
        f"{name}({arguments}, use_cache=True)",
        CROSS,
        flow="(x0, x1)",
        theirs=f"{name}({arguments})",
        apply=f"(layer(x0, x1), *(keras.ops.swapaxes(side(x1), 1, 2) for side in (layer.{key}, layer.{value})))",
        results=3,
        opset=opset,
    )
    for name, arguments, key, value in (
        ("MultiHeadAttention", "2, 3, value_dim=4", "key_dense", "value_dense"),
        ("GroupQueryAttention", "3, 4, 2", "_key_dense", "_value_dense"),
    )
    for opset in (None, 23)
]

CASES = [*MULTI_HEAD, *GROUPED, *PLAIN, *CACHES]

IN_PROJECTION = "np.concatenate([w[f'{n}/kernel'].reshape(6, 6).T for n in ('query', 'key', 'value')])"
IN_BIAS = "np.concatenate([w[f'{n}/bias'].reshape(6) for n in ('query', 'key', 'value')])"
HEADS = {
    "in_proj_weight": IN_PROJECTION,
    "in_proj_bias": IN_BIAS,
    "out_proj.weight": "w['attention_output/kernel'].reshape(6, 6).T",
    "out_proj.bias": "w['attention_output/bias']",
}
MODULE = "nn.MultiheadAttention(6, 2, batch_first=True)"
TRIANGLE = "torch.ones(x0.shape[1], x0.shape[1], dtype=torch.bool).triu(1)"
PRODUCT = "torch.nn.functional.scaled_dot_product_attention"


def product(arguments: str) -> str:
    """PyTorch's function on one head of the inputs themselves."""
    return f"{PRODUCT}(x0[:, None], x1[:, None], x1[:, None], scale=1.0{arguments})[:, 0]"


def projected(heads: int, groups: int, arguments: str) -> str:
    """PyTorch's function between projections of ones own: `layer` is the weights, in our layout."""
    return f"layer.out({PRODUCT}(*layer.heads(x0, {heads}, {groups}), enable_gqa=True{arguments}))"


GROUPED_MODULE = """type("Projected", (nn.Module,), {
    "__init__": lambda self: (nn.Module.__init__(self), setattr(self, "q", nn.Linear(6, 12)),
        setattr(self, "k", nn.Linear(6, 6)), setattr(self, "v", nn.Linear(6, 6)), setattr(self, "o", nn.Linear(12, 6)),
        None)[-1],
    "heads": lambda self, x, heads, groups: [
        f(x).reshape(x.shape[0], x.shape[1], n, 3).transpose(1, 2)
        for f, n in ((self.q, heads), (self.k, groups), (self.v, groups))],
    "out": lambda self, y: self.o(y.transpose(1, 2).reshape(y.shape[0], y.shape[2], 12)),
})()"""
GROUPED_STATE = {
    **{f"{n[0]}.weight": f"w['{n}/kernel'].reshape(6, -1).T" for n in ("query", "key", "value")},
    **{f"{n[0]}.bias": f"w['{n}/bias'].reshape(-1)" for n in ("query", "key", "value")},
    "o.weight": "w['attention_output/kernel'].reshape(12, 6).T",
    "o.bias": "w['attention_output/bias']",
}

TORCH_CASES = [
    *(
        TorchCase(
            f"MultiHeadAttention(2, 3{more})",
            SELF,
            flow="(x0, x0)",
            module=MODULE,
            state=HEADS,
            run=f"layer(x0, x0, x0, need_weights=False{given})[0]",
            opset=opset,
        )
        for more, given in (("", ""), (", use_causal_mask=True", f", attn_mask={TRIANGLE}"))
        for opset in (None, 23)
    ),
    TorchCase(
        "MultiHeadAttention(2, 3, return_attention_scores=True)",
        SELF,
        flow="(x0, x0)",
        module=MODULE,
        state=HEADS,
        run="layer(x0, x0, x0, average_attn_weights=False)",
        results=2,
    ),
    TorchCase(
        "MultiHeadAttention(2, 3)",
        CROSS,
        flow="(x0, x1)",
        module=MODULE,
        state=HEADS,
        run="layer(x0, x1, x1)[0]",
    ),
    TorchCase(
        "MultiHeadAttention(2, 3)",
        ("float32[N, T, 6]", "float32[N, S, 6]", "int32[N, S]"),
        low=0,
        high=1,
        flow="(x0, x1, key_mask=x2)",
        module=MODULE,
        state=HEADS,
        # PyTorch has no result for a row that is masked as a whole: of nine steps some count in every row.
        run="layer(x0, x1, x1, key_padding_mask=x2 == 0)[0]",
        sizes={"S": 9},
        again=None,
    ),
    *(
        TorchCase(
            f"Attention({ours})", CROSS, flow="(x0, x1)", module="nn.Identity()", run=product(theirs), opset=opset
        )
        for ours, theirs in (("", ""), ("use_causal_mask=True", ", is_causal=True"))
        for opset in (None, 23)
    ),
    *(
        TorchCase(
            f"MultiHeadAttention(2, 3{more})",
            (*CROSS, "bool[N, 2, T, S]"),
            flow="(x0, x1, attention_mask=x2)",
            module=MODULE,
            state=HEADS,
            # Theirs is True where a score does not count, [batch * heads, T, S].
            run="layer(x0, x1, x1, attn_mask=~x2.reshape(-1, *x2.shape[2:]), average_attn_weights=False)",
            results=results,
            sizes={"S": 11},
            opset=opset,
        )
        for more, results in (("", 1), (", return_attention_scores=True", 2))
        for opset in (None, 23)
    ),
    *(
        TorchCase(
            "GroupQueryAttention(3, 4, 2)",
            (*SELF, "bool[N, 1, T, T]"),
            flow="(x0, x0, attention_mask=x1)",
            module=GROUPED_MODULE,
            state=GROUPED_STATE,
            run=projected(4, 2, ", attn_mask=x1"),
            sizes={"T": 12},
            opset=opset,
        )
        for opset in (None, 23)
    ),
    *(
        TorchCase(
            f"GroupQueryAttention(3, 4, 2{ours})",
            SELF,
            flow="(x0, x0)",
            module=GROUPED_MODULE,
            state=GROUPED_STATE,
            run=projected(4, 2, theirs),
            opset=opset,
        )
        for ours, theirs in (("", ""), (", use_causal_mask=True", ", is_causal=True"))
        for opset in (None, 23)
    ),
]
