"""Recipes: how the bytes of a constant or weight come about, evaluated slice by slice only while a file is written.

    source      Draw (a weight's numbers), FileTensor (a file's), Constant (an array), Placeholder (data is elsewhere)
    transform   recipe.transpose(perm), .reshape(shape), .cast(dtype), [slices], concatenate(recipes, axis), Sum(them)
    folded      NormFactor, Scaled, Shifted: weights with an operator behind them in them
    quantized   BlockNumbers, BlockScales, BlockZeros: the tensors of a matrix in few bits
    stored      Halved: float32 in float16 or bfloat16, rounded while it is written
    evaluation  recipe.read(evaluation, start, stop), .whole(evaluation), .iter_bytes(evaluation)

Transforms simplify as they are built, and `key()` is the same only for recipes that give the same bytes. A slice of
a transposed tensor reads only the boxes of its source that it needs: a tensor is written with one slice in memory.
"""

from __future__ import annotations

from archonnx.compiler.weights.folding import Folded, NormFactor, Scaled, Shifted
from archonnx.compiler.weights.halving import Halved
from archonnx.compiler.weights.quantizing import BlockNumbers, Blocks, BlockScales, Blockwise, BlockZeros
from archonnx.compiler.weights.recipe import SLICE_BYTES, Evaluation, Recipe, numpy_dtype
from archonnx.compiler.weights.sources import Constant, Draw, FileTensor, Placeholder, tensors_of
from archonnx.compiler.weights.transforms import Cast, Concat, Reshape, Slice, Sum, Transpose, concatenate

__all__ = [
    "SLICE_BYTES",
    "BlockNumbers",
    "BlockScales",
    "BlockZeros",
    "Blocks",
    "Blockwise",
    "Cast",
    "Concat",
    "Constant",
    "Draw",
    "Evaluation",
    "FileTensor",
    "Folded",
    "Halved",
    "NormFactor",
    "Placeholder",
    "Recipe",
    "Reshape",
    "Scaled",
    "Shifted",
    "Slice",
    "Sum",
    "Transpose",
    "concatenate",
    "numpy_dtype",
    "tensors_of",
]
