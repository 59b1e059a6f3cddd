"""Random architectures for property tests, written line by line from the layers' own declarations.

A line is kept where the compiler takes it, so that what comes out is a model of layers that fit each other; most of the
lines that it refuses are as good a test: whatever a line is given, the answer is a diagnostic.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from typing import Any

import archonnx
from archonnx.compiler.layers import domains
from archonnx.compiler.layers.activations import ACTIVATIONS
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.layers.bidirectional import RecurrentLayer
from archonnx.compiler.layers.recurrent import CellDomain
from archonnx.compiler.layers.recurrent_stack import Cells
from archonnx.compiler.layers.registry import find_layer, layer_names
from archonnx.contract.diagnostics import CompileError

LAYERS: list[type[Layer]] = [layer for layer in map(find_layer, layer_names()) if layer is not None]
SIZES = {"N": 2, "T": 7, "H": 13, "W": 11}
LARGEST = 50_000  # elements of a tensor, so that every model runs in an instant
STRANGE = [
    "0",
    "-1",
    "100",
    "None",
    "True",
    '"nonsense"',
    "(1, 2, 3)",
    "2.5",
    "N",
    "[]",
    "(0, 1)",
    "((1, 2), (3, 4))",
    "x0",
]
CELLS = "[LSTMCell(3), GRUCell(2)]"
CELL = """
block cell(units):
    input step
    input h: [N, units]
    both = (step, h) -> Concatenate()
    output y = both -> Dense(units, activation="tanh")
    output state h = y
