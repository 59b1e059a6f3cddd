"""EinsumDense: every kind of equation, each by the operators that it becomes."""

from __future__ import annotations

from keras_harness import Case
from torch_harness import TorchCase

STEPS = ("float32[N, T, 6]",)
KNOWN = ("float32[N, 5, 6]",)
HEADS = ("float32[N, T, 3, 4]",)
OPEN = ("float32[N, H, W, 6]",)
FIRST = ("float32[N, 6, H, W]",)

CASES = [
    # One product over the last axes.
    Case('EinsumDense("ab,bc->ac", output_shape=5, bias_axes="c")', ("float32[N, 6]",)),
    Case('EinsumDense("ab,bc->ac", 5)', ("float32[N, 6]",)),
    Case('EinsumDense("ab,bc->ac", (1,), "relu", "c")', ("float32[N, 6]",)),
    Case('EinsumDense("ab,bcd->acd", (2, 3), bias_axes="cd")', ("float32[N, 6]",)),
    Case('EinsumDense("ab,bcd->adc", (2, 3), bias_axes="dc")', ("float32[N, 6]",)),
    Case('EinsumDense("ab,bcd->acd", (2, 3), bias_axes="d")', ("float32[N, 6]",)),
    Case('EinsumDense("ab,bcd->acd", (2, 3), bias_axes="c")', ("float32[N, 6]",)),
    Case('EinsumDense("ab,cb->ac", 5, bias_axes="c")', ("float32[N, 6]",)),
    Case('EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")', STEPS),
    Case('EinsumDense("abc,cd->abd", (None, 5), activation="tanh")', STEPS),
    Case('EinsumDense("abc,cd->abd", [5, 4], bias_axes="d")', KNOWN),
    Case('EinsumDense("abc,cd->abd", (5, 4), bias_axes="bd")', KNOWN),
    Case('EinsumDense("abc,cd->abd", (5, 4), bias_axes="b")', KNOWN),
    Case('EinsumDense("abc,cde->abde", (None, 3, 4), bias_axes="de")', STEPS),
    Case('EinsumDense("abc,cde->abde", (None, 3, 4), "gelu", "e")', STEPS),
    Case('EinsumDense("abc,ced->abde", (None, 3, 4), bias_axes="de")', STEPS),
    Case('EinsumDense("abcd,cde->abe", (None, 5), bias_axes="e")', HEADS),
    Case('EinsumDense("abcd,dce->abe", (None, 5), bias_axes="e")', HEADS),
    Case('EinsumDense("abcd,cdef->abef", (None, 5, 2), bias_axes="ef")', HEADS),
    Case('EinsumDense("xYz,zQ->xYQ", (None, 5), bias_axes="Q")', STEPS),
    # The result's axes in another order.
    Case('EinsumDense("abc,cde->adbe", (3, None, 4), bias_axes="de")', STEPS),
    Case('EinsumDense("abc,cde->adbe", (3, 5, 4), bias_axes="dbe")', KNOWN),
    Case('EinsumDense("abc,cd->adb", (4, None), bias_axes="d")', STEPS),
    Case('EinsumDense("abcd,cde->aeb", (5, None))', HEADS),
    # Axes behind those that are summed over stay where they are.
    Case('EinsumDense("abc,bd->adc", (4, None), bias_axes="d")', KNOWN),
    Case('EinsumDense("abc,bd->adc", (4, 6), bias_axes="dc")', KNOWN),
    Case('EinsumDense("abc,bde->aedc", (3, 2, None), bias_axes="de")', KNOWN),
    Case('EinsumDense("abc,bd->acd", (None, 4))', KNOWN),
    Case('EinsumDense("abcd,bce->aed", (7, None), bias_axes="e")', ("float32[N, 3, 4, T]",)),
    Case('EinsumDense("abcd,cbe->aed", (7, None))', ("float32[N, 3, 4, T]",)),
    Case('EinsumDense("abcd,bde->aec", (7, None))', ("float32[N, 3, T, 4]",)),
    # An ellipsis at either end.
    Case('EinsumDense("...x,xy->...y", 5, bias_axes="y")', ("float32[N, 6]",)),
    Case('EinsumDense("...x,xy->...y", 5, bias_axes="y")', STEPS),
    Case('EinsumDense("...x,xy->...y", 5, "softmax", "y")', OPEN),
    Case('EinsumDense("...xy,yz->...xz", (None, 5), bias_axes="z")', OPEN),
    Case('EinsumDense("...xy,xyz->...z", 5, bias_axes="z")', HEADS),
    Case('EinsumDense("...x,xyz->...yz", (2, 3), bias_axes="yz")', OPEN),
    Case('EinsumDense("ab...,bc->ac...", 5, bias_axes="c")', ("float32[N, 6]",)),
    Case('EinsumDense("ab...,bc->ac...", 4, bias_axes="c")', ("float32[N, 6, T]",)),
    Case('EinsumDense("ab...,bc->ac...", 5, "relu", "c")', FIRST),
    Case('EinsumDense("ab...,bcd->acd...", (2, 3), bias_axes="cd")', FIRST),
    Case('EinsumDense("abc...,cd->abd...", (None, 3))', ("float32[N, T, 6, 2, W]",)),
    # A kernel for each place of an axis.
    Case('EinsumDense("abc,bcd->abd", (5, 4), bias_axes="bd")', KNOWN),
    Case('EinsumDense("abc,bcd->abd", (5, 4), bias_axes="d")', KNOWN),
    Case('EinsumDense("abcd,bde->abce", (3, None, 5))', ("float32[N, 3, T, 4]",)),
    Case('EinsumDense("abcd,cde->abce", (None, 3, 5), bias_axes="ce")', HEADS),
    Case('EinsumDense("abcd,cdef->afcbe", (2, 3, None, 5))', HEADS),
    Case('EinsumDense("ab,abc->ac", 3)', ("float32[2, 6]",), sizes={"N": 2}),
    Case('EinsumDense("ab,ab->a", ())', ("float32[2, 6]",)),
    Case('EinsumDense("...bc,bcd->...bd", (5, 4), bias_axes="bd")', ("float32[N, T, 5, 6]",)),
    # No sum: factors, and one place made into many.
    Case('EinsumDense("abc,c->abc", (None, 6), bias_axes="c")', STEPS),
    Case('EinsumDense("abc,cb->abc", (5, 6))', KNOWN),
    Case('EinsumDense("abc,b->acb", (None, 5))', KNOWN),
    Case('EinsumDense("ab,c->abc", (None, 3), bias_axes="c")', ("float32[N, T]",)),
    Case('EinsumDense("ab,c->acb", (3, 6))', ("float32[N, 6]",)),
    Case('EinsumDense("abc,bd->adbc", (2, 5, None))', KNOWN),
    Case('EinsumDense("ab...,c->acb...", (3, 5))', ("float32[N, 5, T, W]",)),
    Case('EinsumDense("abc,bd->abcd", (5, None, 3), bias_axes="d")', KNOWN),
    Case('EinsumDense("abc,de->abced", (None, None, 2, 3), bias_axes="ed")', STEPS),
    Case('EinsumDense("abc,d->acdb", (None, 3, None))', STEPS),
    # Inside another layer.
    Case('TimeDistributed(EinsumDense("ab,bc->ac", 5, bias_axes="c"))', STEPS),
    Case('TimeDistributed(EinsumDense("abc,cde->adbe", (2, None, 3)))', ("float32[N, 4, T, 6]",)),
    # Axes of the input alone are summed over first.
    Case('EinsumDense("abc,cd->ad", 4, bias_axes="d")', STEPS),
    Case('EinsumDense("abc,c->ab", (None,))', STEPS),
    Case('EinsumDense("abc,c->a", ())', STEPS),
    Case('EinsumDense("abc,d->ad", 3)', STEPS),
    # Types and operator sets.
    Case('EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")', ("int32[N, T, 6]",), high=9),
    Case('EinsumDense("abc,cde->abde", (None, 2, 2), bias_axes="e", dtype="float64")', STEPS),
    Case('EinsumDense("ab,c->abc", (None, 3), dtype="float64")', ("float32[N, T]",)),
    Case('EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", dtype="float16")', STEPS, tolerance=2e-3),
    Case('EinsumDense("abc,cde->adbe", (3, None, 4), bias_axes="de")', STEPS, opset=17),
    Case('EinsumDense("abc,cd->ad", 4)', STEPS, opset=17),
    Case('EinsumDense("abc,cde->abde", (None, 3, 4), bias_axes="de")', STEPS, opset=24),
]

_KERNEL = {"weight": "w['kernel'].T", "bias": "w['bias']"}
TORCH_CASES = [
    TorchCase('EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")', STEPS, module="nn.Linear(6, 5)", state=_KERNEL),
    TorchCase(
        'EinsumDense("ab...,bc->ac...", 5, bias_axes="c")',
        FIRST,
        module="nn.Conv2d(6, 5, 1)",
        state={"weight": "w['kernel'].T[:, :, None, None]", "bias": "w['bias'].reshape(-1)"},
    ),
    TorchCase(
        'EinsumDense("abc,cde->adbe", (3, None, 4), bias_axes="de")',
        STEPS,
        module="nn.Linear(6, 12)",
        state={"weight": "w['kernel'].reshape(6, 12).T", "bias": "w['bias'].reshape(12)"},
        run="layer(x0).unflatten(-1, (3, 4)).transpose(1, 2)",
    ),
]
