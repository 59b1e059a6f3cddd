"""Shape rules over symbols give what they give over numbers, and MACs count as Keras' convolutions do."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.graph import LayerGraph
from archonnx.contract.diagnostics import CompileError
from archonnx.contract.dims import evaluate


def graph(kind: str, *lines: str) -> LayerGraph:
    return archonnx.compile(text="\n    ".join(["model A():", f"input x: {kind}", *lines]) + "\n").graph


def shape(kind: str, *lines: str) -> tuple[object, ...]:
    return graph(kind, *lines).outputs[0].value.type.shape


def window() -> st.SearchStrategy[str]:
    """Calls of layers with a window over [batch, height, width, 4]."""
    size, stride = st.integers(1, 5), st.integers(1, 4)
    padding = st.sampled_from(["valid", "same"])
    return st.one_of(
        st.builds("Conv2D(2, ({}, {}), strides=({}, {}), padding='{}')".format, size, size, stride, stride, padding),
        st.builds("Conv2D(2, {}, dilation_rate=({}, {}), padding='{}')".format, size, stride, stride, padding),
        st.builds("DepthwiseConv2D({}, {}, '{}')".format, size, stride, padding),
        st.builds("Conv2DTranspose(2, {}, {}, '{}')".format, size, stride, padding),
        st.builds("MaxPooling2D({}, {}, '{}')".format, size, stride, padding),
        st.builds("AveragePooling2D({}, {}, '{}')".format, size, stride, padding),
        st.builds("ZeroPadding2D({})".format, size),
        st.builds("UpSampling2D({})".format, size),
        st.builds("Cropping2D({})".format, size),
        st.builds("SeparableConv2D(4, {}, {}, '{}')".format, size, stride, padding),
        st.builds("LpPooling2D(2, {}, {}, '{}')".format, size, stride, padding),
        st.builds("AdaptiveAveragePooling2D(({}, {}))".format, size, size),
        st.builds("AdaptiveMaxPooling2D(({}, {}))".format, size, size),
        st.builds("ReplicationPadding2D(({}, {}))".format, size, size),
        st.just("ChannelShuffle(2)"),
    )


@given(st.lists(window(), min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 40))
def test_symbols_agree_with_numbers(lines: list[str], height: int, width: int) -> None:
    try:
        known = shape(f"float32[3, {height}, {width}, 4]", *lines)
    except CompileError as error:
        assume("E0304" not in [d.code for d in error.diagnostics])
        raise
    symbolic = shape("float32[N, H, W, 4]", *lines)
    bindings = {"N": 3, "H": height, "W": width}
    assert tuple(evaluate(d, bindings) for d in symbolic) == known  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("float32[N, H, W, 3]", 'Conv2D(8, 3, strides=2, padding="same")', "(N, ceil(H/2), ceil(W/2), 8)"),
        ("float32[N, 2 * H, W, 3]", 'Conv2D(8, 3, strides=2, padding="same")', "(N, H, ceil(W/2), 8)"),
        ("float32[N, H, W, 3]", "Conv2D(8, 3)", "(N, H - 2, W - 2, 8)"),
        ("float32[N, H, W, 3]", "MaxPooling2D()", "(N, H//2, W//2, 3)"),
        ("float32[N, H, W, 3]", "Conv2DTranspose(8, 2, strides=2)", "(N, 2*H, 2*W, 8)"),
        ("float32[N, H, W, 3]", "UpSampling2D(3)", "(N, 3*H, 3*W, 3)"),
        ("float32[N, H, W, 3]", "ZeroPadding2D(((1, 0), (2, 3)))", "(N, H + 1, W + 5, 3)"),
        ("float32[N, H, W, 3]", "AdaptiveMaxPooling2D((5, 2))", "(N, 5, 2, 3)"),
        ("float32[N, H, W, 3]", "LpPooling2D(2, 3, 2)", "(N, ceil(H/2) - 1, ceil(W/2) - 1, 3)"),
        ("float32[N, H, W, 12]", "PixelShuffle(2)", "(N, 2*H, 2*W, 3)"),
        ("float32[N, 2 * H, 4 * W, 3]", "PixelUnshuffle(2)", "(N, H, 2*W, 12)"),
        ("float32[N, H, W, 4 * C]", "PixelShuffle(2)", "(N, 2*H, 2*W, C)"),
        ("float32[N, H, W, 3]", "ReplicationPadding2D(((1, 0), (2, 3)))", "(N, H + 1, W + 5, 3)"),
        ("float32[N, H + 3, W + 3, 3]", "ReflectionPadding2D(3)", "(N, H + 9, W + 9, 3)"),
        ("float32[N, H, W, 3]", "Flatten()", "(N, 3*H*W)"),
        ("float32[N, H, W, 4]", "Reshape((-1, 2))", "(N, 2*H*W, 2)"),
        ("float32[N, H, W, 4]", "Reshape((W, H, 4))", "(N, W, H, 4)"),
        ("float32[N, 10, 6]", 'Conv1D(4, 3, padding="causal", strides=2)', "(N, 5, 4)"),
        ("float32[N, T]", "RepeatVector(T)", "(N, T, T)"),
        ("uint8[N, H, W, 3]", "Resizing(224, 200)", "(N, 224, 200, 3)"),
        ("float32[N, T, 8]", 'Dense(4, activation="glu")', "(N, T, 2)"),
    ],
)
def test_sizes_stay_exact(kind: str, line: str, expected: str) -> None:
    assert f"({', '.join(map(str, shape(kind, line)))})" == expected


def test_same_padding_is_numbers_where_the_facts_make_it_so() -> None:
    def padding(kind: str, *lines: str) -> dict[str, object]:
        text = "\n    ".join(["model A():", f"input x: {kind}", *lines]) + "\n"
        (conv,) = [o for o in archonnx.compile(text=text).lower().operators if o.type == "Conv"]
        return {k: v for k, v in conv.attributes.items() if k in ("pads", "auto_pad")}

    call = 'Conv2D(4, 3, strides=2, padding="same")'
    assert padding("float32[N, H, W, 3]", call) == {"auto_pad": "SAME_UPPER"}
    assert padding("float32[N, H, W, 3]", "require H % 2 == 0 and W % 2 == 0", call) == {"pads": [0, 0, 1, 1]}
    assert padding("float32[N, 9, 8, 3]", call) == {"pads": [1, 0, 1, 1]}
    assert padding("float32[N, H, W, 3]", 'Conv2D(4, 5, padding="same")') == {"pads": [2, 2, 2, 2]}
    assert padding("float32[N, H, W, 3]", "Conv2D(4, 5)") == {}


@pytest.mark.parametrize(
    ("kind", "line", "macs"),
    [
        ("float32[1, 8, 8, 6]", "Conv2D(4, 3)", 6 * 6 * 4 * 9 * 6),
        ("float32[1, 8, 8, 6]", "Conv2D(4, 3, groups=2)", 6 * 6 * 4 * 9 * 3),
        ("float32[1, 6, 8, 8]", 'Conv2D(4, 3, data_format="channels_first")', 6 * 6 * 4 * 9 * 6),
        ("float32[1, 8, 8, 6]", "DepthwiseConv2D(3, depth_multiplier=2)", 6 * 6 * 12 * 9),
        ("float32[1, 8, 8, 6]", "Conv2DTranspose(4, 3, strides=2)", 8 * 8 * 6 * 9 * 4),
        ("float32[1, 10, 6]", "Conv1D(4, 3)", 8 * 4 * 3 * 6),
        ("float32[1, 16]", "Dense(4)", 64),
        ("float32[1, 10, 16]", "Dense(4)", 640),
        ("float32[1, 8, 8, 6]", "MaxPooling2D()", 0),
        ("float32[1, 8, 8, 6]", "BatchNormalization()", 0),
    ],
)
def test_macs(kind: str, line: str, macs: int) -> None:
    (node,) = graph(kind, line).nodes
    types = tuple(value.type for value in node.inputs if value is not None)
    assert node.layer.macs(types, tuple(value.type for value in node.outputs)) == macs


def test_macs_carry_the_batch() -> None:
    (node,) = graph("float32[N, 16]", "Dense(4)").nodes
    assert str(node.layer.macs(tuple(v.type for v in node.inputs if v), (node.outputs[0].type,))) == "64*N"
