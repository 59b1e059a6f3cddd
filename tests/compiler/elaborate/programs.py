"""Random small programs that are plausible: names that were bound, layers that exist, and now and then a mistake."""

from __future__ import annotations

import random

from hypothesis import strategies as st

LAYERS = [
    "Dense(4)",
    "ReLU()",
    "Dense(n)",
    "BatchNormalization()",
    'Activation("tanh")',
    "Dropout(0.5)",
    "Dense(n, use_bias=False)",
]
VALUES = [
    "n + 1",
    "n // 2",
    "2 ** n",
    "len([n, n])",
    "max(n, 3)",
    "n if n > 2 else 5",
    "sum([i for i in range(n)])",
    "int(n / 2)",
    "shape(x)[1]",
]
TENSORS = [
    "{t} + 1",
    "{t} * {u}",
    "{t} -> {layer}",
    "sqrt(abs({t}))",
    "mean({t}, axis=-1, keepdims=True)",
    "{t}[:, :1]",
    "({t}, {u}) -> Add()",
    "concat([{t}, {u}], axis=1)",
]
MISTAKES = [
    "n / 2",
    "nothing",
    "n // 0",
    "x -> 3",
    "[n][4]",
    "Dens(n)",
    "x + 'a'",
    "Dense(-n)",
    "T",
    "it.shape",
    "1.5",
    "(x, x)",
    "range(10 ** 9)",
]


class Program:
    """Writes one program from a seed."""

    def __init__(self, seed: int, mistakes: float) -> None:
        self.random = random.Random(seed)
        self.pick = self.random.choice
        self.mistakes = mistakes
        self.blocks: list[str] = []

    def layer(self) -> str:
        return self.pick([*LAYERS, *[f"{b}({self.random.randint(1, 4)})" for b in self.blocks]])

    def value(self) -> str:
        return f"({self.pick(MISTAKES)})" if self.random.random() < self.mistakes else self.pick(VALUES)

    def tensor(self, names: list[str]) -> str:
        if self.random.random() < self.mistakes:
            return self.pick(MISTAKES)
        return self.pick(TENSORS).format(t=self.pick(names), u=self.pick(names), layer=self.layer())

    def lines(self, indent: int, names: list[str]) -> list[str]:
        out: list[str] = []
        for _ in range(self.random.randint(1, 5)):
            form = self.random.randint(0, 7 if indent < 3 else 4)
            if form < 2:
                out.append(self.layer())
            elif form == 2:
                name = self.pick(["y", "z", "_"])
                out.append(f"{name} = {self.tensor(names)}")
                if name != "_":
                    names.append(name)
                    out.append(f"_ = {name}")
            elif form == 3:
                out.append(f"m = {self.value()}")
            elif form == 4:
                out.append(
                    self.pick(
                        [
                            "it + x",
                            self.tensor(["it"]),
                            f"require n > {self.random.randint(-2, 4)}",
                            'weight w: [n] = "ones"',
                            "_ = it",
                        ]
                    )
                )
            elif form == 5:
                out += [f"for i in range({self.value()}):", *["    " + r for r in self.lines(indent + 1, names)]]
            else:
                out += [f"if {self.value()} > 3:", *["    " + r for r in self.lines(indent + 1, names)]]
                out += ["else:", *["    " + r for r in self.lines(indent + 1, list(names))]]
        return out

    def text(self) -> str:
        parts: list[str] = []
        for name in self.random.sample(["first", "second", "third"], self.random.randint(0, 3)):
            inputs = self.pick([["input x: [..., D]"], ["input x: [N, D]"], ["input x"]])
            parts.append(
                f"block {name}(n = 3):\n" + "".join(f"    {line}\n" for line in [*inputs, *self.lines(1, ["x", "it"])])
            )
            self.blocks.append(name)
        if self.random.random() < 0.3:
            parts.insert(0, f"defaults Dense(activation={self.pick(['None', repr('relu'), '3'])})\n")
        shape = self.pick(["N, 3", "N, T, 4", "2, 3", "N, D"])
        last = self.pick([[], [], ["output a = it"], ["output a", "output b = it * 2"]])
        lines = [f"input x: float32[{shape}]", *self.lines(1, ["x", "it"]), *last]
        parts.append("model A(n = 3):\n" + "".join(f"    {line}\n" for line in lines))
        return "\n".join(parts)


def programs() -> st.SearchStrategy[str]:
    """Whole sources; many of them compile."""
    return st.builds(
        lambda seed, mistakes: Program(seed, mistakes).text(),
        st.integers(0, 2**32 - 1),
        st.sampled_from([0.0, 0.02, 0.2]),
    )
