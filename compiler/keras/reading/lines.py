"""A body as lines: names for what is read more than once, chains for what is not, loops for what repeats."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence

from archonnx.compiler.keras.reading.arguments import written
from archonnx.compiler.keras.reading.names import free, identifier
from archonnx.compiler.keras.reading.steps import ATOM, FLOW, Applied, Body, Slot, Step, Tensor, Text
from archonnx.compiler.layers.base import snake_case

LONGEST = 72  # characters of an expression that is written where it is read, instead of being given a name
SYMBOLS = {3: ("T",), 4: ("H", "W"), 5: ("D", "H", "W")}
COUNTED = re.compile(r'(name="[^"{}]*_)(0|[1-9]\d*)(")')
MARK = re.compile("\x01(\\w+)\x02(.*?)\x03")  # an argument that a block may be given: its name, its value


class Lines:
    """The lines of one body.

    path: of the block, None for the model. unnamed: paths of layers and blocks that need no `name=`, since the language
    names them so. requires: conditions on sizes. call: the text of a constructor's arguments.
    """

    def __init__(
        self,
        body: Body,
        path: str | None,
        unnamed: Container[str],
        requires: Sequence[str] = (),
        call: Callable[[Applied], list[str]] | None = None,
    ) -> None:
        self.body, self.path, self.unnamed, self.requires, self.call = body, path, unnamed, requires, call or plain_call
        self.is_model = path is None
        self.reads = body.reads()
        self.names: dict[int, str] = {}  # of tensors, by identity
        self.layers: dict[int, str] = {}  # of layers that are applied several times
        self.inline: dict[int, Text] = {}  # expressions that stand where they are read
        self.it: int | None = None  # the tensor that `it` stands for
        self.entering = {id(tensor) for _, tensor in body.inputs} if self.is_model else set()
        self.taken: set[str] = set()
        self.out: list[str] = []

    def lines(self) -> list[str]:
        body = self.body
        shared = [a for a in applied_in(body) if a.uses > 1]
        steps = body.steps
        for name, tensor in body.inputs:
            self.names[id(tensor)] = self._take(name)
        self._inline(steps)
        left = [step for step in steps if not self._is_inline(step)]
        if self.is_model:
            self._inputs()
        else:
            self._block_inputs(left)
        for held in body.weights:
            self.names[id(held.tensor)] = held.name = name = self._take(held.name)
            word = "weight" if held.trainable else "buffer"
            shape = ", ".join(map(str, held.tensor.shape))
            kind = "" if held.tensor.dtype == "float32" else held.tensor.dtype
            self.out.append(f"{word} {name}: {kind}[{shape}] = {held.initializer}")
        for applied in shared:
            self.layers[id(applied)] = name = self._take(identifier(_last(applied)))
            self.out.append(f"{name} = {self._call(applied, hinted=name)}")
        if self.is_model:
            for name, tensor in body.outputs:
                if id(tensor) not in self.names:
                    self.names[id(tensor)] = self._take(name)
        number = 0
        while number < len(left):
            number += self._chain(left, number)
        self._outputs()
        return _looped(self.out)

    # Names.
    def _take(self, wanted: str) -> str:
        name = free(identifier(wanted), self.taken)
        self.taken.add(name)
        return name

    def _name(self, tensor: Tensor) -> str:
        found = self.names.get(id(tensor))
        if found is None:
            found = self.names[id(tensor)] = self._take(tensor.hint)
        return found

    # Inputs and outputs.
    def _inputs(self) -> None:
        symbols = {"N"}
        for _, tensor in self.body.inputs:
            kind = _type(tensor, symbols)
            self.out.append(f"input {self.names[id(tensor)]}: {kind}")
        self.out += [f"require {condition}" for condition in self.requires]
        if len(self.body.inputs) == 1:
            self.it = id(self.body.inputs[0][1])

    def _block_inputs(self, steps: Sequence[Step]) -> None:
        tensors = [tensor for _, tensor in self.body.inputs]
        if len(tensors) == 1 and self.reads.get(id(tensors[0]), 0) == 1:
            first = self._leaves(steps[0].text) if steps else [tensor for _, tensor in self.body.outputs]
            if any(tensor is tensors[0] for tensor in first):
                self.it = id(tensors[0])  # a block that declares no input has one
                del self.names[id(tensors[0])]
                return
        self.out += [f"input {self.names[id(tensor)]}" for tensor in tensors]

    def _outputs(self) -> None:
        outputs = self.body.outputs
        if not self.is_model:
            if len(outputs) == 1:
                if id(outputs[0][1]) != self.it:
                    self.out.append(self._text(outputs[0][1], FLOW))
                return
            self.out += [f"output {self._text(tensor, FLOW)}" for _, tensor in outputs]
            return
        names: set[str] = {self.names[id(tensor)] for _, tensor in self.body.inputs}
        for number, (given, tensor) in enumerate(outputs):
            name = free(identifier(given), names)
            names.add(name)
            last = number == len(outputs) - 1
            if given == "output" and len(outputs) == 1:  # what a model without an output's name gives is called so
                self.out += [self._text(tensor, FLOW)] if id(tensor) != self.it else []
                return
            if (id(tensor) == self.it and last and self.names.get(id(tensor)) == name) or (
                self.names.get(id(tensor)) == name and id(tensor) not in self.inline
            ):
                self.out.append(f"output {name}")
            else:
                self.out.append(f"output {name} = {self._text(tensor, FLOW)}")

    # Expressions that are written where they are read.
    def _inline(self, steps: Sequence[Step]) -> None:
        lengths: dict[int, int] = {}
        outputs = {id(tensor) for _, tensor in self.body.outputs}
        for step in steps:
            if step.applied is not None or len(step.results) != 1 or step.results[0] is None:
                continue
            tensor = step.results[0]
            length = sum(len(p) if isinstance(p, str) else lengths.get(id(p.tensor), 8) for p in step.text.parts)
            if self.reads.get(id(tensor), 0) == 1 and id(tensor) not in outputs and length <= LONGEST:
                self.inline[id(tensor)] = step.text
                lengths[id(tensor)] = length

    def _is_inline(self, step: Step) -> bool:
        return len(step.results) == 1 and step.results[0] is not None and id(step.results[0]) in self.inline

    def _leaves(self, text: Text) -> list[Tensor]:
        """The tensors that a text reads, those of the expressions written inside it too."""
        found: list[Tensor] = []
        for tensor in text.tensors():
            inside = self.inline.get(id(tensor))
            found += [tensor] if inside is None else self._leaves(inside)
        return found

    def _written(self, text: Text) -> str:
        return "".join(
            p if isinstance(p, str) else self._text(p.tensor, p.level) for p in _undone(text, self.inline).parts
        )

    def _text(self, tensor: Tensor, level: int) -> str:
        inside = self.inline.get(id(tensor))
        if inside is not None:
            inside = _undone(inside, self.inline)
            found = self._written(inside)
            return f"({found})" if inside.level < level else found
        return "it" if id(tensor) == self.it and id(tensor) not in self.entering else self._name(tensor)

    # Statements.
    def _chain(self, steps: Sequence[Step], start: int) -> int:
        """One or several statements for the steps from `start` on that hand one value on; how many steps they were."""
        run = [steps[start]]
        while start + len(run) < len(steps) and self._hands_on(run[-1], steps[start + len(run)], alone=True):
            run.append(steps[start + len(run)])
        after = steps[start + len(run)] if start + len(run) < len(steps) else None
        passes = self._hands_on(run[-1], after, alone=False)
        results = run[-1].results
        head = self._written(run[0].text)
        if run[0].applied is None and len(run) > 1 and run[0].text.level < ATOM:
            head = f"({head})"
        parts = run[0].text.parts
        alone = len(parts) == 1 and isinstance(parts[0], Slot) and id(parts[0].tensor) == self.it
        calls = [self._call(step.applied) for step in run if step.applied is not None]
        if passes or (after is None and self._ends(run[-1])):
            first = head if not calls else calls[0] if alone else f"{head} -> {calls[0]}"
            self.out += [first, *calls[1:]]
            self.it = id(results[0])
            return len(run)
        names = ["_" if t is None or not self.reads.get(id(t)) else self._name(t) for t in results]
        line = f"{names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'} = "
        whole = " -> ".join([f"{line}{head}", *calls])
        indent = len(line) + plain_length(head) + 1
        if plain_length(whole) <= 100 or len(calls) < 2:
            self.out.append(whole)
        elif indent + max(map(plain_length, calls)) <= 106 and indent < 60:
            self.out.append(f"\n{' ' * (indent + 4)}-> ".join([f"{line}{head} -> {calls[0]}", *calls[1:]]))
        else:
            self.out += [calls[0] if alone else f"{head} -> {calls[0]}", *calls[1:-1], f"{line}it -> {calls[-1]}"]
            self.it = None
        return len(run)

    def _hands_on(self, step: Step, after: Step | None, *, alone: bool) -> bool:
        """Whether the next step alone reads the step's result; `alone`: as its only input, left of an arrow."""
        if after is None or len(step.results) != 1 or step.results[0] is None:
            return False
        result = step.results[0]
        if self.reads.get(id(result), 0) != 1:
            return False
        if alone:
            parts = after.text.parts
            plain = len(parts) == 1 and isinstance(parts[0], Slot) and parts[0].tensor is result
            return plain and after.applied is not None
        return any(tensor is result for tensor in self._leaves(after.text))

    def _ends(self, step: Step) -> bool:
        """Whether the last step gives what the body gives last, and nothing else reads it."""
        if len(step.results) != 1 or step.results[0] is None or not self.body.outputs:
            return False
        result = step.results[0]
        last = self.body.outputs[-1][1] is result if self.is_model else len(self.body.outputs) == 1
        return last and self.body.outputs[-1][1] is result and self.reads.get(id(result), 0) == 1

    def _call(self, applied: Applied, hinted: str | None = None) -> str:
        """`Conv2D(64, 3, padding="same")`, or the name of a layer that is applied several times."""
        if hinted is None and id(applied) in self.layers:
            return self.layers[id(applied)]
        path = f"{self.path}/{applied.name}" if self.path else str(applied.name)
        given = self.call(applied)
        if applied.inside is not None:
            inside = applied.inside
            named = [f"name={written(inside.name)}"] if inside.constructor != inside.name else []
            given.insert(0, f"{inside.constructor}({', '.join([*self.call(inside), *named])})")
        counted = hinted is None and path in self.unnamed
        if applied.name is not None and applied.name != hinted and not counted:
            given.append(f"name={written(applied.name)}")
        if applied.frozen:
            given.append("trainable=False")
        return f"{applied.constructor}({', '.join(given)})"


