"""IntegerLookup: whole numbers to their places in a vocabulary, by LabelEncoder, ONNX's table of pairs.

What Keras learns by adapt() is given here as `vocabulary` and `idf_weights`; `layer.get_vocabulary()` tells it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError, arg
from archonnx.compiler.layers.category_encoding import (
    SPARSE,
    Count,
    OutputMode,
    encode,
    encoded_shape,
    require_whole_numbers,
)
from archonnx.compiler.layers.domains import Absent, Choice, Flag, Ignored, Optional, Real, Repeated, Whole

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

ML = "ai.onnx.ml"
ML_VERSION = 4  # the first whose LabelEncoder takes whole numbers to whole numbers
FACTORS = 1 << 24
UNKNOWN, MASKED = -1, -2  # what stands for no entry and for the mask while places are looked up


class Int64(Whole):
    """A whole number that int64 holds."""

    def __init__(self) -> None:
        super().__init__(-(2**63), 2**63 - 1)
        self.examples = (12,)

    def describe(self) -> str:
        return "a whole number of 64 bits"


class Vocabulary(Repeated):
    """Whole numbers, at least one."""

    def __init__(self) -> None:
        super().__init__(Int64(), alone=False, least=1)
        self.examples = ((12, 36, 42),)

    def describe(self) -> str:
        return "a tuple of whole numbers of 64 bits, at least one"


class IntegerLookup(Layer):
    """Whole numbers to their places in a vocabulary: integers [...] to int64 [...], or one-hot and counts of them.

    The places: the mask, if there is one and output_mode is "int"; num_oov_indices places for what is not in the
    vocabulary; the vocabulary. Without places for it, what is not in the vocabulary gives -1 and counts for nothing,
    where Keras stops.
    """

    inputs = ("inputs",)
    masking = "drop"
    max_tokens = arg(Optional(Count(2)), default=None, doc="The most places, those of mask and unknown included.")
    num_oov_indices = arg(Count(0), default=1, doc="Places for what is not in the vocabulary.")
    mask_token = arg(Optional(Int64()), default=None, doc="The number that marks what is left out; its place is 0.")
    oov_token = arg(Int64(), default=-1, doc="What an unknown place gives where `invert`.")
    vocabulary = arg(Optional(Vocabulary()), default=None, doc="The numbers that have places.")
    vocabulary_dtype = arg(Choice("int64"), default="int64", doc="The vocabulary's type.")
    idf_weights = arg(Optional(Repeated(Real(), alone=False)), default=None, doc='Factors of the counts, for "tf_idf".')
    invert = arg(Flag(), default=False, doc="Whether places are taken to the numbers that have them.")
    output_mode = arg(
        OutputMode("int", "one_hot", "multi_hot", "count", "tf_idf"),
        default="int",
        doc="Whether places are given as numbers, one-hot, or as which or how many stand along the last axis.",
    )
    sparse = arg(SPARSE, default=False, doc="Not offered.")
    pad_to_max_tokens = arg(Flag(), default=False, doc="Whether what is not int has max_tokens columns.")
    oov_method = arg(
        Choice("floormod", "farmhash"), default="floormod", doc="How several unknown places are chosen among."
    )
    salt = arg(Absent("it is for FarmHash alone"), default=None, doc="Not offered.")
    dtype = arg(Ignored(), default=None, doc="Keras takes it and does not use it.")
    keras = "IntegerLookup"
    onnx = (
        "LabelEncoder",
        "Mod",
        "Add",
        "Equal",
        "Range",
        "Less",
        "Where",
        "Min",
        "Expand",
        "ScatterElements",
        "Slice",
        "Mul",
    )
    formula = (
        "place(x) = 0 if x == mask_token\n"
        "           first + i if x == vocabulary[i]\n"
        "           oov + x % num_oov_indices else\n"
        'oov = 1 with a mask and output_mode "int" else 0, first = oov + num_oov_indices'
    )
    example = "input product: int64[N, 3]\nIntegerLookup(vocabulary=[12, 36, 1138, 42])"

    def validate(self) -> None:
        if self.vocabulary is None:
            raise LayerError(
                "E0340",
                "IntegerLookup needs a vocabulary: it is not learned from data here",
                help="vocabulary=[12, 36, 42]; after adapt() in Keras, layer.get_vocabulary() gives it",
            )
        self._check_together()
        self._check_vocabulary()

    def _check_together(self) -> None:
        """E0342 where arguments exclude or need one another."""
        message, argument, help = "", "", None
        if self.invert and self.output_mode != "int":
            message = f'gives numbers where invert=True, and output_mode is "{self.output_mode}"'
            argument, help = "output_mode", 'output_mode="int"'
        elif self.output_mode == "tf_idf" and self.idf_weights is None:
            message, argument = 'needs idf_weights for "tf_idf", one for each entry of the vocabulary', "output_mode"
        elif self.output_mode != "tf_idf" and self.idf_weights is not None:
            message = f'uses idf_weights in "tf_idf" alone, and its output_mode is "{self.output_mode}"'
            argument, help = "idf_weights", 'output_mode="tf_idf"'
        elif self.idf_weights is not None and len(self.idf_weights) != len(self.vocabulary):
            message = f"has {len(self.idf_weights)} idf_weights for a vocabulary of {len(self.vocabulary)}"
            argument = "idf_weights"
        elif self.pad_to_max_tokens and self.max_tokens is None:
            message, argument = "needs max_tokens to pad to", "pad_to_max_tokens"
        elif self.oov_method == "farmhash" and self.num_oov_indices > 1:
            message = "cannot hash by FarmHash, which ONNX has no operator for"
            argument, help = "oov_method", 'oov_method="floormod", or num_oov_indices=1'
        elif self.output_mode == "tf_idf" and self._depth > FACTORS:
            message = f'has {self._depth} places, and "tf_idf" writes out a factor for each of at most {FACTORS}'
            argument = "max_tokens" if self.pad_to_max_tokens else "num_oov_indices"
        if message:
            raise LayerError("E0342", f"IntegerLookup {message}", argument=argument, help=help)

    def _check_vocabulary(self) -> None:
        """E0343 for a vocabulary whose places would not be clear, or too many."""
        tokens = self._tokens
        repeated = sorted(token for token, count in Counter(tokens).items() if count > 1)
        message = ""
        if repeated:
            message = f"has {', '.join(map(str, repeated[:5]))} more than once in its vocabulary"
        elif self.mask_token in tokens:
            message = f"has its mask_token, {self.mask_token}, in its vocabulary"
        elif self.invert and self.oov_token in tokens:
            message = f"has its oov_token, {self.oov_token}, in its vocabulary"
        elif self.max_tokens is not None and self._first + len(tokens) > self.max_tokens:
            message = f"needs {self._first + len(tokens)} places, and max_tokens is {self.max_tokens}"
        if message:
            raise LayerError(
                "E0343",
                f"IntegerLookup {message}",
                argument="vocabulary",
                help="each number stands once; mask and unknown stand first, or not at all",
            )

    @property
    def _unknown(self) -> int:
        """The first place for what is not in the vocabulary."""
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def _first(self) -> int:
        """The place of the vocabulary's first number."""
        return self._unknown + int(self.num_oov_indices)

    @property
    def _special(self) -> bool:
        """Whether the vocabulary begins with mask and unknown, as Keras' get_vocabulary() gives it."""
        first = self.vocabulary[: self._first]
        masked, unknown = first[: self._unknown], first[self._unknown :]
        return len(first) == self._first and {*masked} <= {self.mask_token} and {*unknown} <= {self.oov_token}

    @property
    def _tokens(self) -> tuple[int, ...]:
        return tuple(self.vocabulary[self._first :] if self._special else self.vocabulary)

    @property
    def _depth(self) -> int:
        return int(self.max_tokens) if self.pad_to_max_tokens else self._first + len(self._tokens)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_whole_numbers(self, inputs)
        dtype = "float32" if self.output_mode == "tf_idf" else "int64"
        return TensorType(dtype, encoded_shape(self, inputs, self.output_mode, self._depth))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = b.cast(inputs, "int64")
        places = range(self._first, self._first + len(self._tokens))
        if self.invert:
            masked = {} if self.mask_token is None else {0: self.mask_token}
            table = dict(zip(places, self._tokens, strict=True)) | masked
            return _looked_up(b, x, list(table), list(table.values()), self.oov_token)
        masked = {} if self.mask_token is None else {self.mask_token: 0 if self.output_mode == "int" else MASKED}
        table = dict(zip(self._tokens, places, strict=True)) | masked
        single = self.num_oov_indices == 1
        found = _looked_up(b, x, list(table), list(table.values()), self._unknown if single else UNKNOWN)
        if self.num_oov_indices > 1:
            other = b.op("Mod", x, b.like(x, self.num_oov_indices), result=x.type)
            if self._unknown:
                other = b.op("Add", other, b.like(x, self._unknown), result=x.type)
            found = b.op("Where", b.op("Equal", found, b.like(x, UNKNOWN)), other, found, result=x.type)
        if self.output_mode != "tf_idf":
            return encode(b, found, self.output_mode, self._depth, "int64")
        counts = encode(b, found, "count", self._depth, "float32")
        return b.op("Mul", counts, b.constant(self._factors()), result=counts.type)

    def _factors(self) -> Any:
        """The factor of each place: unknown places get the mean, as in Keras, and those that pad nothing."""
        import numpy as np

        weights = np.asarray(self.idf_weights)
        before = 0 if self._special else self._first
        factors = np.zeros(self._depth)
        factors[:before] = math.fsum(self.idf_weights) / len(weights)
        factors[before : before + len(weights)] = weights
        return factors.astype(np.float32)


def _looked_up(b: Builder, x: Tensor, keys: Sequence[int], values: Sequence[int], default: int) -> Tensor:
    b.graph.domains[ML] = ML_VERSION
    return b.op(
        "LabelEncoder",
        x,
        result=x.type,
        domain=ML,
        keys_int64s=list(keys),
        values_int64s=list(values),
        default_int64=default,
    )
