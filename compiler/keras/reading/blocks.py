"""Blocks of a file: those of one shape become one block, with parameters for the arguments in which they differ.

1. Blocks are taken from the innermost out, so that the calls inside a block stand when it is looked at.
2. Those whose lines agree but for arguments are of one shape; where one leaves an argument out, its default is meant.
3. An argument of different values becomes a parameter, one for all places where its values are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archonnx.compiler.keras.reading.arguments import default_text
from archonnx.compiler.keras.reading.lines import MARK, Lines, applied_in
from archonnx.compiler.keras.reading.names import base_name, free, identifier, library_names
from archonnx.compiler.keras.reading.steps import Applied, Argument, Body

MOST = 7  # parameters of a block; those that differ in more are blocks of their own
LITERAL = re.compile(r"""-?\d[\w.+-]*|True|False|None|"[^"]*"|[(\[][\w\s,.+\-()\[\]]*[)\]]""")


@dataclass(slots=True)
class Block:
    """A block as it is declared. `parameters`: their names, each with its default or None."""

    name: str
    parameters: dict[str, str | None]
    lines: list[str]

    @property
    def head(self) -> str:
        given = [name if default is None else f"{name} = {default}" for name, default in self.parameters.items()]
        return f"block {self.name}({', '.join(given)})"


@dataclass(slots=True)
class _Instance:
    """One block of the model: with marked lines once it is looked at, and what is filled in for its calls."""

    applied: Applied
    path: str
    lines: list[str] = field(default_factory=list)
    filled: dict[int, list[Argument]] = field(default_factory=dict)  # by the identity of what is applied inside

    @property
    def base(self) -> str:
        return base_name(self.body.name)

    @property
    def body(self) -> Body:
        assert self.applied.body is not None
        return self.applied.body