def _looped(lines: Sequence[str]) -> list[str]:
    """Layers or blocks that follow each other unchanged, or with names that count, three or more, as a loop."""
    found: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        same = number + 1
        while same < len(lines) and lines[same] == line and "name=" not in line:
            same += 1
        first = COUNTED.search(line)
        counting = number + 1
        while first is not None and counting < len(lines):
            expected = f"{first[1]}{int(first[2]) + counting - number}{first[3]}"
            if lines[counting] != line.replace(first[0], expected):
                break
            counting += 1
        count = max(same, counting) - number
        if count < 3 or not re.match(r"\w+\(|\(it, [\w, ]+\) -> \w+\(", line):
            found += lines[number : number + count]
        elif first is None:
            found += [f"for _ in range({count}):", f"    {line}"]
        else:
            start = int(first[2])
            text = line.replace(first[0], f"{first[1]}{{i}}{first[3]}".replace('="', '=f"'))
            found += [f"for i in range({start}, {start + count}):", f"    {text}"]
        number += count
    return found


def _undone(text: Text, inline: dict[int, Text]) -> Text:
    """A cast back to the type that a tensor was cast down from is that tensor itself."""
    match text.parts:
        case ("cast(", Slot(tensor=tensor), end) if isinstance(end, str):
            inside = inline.get(id(tensor))
            if inside is not None and inside.widened is not None and end == f", {inside.widened[1]})":
                return inside.widened[0]
    return text


