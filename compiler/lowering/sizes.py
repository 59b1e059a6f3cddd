"""Sizes as tensors: one that is not known before run time is computed from the shape of a value that carries it."""

from __future__ import annotations

from collections.abc import Sequence

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Tensor
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.lowering.emitter import Emitter, symbol_name
from archonnx.contract.dims import Dim
from archonnx.contract.dims_atoms import Atom, Extreme, Floor, Held, Product, Symbol
from archonnx.contract.dims_expr import Expr, from_atom

INT64 = "int64"
SIZE = TensorType(INT64, (1,))


class Sizes(Emitter):
    """Adds the operators that compute sizes; each size is computed once in a graph."""

    def shape(self, dims: Sequence[Dim]) -> Tensor:
        """A one-dimensional int64 tensor of sizes: a constant where all are known."""
        known = [self.known(d) for d in dims]
        if all(isinstance(d, int) for d in known):
            return self.ints([d for d in known if isinstance(d, int)])
        pieces: list[Tensor] = []
        run: list[int] = []
        for dim, number in zip(dims, known, strict=True):
            if isinstance(number, int):
                run.append(number)
                continue
            if run:
                pieces.append(self.ints(run))
                run = []
            pieces.append(self._size(dim))
        if run:
            pieces.append(self.ints(run))
        if len(pieces) == 1:
            return pieces[0]
        return self.op("Concat", *pieces, result=TensorType(INT64, (len(known),)), axis=0)

    def dim(self, dim: Dim) -> Tensor:
        """A size as an int64 scalar."""
        number = self.known(dim)
        if isinstance(number, int):
            return self.constant(number, INT64)
        return self.op("Squeeze", self._size(dim), self.ints([0]), result=TensorType(INT64, ()))

    def _size(self, dim: Dim) -> Tensor:
        """A size as an int64 tensor of one element."""
        if isinstance(dim, int):
            return self.ints([dim])
        found = self.sizes.get(dim)
        if found is None:
            found = self._compute(dim)
            self.sizes[dim] = found
        return found

    def _compute(self, dim: Expr) -> Tensor:
        name = symbol_name(dim)
        if name is not None:
            return self._symbol(name)
        if dim in self.measured and not dim.symbols() <= self.carriers.keys():
            return self._axis(*self.measured[dim])
        total: Tensor | None = None
        constant = 0
        for monomial, coefficient in dim.sorted_terms():
            if not monomial:
                constant = coefficient
                continue
            term: Tensor | None = None
            for atom, exponent in monomial:
                value = self._atom(atom)
                for _ in range(exponent):
                    term = value if term is None else self._int("Mul", term, value)
            assert term is not None
            if abs(coefficient) != 1 or (coefficient == -1 and total is None):
                term = self._int("Mul", term, self.ints([coefficient if total is None else abs(coefficient)]))
            total = term if total is None else self._int("Add" if coefficient > 0 else "Sub", total, term)
        assert total is not None
        if constant:
            total = self._int("Add" if constant > 0 else "Sub", total, self.ints([abs(constant)]))
        return total

    def _atom(self, atom: Atom) -> Tensor:
        if isinstance(atom, Symbol):
            return self._size(from_atom(atom))
        if isinstance(atom, Floor):
            numerator, denominator = self._size(atom.numerator), self._size(atom.denominator)
            if not (self.facts.at_least(atom.numerator, 0) and self.facts.at_least(atom.denominator, 1)):
                # Div rounds towards zero, Mod takes the divisor's sign: less the rest, the quotient is exact.
                numerator = self._int("Sub", numerator, self._int("Mod", numerator, denominator))
            return self._int("Div", numerator, denominator)
        if isinstance(atom, Extreme):
            return self.op("Min" if atom.sign > 0 else "Max", *(self._size(a) for a in atom.arguments), result=SIZE)
        if isinstance(atom, Held):
            return self._size(atom.meaning)
        assert isinstance(atom, Product)
        product: Tensor | None = None
        for factor, exponent in atom.factors:
            value = self._size(factor)
            for _ in range(exponent):
                product = value if product is None else self._int("Mul", product, value)
        assert product is not None
        return product

    def _int(self, kind: str, a: Tensor, b: Tensor) -> Tensor:
        return self.op(kind, a, b, result=SIZE)

    def _symbol(self, name: str) -> Tensor:
        carrier = self.carriers.get(name)
        if carrier is not None:
            return self._axis(*carrier)
        for tensor, axis in self.mixed:
            solved = self._solve(tensor, axis, name)
            if solved is not None:
                return solved
        raise LayerError(
            "E0930",
            f"the size {name} is needed at run time, and no input tells it",
            help=f"give the model an input with {name} as an axis of its own",
        )

    def _axis(self, tensor: Tensor, axis: int) -> Tensor:
        return self.op("Shape", tensor, result=SIZE, start=axis, end=axis + 1)

    def _solve(self, tensor: Tensor, axis: int, name: str) -> Tensor | None:
        """`name` from an axis of size a * name + b, where a and b are over symbols that other axes tell."""
        dim = tensor.shape[axis]
        assert isinstance(dim, Expr)
        factor: Dim = 0
        rest: Dim = 0
        for monomial, coefficient in dim.sorted_terms():
            others = {atom: exponent for atom, exponent in monomial if atom.symbols != {name}}
            own = [(atom, exponent) for atom, exponent in monomial if atom.symbols == {name}]
            if any(not atom.symbols <= self.carriers.keys() for atom in others):
                return None
            term: Dim = coefficient
            for atom, exponent in others.items():
                term = term * from_atom(atom) ** exponent
            if not own:
                rest = rest + term
            elif len(own) == 1 and isinstance(own[0][0], Symbol) and own[0][1] == 1:
                factor = factor + term
            else:
                return None
        if factor == 0:
            return None
        value = self._axis(tensor, axis)
        if rest != 0:
            value = self._int("Sub", value, self._size(rest))
        return value if factor == 1 else self._int("Div", value, self._size(factor))