class Blocks:
    """The blocks of a file, in the order in which they are declared."""

    def __init__(self, unnamed: Container[str], model: str) -> None:
        self.unnamed, self.taken = unnamed, {model}
        self.declared: list[Block] = []

    def declare(self, model: Body) -> None:
        """Declare all blocks of the model, and have their calls in it say which and with what arguments."""
        levels: dict[int, list[_Instance]] = {}
        _collect(model, "", levels)
        for level in sorted(levels):
            alike: dict[tuple[str, str], list[_Instance]] = {}
            for one in levels[level]:
                shape = Lines(one.body, one.path, self.unnamed, call=_without_literals).lines()
                alike.setdefault((one.base, "\n".join(shape)), []).append(one)
            for group in alike.values():
                self._declare_alike(group)

    def _declare_alike(self, group: Sequence[_Instance]) -> None:
        """Declare blocks whose lines agree but for arguments."""
        calls = [list(applied_in(one.body)) for one in group]
        for call in zip(*calls, strict=True):
            for one, applied, filled in zip(group, call, self._filled(call), strict=True):
                one.filled[id(applied)] = filled
        same: dict[str, list[_Instance]] = {}
        for one in group:
            one.lines = Lines(one.body, one.path, self.unnamed, call=_marked(one.filled)).lines()
            same.setdefault(MARK.sub(r"\1", "\n".join(one.lines)), []).append(one)
        for instances in same.values():
            self._declare_same(instances)

    def _filled(self, call: Sequence[Applied]) -> list[list[Argument]]:
        """The arguments of one call in each of some blocks, with defaults where only others give them."""
        known: dict[str, Argument] = {}
        for applied in call:
            for argument in applied.arguments:
                known.setdefault(argument.key, argument)
        constructor = call[0].constructor
        defaults = self._defaults(constructor, list(known))
        found = []
        for applied in call:
            own = {argument.key: argument for argument in applied.arguments}
            full = dict(own)
            for key, argument in known.items():
                default = defaults.get(key)
                if key not in full and default is not None and applied.constructor == constructor:
                    full[key] = Argument(key, default, argument.alone)
            order = list(defaults)
            found.append(sorted(full.values(), key=lambda a: order.index(a.key) if a.key in order else len(order)))
        return found

    def _defaults(self, constructor: str, keys: Sequence[str]) -> Mapping[str, str | None]:
        """The defaults of a constructor's arguments, in its order."""
        from archonnx.compiler.layers.registry import find_layer

        block = next((block for block in self.declared if block.name == constructor), None)
        if block is not None:
            return block.parameters
        kind = find_layer(constructor)
        if kind is None:
            return {}
        return {key: default_text(argument) for key, argument in kind.declared.items() if key in keys}

    def _declare_same(self, instances: Sequence[_Instance]) -> None:
        """Declare one block for blocks of one shape, and give its parameters to each."""
        holes = [MARK.findall("\n".join(one.lines)) for one in instances]
        vectors = [tuple(values[place][1] for values in holes) for place in range(len(holes[0]))]
        keys = [base_name(key) for key, _ in holes[0]]
        names: dict[tuple[str, tuple[str, ...]], str] = {}
        text = "\n".join(MARK.sub("", line) for one in instances for line in one.lines)
        taken = set(re.findall(r"\w+", re.sub(r"\b\w+=(?!=)", "", text)))
        for key, vector in zip(keys, vectors, strict=True):
            if len(set(vector)) > 1 and (key, vector) not in names:
                names[key, vector] = name = free(identifier(key), taken)
                taken.add(name)
        if len(names) > MOST:
            for vector in dict.fromkeys(zip(*vectors, strict=True)):
                same = [
                    one for one, values in zip(instances, zip(*vectors, strict=True), strict=True) if values == vector
                ]
                self._declare_same(same)
            return
        places = iter(zip(keys, vectors, strict=True))
        lines = [MARK.sub(lambda _: _value(next(places), names), line) for line in instances[0].lines]
        defaults = self._parameter_defaults(instances, names)
        parameters = {name: defaults.get(name) for name in sorted(names.values(), key=lambda n: n in defaults)}
        block = self._block(instances[0].base, parameters, lines)
        for number, one in enumerate(instances):
            values = {name: vector[number] for (_, vector), name in names.items()}
            one.applied.constructor = block.name
            one.applied.arguments = [
                Argument(name, values[name], default is None)
                for name, default in parameters.items()
                if values[name] != default
            ]

    def _parameter_defaults(
        self, instances: Sequence[_Instance], names: Mapping[tuple[str, tuple[str, ...]], str]
    ) -> dict[str, str]:
        """The defaults of parameters: what a call inside means where it leaves the argument out."""
        said: dict[str, set[int]] = {}
        for number, one in enumerate(instances):
            for applied in applied_in(one.body):
                for argument in applied.arguments:
                    said.setdefault(base_name(argument.key), set()).add(number)
        found = {}
        for (key, vector), name in names.items():
            left = [number for number in range(len(instances)) if number not in said.get(key, set())]
            if left:
                found[name] = vector[left[0]]
        return found

    def _block(self, base: str, parameters: dict[str, str | None], lines: list[str]) -> Block:
        """The block of these lines, declared unless an equal one is."""
        for block in self.declared:
            if block.lines == lines and block.parameters == parameters:
                return block
        name = identifier(base)
        name = free(name, self.taken | library_names(name))
        self.taken.add(name)
        block = Block(name, parameters, lines)
        self.declared.append(block)
        return block


def _collect(body: Body, path: str, levels: dict[int, list[_Instance]]) -> int:
    """The blocks of a body by how many blocks deep they are inside; how many that is for the body."""
    height = 0
    for applied in applied_in(body):
        block = applied if applied.inside is None else applied.inside
        if block.body is not None:
            below = f"{path}/{applied.name}" if path else str(applied.name)
            below = below if block is applied else f"{below}/{block.name}"
            inside = _collect(block.body, below, levels)
            levels.setdefault(inside, []).append(_Instance(block, below))
            height = max(height, inside + 1)
    return height


def _without_literals(applied: Applied) -> list[str]:
    return [str(argument) for argument in applied.arguments if LITERAL.fullmatch(argument.value) is None]


def _marked(filled: Mapping[int, Sequence[Argument]]) -> Callable[[Applied], list[str]]:
    """What writes the arguments of a call, those that are literals marked."""

    def call(applied: Applied) -> list[str]:
        return list(_marks(filled.get(id(applied), applied.arguments)))

    return call


def _marks(arguments: Sequence[Argument]) -> Iterator[str]:
    for key, value, alone in arguments:
        mark = value if LITERAL.fullmatch(value) is None else f"\x01{key}\x02{value}\x03"
        yield mark if alone else f"{key}={mark}"


def _value(place: tuple[str, tuple[str, ...]], names: Mapping[tuple[str, tuple[str, ...]], str]) -> str:
    """What stands at a place of the block: the parameter, or the value that all have."""
    return names.get(place, place[1][0])
