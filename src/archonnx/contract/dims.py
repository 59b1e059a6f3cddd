"""Sizes of tensors, exact: expressions over symbols, conditions on them, and what follows from conditions.

A size (`Dim`) is a plain `int` or an `Expr`. This module is the whole public face; the parts are

    dims_atoms, dims_expr               expressions and their arithmetic
    dims_simplify                       floor division, minimum and maximum in canonical form
    dims_text, dims_parse               to text and from text
    dims_range, dims_proof, dims_cases  bounds, and proofs about signs
    conditions                          comparisons, and, or
    facts, facts_rules, facts_learn     what `require` makes known
"""

from archonnx.contract.conditions import Condition, Operator, compare
from archonnx.contract.dims_atoms import (
    DIM_LIMIT,
    Dim,
    DimTooLargeError,
    symbols_of,
)
from archonnx.contract.dims_expr import (
    Expr,
    Ratio,
    evaluate,
    symbol,
)
from archonnx.contract.dims_parse import parse_condition, parse_dim
from archonnx.contract.dims_simplify import ceil_div, dim_max, dim_min
from archonnx.contract.dims_text import format_dim
from archonnx.contract.facts import Facts, Verdict

__all__ = [
    "DIM_LIMIT",
    "Condition",
    "Dim",
    "DimTooLargeError",
    "Expr",
    "Facts",
    "Operator",
    "Ratio",
    "Verdict",
    "ceil_div",
    "compare",
    "dim_max",
    "dim_min",
    "evaluate",
    "format_dim",
    "parse_condition",
    "parse_dim",
    "symbol",
    "symbols_of",
]