"""


class Writer:
    """Writes one model. `lines` are those of its body; `tensors` the names that hold one, and `types` theirs."""

    def __init__(self, seed: int, layers: list[type[Layer]] = LAYERS) -> None:
        self.random = random.Random(seed)
        self.pick: Callable[[Any], Any] = self.random.choice
        self.layers = layers
        self.lines: list[str] = []
        self.model: Any = None
        self.refused = 0

    # Types

    def axes(self, rank: int) -> str:
        """The axes of an input: the batch, places, then mostly a known width."""
        places = [self.pick(["T", "H", "W", *map(str, range(1, 13))]) for _ in range(max(0, rank - 2))]
        width = [str(self.pick([1, 2, 3, 4, 5, 6, 8])) if self.random.random() < 0.9 else "W"] if rank > 1 else []
        return ", ".join([self.pick(["N", "N", "N", "3"]), *places, *width][:rank])

    def input(self, number: int, rank: int, dtype: str = "float32") -> str:
        return f"input x{number}: {dtype}[{self.axes(rank)}]"

    # Arguments

    def whole(self, domain: domains.Whole) -> str:
        least = -3 if domain.minimum is None else domain.minimum
        return str(self.random.randint(least, max(least, min(domain.maximum or least + 4, least + 4))))

    def value(self, domain: Any, layer: type[Layer]) -> str:
        """A value inside a domain, as the language writes it."""
        if isinstance(domain, domains.Optional):
            return "None" if self.random.random() < 0.3 else self.value(domain.of, layer)
        if isinstance(domain, domains.Either):
            return self.value(self.pick(domain.of), layer)
        if isinstance(domain, domains.Axes):
            return self.pick(["-1", "1", "2", "(1,)", "(-1, -2)", "(1, 2)", "(0, 1)"])
        if isinstance(domain, domains.Repeated):
            if domain.alone and self.random.random() < 0.5:
                return self.value(domain.of, layer)
            count = domain.count or self.random.randint(max(1, domain.least), max(1, domain.least) + 2)
            return "(" + "".join(self.value(domain.of, layer) + ", " for _ in range(count)) + ")"
        if isinstance(domain, domains.Sides):
            pairs = [f"({self.random.randint(0, 2)}, {self.random.randint(0, 2)})" for _ in range(domain.rank)]
            return self.pick(
                [str(self.random.randint(0, 2)), pairs[0] if domain.rank == 1 else f"({', '.join(pairs)})"]
            )
        if isinstance(domain, domains.Whole):
            return self.whole(domain)
        if isinstance(domain, domains.Real):
            low = domain.minimum if domain.minimum is not None else domain.above if domain.above is not None else -1.0
            high = (
                domain.maximum if domain.maximum is not None else domain.below if domain.below is not None else low + 2
            )
            return repr(round(self.random.uniform(low, high), 3))
        if isinstance(domain, domains.Flag):
            return self.pick(["True", "False"])
        if isinstance(domain, domains.Choice):
            return f'"{self.pick(domain.choices)}"'
        if isinstance(domain, domains.Activation):
            return f'"{self.pick([*ACTIVATIONS, "linear"])}"'
        if isinstance(domain, domains.InitializerDomain):
            return self.pick(['"zeros"', '"ones"', '"glorot_uniform"', "RandomNormal(0.0, 0.1)"])
        if isinstance(domain, domains.Shape):
            return self.pick(["(-1,)", "(2, -1)", "(6,)", "(2, 3)", "(-1, 4)", "(1, 6, 1)"])
        if isinstance(domain, domains.DTypeDomain):
            return '"float32"'
        if isinstance(domain, CellDomain):
            return self.pick(["cell(1)", "cell(3)", "GRUCell(2)", CELLS])
        if isinstance(domain, Cells):
            return CELLS
        if isinstance(domain, RecurrentLayer):
            return self.pick(["LSTM(3)", "GRU(2, return_sequences=True)", 'SimpleRNN(4, "gelu")', f"RNN({CELLS})"])
        if isinstance(domain, (domains.LayerDomain, domains.LayerOrBlock)):
            return self.call(self.pick(self.layers), depth=1)
        if isinstance(domain, (domains.Ignored, domains.Absent)):
            return "None"
        return repr(self.pick(domain.examples)) if domain.examples else "None"

    def call(self, layer: type[Layer], depth: int = 0) -> str:
        given = []
        for name, argument in layer.declared.items():
            if name == "dtype" or isinstance(argument.domain, (domains.Ignored, domains.Absent)):
                continue
            if argument.required or self.random.random() < 0.25:
                strange = self.random.random() < 0.02
                simple = depth and isinstance(argument.domain, (domains.LayerDomain, domains.LayerOrBlock))
                value = "ReLU()" if simple else self.pick(STRANGE) if strange else self.value(argument.domain, layer)
                given.append(f"{name}={value}")
        return f"{layer.__name__}({', '.join(given)})"

    # Lines

    def source(self, layer: type[Layer], names: list[str]) -> str:
        """What stands left of the arrow: as many tensors as the layer takes, now and then another number."""
        count = 0
        for spec in layer.inputs:
            if spec.startswith("*"):
                count += self.random.randint(1, 3) if not spec.endswith("?") or self.random.random() < 0.2 else 0
            elif not spec.endswith("?") or self.random.random() < 0.3:
                count += 1
        if self.random.random() < 0.03:
            count += 1
        first = names[-1] if self.random.random() < 0.6 else self.pick(names)
        others = [first if self.random.random() < 0.5 else self.pick(names) for _ in range(count - 1)]
        return f"({', '.join([first, *others])})" if others else first

    def text(self, line: str = "") -> str:
        lines = [*self.lines, line] if line else self.lines
        return CELL + "\nmodel Random():\n" + "".join(f"    {one}\n" for one in lines)

    def names(self) -> list[str]:
        """The names that hold tensors so far."""
        return [re.split(":| =", line.removeprefix("input "))[0] for line in self.lines if line[:7] != "output "]

    def offer(self, line: str) -> bool:
        """Append a line where the compiler takes it and what it makes is small. Errors: AssertionError for a crash."""
        shown = f"{line}\n    output {line.partition(' =')[0]}"
        try:
            model = archonnx.compile(text=self.text(shown))
        except CompileError as error:
            assert error.diagnostics, line
            assert all(d.code[0] in "EW" and d.message and d.place is not None for d in error.diagnostics), line
            assert str(error)
            self.refused += 1
            return False
        for node in model.graph.nodes:
            for value in node.outputs:
                sizes = [size_of(dim) for dim in value.type.shape]
                if math.prod(sizes) > LARGEST or min(sizes, default=1) < 1:
                    return False
        self.lines.append(line)
        return True

    def grow(self, steps: int, tries: int = 8) -> None:
        """Inputs and up to `steps` layers, each of the first of some tries that fits."""
        for number in range(self.random.randint(1, 2)):
            rank = self.pick([1, 2, 2, 3, 3, 4, 4, 4, 5])
            self.lines.append(self.input(number, rank, self.pick(["float32"] * 6 + ["int32", "bool"])))
        for step in range(steps):
            for _ in range(tries):
                layer = self.pick(self.layers)
                if self.offer(f"y{step} = {self.source(layer, self.names())} -> {self.call(layer)}"):
                    break

    def close(self) -> str:
        """The whole text, every tensor that a layer gives an output; inputs that no layer takes are outputs too."""
        names = self.names()
        made = " ".join(line for line in self.lines if " = " in line)
        unused = [name for name in names if name.startswith("x") and not re.search(rf"\b{name}\b", made)]
        self.lines += [f"output {name}_out = {name}" for name in names if name.startswith("y") or name in unused]
        return self.text()


def careless(text: str, seed: int) -> str:
    """The same program in another layout: comments, blank lines, spaces, breaks inside brackets."""
    dice = random.Random(seed)

    def spaced(found: re.Match[str]) -> str:
        return f"{' ' * dice.randint(1, 3)}{found[1]}{' ' * dice.randint(1, 3)}"

    def comma(found: re.Match[str]) -> str:
        return dice.choice([",", ", ", " ,  ", ",\n            "])

    lines: list[str] = []
    for line in text.splitlines():
        body, indent = line.strip(), line[: len(line) - len(line.lstrip())]
        if not body or body.endswith(":"):
            lines.append(line)
            continue
        if dice.random() < 0.2:
            lines.append(f"{indent}#{dice.choice(['', ' a remark', 'tight'])}")
        if dice.random() < 0.1:
            lines.append("")
        if '"' not in body:
            body = re.sub(r" (=|->) ", spaced, body)
            body = re.sub(", ", comma, body) if "(" in body else body
        lines.append(f"{indent}{body}{dice.choice(['', '  ', '   # why'])}")
    return "\n".join(lines) + "\n"


def size_of(dim: Any) -> int:
    """The size once the model runs."""
    return dim if isinstance(dim, int) else dim.evaluate(SIZES) if dim.symbols() <= SIZES.keys() else 1
