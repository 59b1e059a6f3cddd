"""What an expression of a map stands for: a recipe over the tensors of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, cast

from archonnx.compiler.weights.maps.cursor import Fault
from archonnx.compiler.weights.maps.numbers import Number, NumberError
from archonnx.compiler.weights.maps.tree import Added, Call, Expression, Name, Part, Range
from archonnx.compiler.weights.recipe import Recipe
from archonnx.compiler.weights.transforms import Sum, concatenate
from archonnx.contract.diagnostics import Diagnostic, Place, did_you_mean
from archonnx.contract.render import printable

SAME_GATES = str.maketrans("gn", "ch")  # the letters that two tools have for one gate


class Evaluator:
    """Evaluates expressions for one weight after another.

    tensors: the file's by name. used: the names that were asked for, which it adds to.
    """

    def __init__(self, tensors: Mapping[str, Recipe], used: set[str]) -> None:
        self.tensors, self.used = tensors, used
        self._variables: Mapping[str, int] = {}
        self._dtype = ""

    def value(self, expression: Expression, variables: Mapping[str, int], dtype: str) -> Recipe:
        """The recipe of an expression. `dtype` is the weight's, which `cast` casts to. Raises Fault."""
        self._variables, self._dtype = variables, dtype
        try:
            return self._value(expression)
        except NumberError as error:
            raise Fault(Diagnostic("E1004", error.what + self._here(), error.place)) from None

    def name(self, name: Name, variables: Mapping[str, int], mark: str = "") -> str:
        """The name that a pattern stands for, without `_0` where only so the file has it: as a tensor, or where there
        is a mark as what tensors' names begin with before it. Raises Fault.
        """
        self._variables = variables
        try:
            names = [name.pattern.expand(variables, counted=counted) for counted in (False, True)]
        except NumberError as error:
            raise Fault(Diagnostic("E1004", error.what + self._here(), error.place)) from None
        if names[0] == names[1] or self._has(names[0], mark) or not self._has(names[1], mark):
            return names[0]
        return names[1]

    def _has(self, name: str, mark: str) -> bool:
        return any(known.startswith(name + mark) for known in self.tensors) if mark else name in self.tensors

    def tensor(self, name: str, place: Place) -> Recipe:
        """A tensor of the file. Raises Fault where there is none."""
        found = self.tensors.get(name)
        if found is None:
            raise Fault(
                Diagnostic("E1007", f"the file has no tensor {printable(name)}", place, help=self.near(name) or None)
            )
        self.used.add(name)
        return found

    def near(self, name: str) -> str:
        """What might have been meant, as a help."""
        near = [printable(n) for n in did_you_mean(name, list(self.tensors), most=2)]
        return f"did you mean {' or '.join(near)}?" if near else "archonnx weights list shows what the file has"

    def _here(self) -> str:
        at = ", ".join(f"{name} = {value}" for name, value in self._variables.items())
        return f" ({at})" if at else ""

    def _value(self, expression: Expression) -> Recipe:
        if isinstance(expression, Name):
            return self.tensor(self.name(expression, self._variables), expression.place)
        if isinstance(expression, Added):
            left, right = self._value(expression.left), self._value(expression.right)
            return self._tried(expression.place, "+", lambda: Sum([left, right]))
        if isinstance(expression, Part):
            return self._part(expression)
        return self._call(expression)

    def _part(self, part: Part) -> Recipe:
        if isinstance(part.value, Call) and part.value.function == "split":
            (item,) = part.items
            assert isinstance(item, Number)
            return self._split(part.value, item)
        value = self._value(part.value)
        key = tuple(self._item(item) for item in part.items)
        return self._tried(part.place, "[]", lambda: value[key])

    def _item(self, item: Number | Range | None) -> object:
        if item is None:
            return ...
        if isinstance(item, Number):
            return item.value(self._variables)
        ends = (None if n is None else n.value(self._variables) for n in (item.start, item.stop, item.step))
        return slice(*ends)

    def _split(self, call: Call, which: Number) -> Recipe:
        recipe = self._value(cast(Expression, call.arguments["x"]))
        count, axis = self._number(call, "count"), self._axis(call, recipe)
        extent = recipe.shape[axis]
        if count < 1 or extent % count:
            self._wrong(call.place, f"an axis of {extent} does not split in {count} equal parts")
        chosen = which.value(self._variables)
        if not -count <= chosen < count:
            self._wrong(which.place, f"there is no part {chosen}{self._here()}", f"parts are 0 to {count - 1}")
        size, start = extent // count, chosen % count * (extent // count)
        return recipe[(*[slice(None)] * axis, slice(start, start + size))]

    def _call(self, call: Call) -> Recipe:
        if call.function in ("concat", "stack"):
            return self._joined(call)
        recipe = self._value(cast(Expression, call.arguments["x"]))
        make: Callable[[], Recipe]
        if call.function in ("as_is", "cast"):
            return recipe if call.function == "as_is" else recipe.cast(self._dtype)
        if call.function == "transpose":
            axes = self._numbers(call, "axes") or list(reversed(range(len(recipe.shape))))
            if len(axes) == len(recipe.shape):
                axes = [axis % len(axes) if -len(axes) <= axis < 0 else axis for axis in axes]
            make = lambda: recipe.transpose(axes)  # noqa: E731
        elif call.function == "reshape":
            shape = self._numbers(call, "shape")
            make = lambda: recipe.reshape(shape)  # noqa: E731
        elif call.function == "gates":
            return self._gates(call, recipe)
        else:
            return self._unpermuted(call, recipe)
        return self._tried(call.place, call.function, make)

    def _joined(self, call: Call) -> Recipe:
        parts = [self._value(e) for e in cast("tuple[Expression, ...]", call.arguments["tensors"])]
        stacked = call.function == "stack"
        if stacked:
            rank = len(parts[0].shape) + 1
            axis = self._number(call, "axis")
            if not -rank <= axis < rank:
                self._wrong(call.place, f"axis {axis} is none of the {rank} axes of the result")
            axis %= rank
            if any(p.shape != parts[0].shape for p in parts):
                self._wrong(call.place, f"tensors of shapes {_shapes(parts)} do not stack")
            parts = [p.reshape((*p.shape[:axis], 1, *p.shape[axis:])) for p in parts]
        else:
            axis = self._axis(call, parts[0])
        return self._tried(call.place, call.function, lambda: concatenate(parts, axis))

    def _gates(self, call: Call, recipe: Recipe) -> Recipe:
        written = [cast(str, call.arguments[name]) for name in ("source", "target")]
        source, target = (order.translate(SAME_GATES) for order in written)
        if sorted(source) != sorted(target) or len(set(source)) != len(source) or not source:
            said = " and ".join(f'"{order}"' for order in written)
            self._wrong(call.place, f"{said} are not the same gates in two orders", code="E1003")
        axis = self._axis(call, recipe)
        extent = recipe.shape[axis]
        if extent % len(source):
            self._wrong(call.place, f"an axis of {extent} does not hold {len(source)} gates of equal size")
        if source == target:
            return recipe
        size = extent // len(source)
        before = [slice(None)] * axis
        starts = [source.index(gate) * size for gate in target]
        return concatenate([recipe[(*before, slice(s, s + size))] for s in starts], axis)

    def _unpermuted(self, call: Call, recipe: Recipe) -> Recipe:
        heads = self._number(call, "heads")
        rows = recipe.shape[0] if recipe.shape else 0
        if heads < 1 or not recipe.shape or rows % (2 * heads):
            self._wrong(call.place, f"{rows} rows are not those of {heads} heads, each of an even width")
        rank = len(recipe.shape)
        apart = recipe.reshape((heads, rows // heads // 2, 2, *recipe.shape[1:]))
        return apart.transpose((0, 2, 1, *range(3, rank + 2))).reshape(recipe.shape)

    def _number(self, call: Call, name: str) -> int:
        given = call.arguments.get(name)
        return 0 if given is None else cast(Number, given).value(self._variables)

    def _numbers(self, call: Call, name: str) -> list[int]:
        return [n.value(self._variables) for n in cast("tuple[Number, ...]", call.arguments.get(name, ()))]

    def _axis(self, call: Call, recipe: Recipe) -> int:
        axis, rank = self._number(call, "axis"), len(recipe.shape)
        if not -rank <= axis < rank:
            self._wrong(call.place, f"axis {axis} is none of the {rank} axes of {_type(recipe)}")
        return axis % rank

    def _tried(self, place: Place, what: str, make: Callable[[], Recipe]) -> Recipe:
        try:
            return make()
        except (ValueError, IndexError) as error:
            self._wrong(place, f"{what} fails: {error}")

    def _wrong(self, place: Place, message: str, help: str | None = None, *, code: str = "E1008") -> NoReturn:
        raise Fault(Diagnostic(code, message + self._here() * (help is None), place, help=help))


def _type(recipe: Recipe) -> str:
    return f"{recipe.dtype}{list(recipe.shape)}"


def _shapes(recipes: list[Recipe]) -> str:
    return ", ".join(str(list(r.shape)) for r in recipes)