def applied_in(body: Body) -> Iterable[Applied]:
    """The layers of a body, each once, in order."""
    seen: set[int] = set()
    for step in body.steps:
        if step.applied is not None and id(step.applied) not in seen:
            seen.add(id(step.applied))
            yield step.applied


def plain_call(applied: Applied) -> list[str]:
    """The arguments of a call as they are written."""
    return [str(argument) for argument in applied.arguments]


def plain_length(text: str) -> int:
    """How long a text is without the marks around arguments (blocks.py)."""
    return len(MARK.sub(r"\2", text))


def _last(applied: Applied) -> str:
    return applied.name or snake_case(applied.constructor)


def _type(tensor: Tensor, symbols: set[str]) -> str:
    """`float32[N, H, W, 3]`: a symbol of its own for each size that only a run tells, the batch's apart."""
    sizes = []
    usual = SYMBOLS.get(tensor.rank, ())
    for axis, size in enumerate(tensor.shape):
        if size is not None:
            sizes.append(str(size))
        elif axis == 0:
            sizes.append("N")
        else:
            wanted = usual[axis - 1] if axis - 1 < len(usual) else "T"
            symbol = next((s for s in ("S", "U", "V") if wanted in symbols and wanted == "T" and s not in symbols), "")
            symbol = symbol or free(wanted, symbols)
            symbols.add(symbol)
            sizes.append(symbol)
    return f"{tensor.dtype}[{', '.join(sizes)}]"
