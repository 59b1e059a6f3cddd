"""All passes together, on random graphs: nothing changes that can be seen from outside, and it is worth their while."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from graph_texts import after, check_equal, feeds_for, parse_graph, run
from hypothesis import given, settings
from hypothesis import strategies as st

from archonnx.compiler.passes.pipeline import run_passes

Draw = Callable[[st.SearchStrategy[object]], object]


class Writer:
    """Writes a random graph as text, one operator at a time, over values of which it knows the shapes."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.head = ["input x: float32[N, 4, 6, 3]", "input z: float32[N, 4, 6, 3]"]
        self.lines: list[str] = []
        self.values: list[tuple[str, list[int | str]]] = [("x", ["N", 4, 6, 3]), ("z", ["N", 4, 6, 3])]
        self.count = 0

    def choose(self, options: list[object]) -> object:
        return self.data.draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def weight(self, *shape: int) -> str:
        name = f"w{self.count}"
        self.count += 1
        self.head.append(f"weight {name}: float32{list(shape)}")
        return name

    def emit(self, call: str, shape: list[int | str]) -> str:
        name = self.name()
        self.lines.append(f"{name}: float32[{', '.join(map(str, shape))}] = {call}")
        self.values.append((name, shape))
        return name

    def step(self) -> None:
        value, shape = self.choose(self.values)  # type: ignore[misc]
        rank = len(shape)
        kinds = ["unary", "scalar", "transpose", "same", "reduce", "softmax", "slice", "pad", "expand_dims", "merge"]
        if rank > 1:
            kinds += ["constant", "matmul", "gather", "concat", "cumsum", "split"]
        if rank == 4 and shape[0] == "N":
            kinds += ["conv"] * 4
        if rank == 2 and shape[0] == "N":
            kinds += ["gemm"] * 3
        getattr(self, f"_{self.choose(kinds)}")(value, shape, rank)

    def _unary(self, value: str, shape: list[int | str], rank: int) -> None:
        self.emit(f"{self.choose(['Relu', 'Neg', 'Sigmoid', 'Identity'])}({value})", shape)

    def _scalar(self, value: str, shape: list[int | str], rank: int) -> None:
        self.emit(f"{self.choose(['Add', 'Mul', 'Max'])}({value}, float32(0.5))", shape)

    def _constant(self, value: str, shape: list[int | str], rank: int) -> None:
        kept = [d if isinstance(d, int) and self.number(0, 1) else 1 for d in shape[self.number(0, rank - 1) :]]
        self.emit(f"{self.choose(['Add', 'Mul', 'Sub'])}({value}, {self.weight(*kept)})", shape)

    def _transpose(self, value: str, shape: list[int | str], rank: int) -> None:
        perm = self.data.draw(st.permutations(range(rank)))
        self.emit(f"Transpose({value}) perm={perm}", [shape[p] for p in perm])

    def _same(self, value: str, shape: list[int | str], rank: int) -> None:
        others = [v for v, s in self.values if s == shape]
        self.emit(f"{self.choose(['Add', 'Mul', 'Sub', 'Max'])}({value}, {self.choose(others)})", shape)

    def _concat(self, value: str, shape: list[int | str], rank: int) -> None:
        axes = [a for a, d in enumerate(shape) if isinstance(d, int)]
        if not axes:
            return
        axis = self.choose(axes)
        other = self.choose([v for v, s in self.values if s == shape])
        joined = [d * 2 if a == axis else d for a, d in enumerate(shape)]
        self.emit(f"Concat({value}, {other}) axis={axis}", joined)

    def _reduce(self, value: str, shape: list[int | str], rank: int) -> None:
        axes = [a for a in range(rank) if isinstance(shape[a], int) and self.number(0, 1)]
        if not axes:
            return
        kind = self.choose(["ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2"])
        if self.number(0, 1):
            kept = [1 if a in axes else d for a, d in enumerate(shape)]
            self.emit(f"{kind}({value}, {axes}) keepdims=1", kept)
        else:
            self.emit(f"{kind}({value}, {axes}) keepdims=0", [d for a, d in enumerate(shape) if a not in axes])

    def _softmax(self, value: str, shape: list[int | str], rank: int) -> None:
        if rank:
            self.emit(f"{self.choose(['Softmax', 'LogSoftmax'])}({value}) axis={self.number(-rank, rank - 1)}", shape)

    def _cumsum(self, value: str, shape: list[int | str], rank: int) -> None:
        self.emit(f"CumSum({value}, {self.number(0, rank - 1)})", shape)

    def _slice(self, value: str, shape: list[int | str], rank: int) -> None:
        axes = [a for a, d in enumerate(shape) if isinstance(d, int) and d > 1]
        if axes:
            axis = self.choose(axes)
            cut = [d - 1 if a == axis else d for a, d in enumerate(shape)]
            self.emit(f"Slice({value}, [1], [99999], [{axis}])", cut)

    def _split(self, value: str, shape: list[int | str], rank: int) -> None:
        axes = [a for a, d in enumerate(shape) if isinstance(d, int) and d > 1]
        if axes:
            axis = self.choose(axes)
            one, two = self.name(), self.name()
            shapes = [
                [size(d) if a == axis else d for a, d in enumerate(shape)] for size in (lambda d: 1, lambda d: d - 1)
            ]
            results = ", ".join(
                f"{n}: float32[{', '.join(map(str, s))}]" for n, s in zip((one, two), shapes, strict=True)
            )
            self.lines.append(f"{results} = Split({value}, [1, {shape[axis] - 1}]) axis={axis}")
            self.values += zip((one, two), shapes, strict=True)

    def _pad(self, value: str, shape: list[int | str], rank: int) -> None:
        before = [self.number(0, 1) if isinstance(d, int) else 0 for d in shape]
        behind = [self.number(0, 1) if isinstance(d, int) else 0 for d in shape]
        if rank:
            wide = [b + d + e if isinstance(d, int) else d for b, d, e in zip(before, shape, behind, strict=True)]
            self.emit(f"Pad({value}, {before + behind})", wide)

    def _gather(self, value: str, shape: list[int | str], rank: int) -> None:
        axes = [a for a, d in enumerate(shape) if isinstance(d, int)]
        if axes:
            axis = self.choose(axes)
            if self.number(0, 1):
                self.emit(f"Gather({value}, 0) axis={axis}", [d for a, d in enumerate(shape) if a != axis])
            else:
                self.emit(f"Gather({value}, [0, 0]) axis={axis}", [2 if a == axis else d for a, d in enumerate(shape)])

    def _expand_dims(self, value: str, shape: list[int | str], rank: int) -> None:
        if rank < 5:
            axis = self.number(0, rank)
            self.emit(f"Unsqueeze({value}, [{axis}])", [*shape[:axis], 1, *shape[axis:]])
        elif 1 in shape:
            axis = shape.index(1)
            self.emit(f"Squeeze({value}, [{axis}])", [*shape[:axis], *shape[axis + 1 :]])

    def _merge(self, value: str, shape: list[int | str], rank: int) -> None:
        if rank > 1 and shape[0] == "N" and all(isinstance(d, int) for d in shape[1:]):
            size = 1
            for d in shape[1:]:
                size *= d  # type: ignore[operator]
            self.emit(f"Reshape({value}, [0, {size}])", ["N", size])

    def _conv(self, value: str, shape: list[int | str], rank: int) -> None:
        if not all(isinstance(d, int) for d in shape[1:]):
            return
        n, h, w, c = shape
        first = self.emit(f"Transpose({value}) perm=[0, 3, 1, 2]", [n, c, h, w])
        kernel = self.weight(1, 1, c, 4)  # type: ignore[arg-type]
        conv = self.emit(f"Conv({first}, {kernel}.transpose(3, 2, 0, 1)) kernel_shape=[1, 1]", [n, 4, h, w])
        self.emit(f"Transpose({conv}) perm=[0, 2, 3, 1]", [n, h, w, 4])

    def _matmul(self, value: str, shape: list[int | str], rank: int) -> None:
        if isinstance(shape[-1], int):
            self.emit(f"MatMul({value}, {self.weight(shape[-1], 3)})", [*shape[:-1], 3])

    def _gemm(self, value: str, shape: list[int | str], rank: int) -> None:
        assert isinstance(shape[1], int)
        if self.number(0, 1):
            self.emit(f"Gemm({value}, {self.weight(shape[1], 5)})", ["N", 5])
        else:
            self.emit(f"Gemm({value}, {self.weight(5, shape[1])}) transB=1", ["N", 5])

    def text(self) -> str:
        outputs = [f"output y{i} = {name}" for i, (name, _) in enumerate(self.values[-3:])]
        return "\n".join([*self.head, *self.lines, *outputs])


@settings(max_examples=80)
@given(st.data())
def test_random_graphs_compute_the_same(data: st.DataObject) -> None:
    writer = Writer(data)
    for _ in range(data.draw(st.integers(3, 14))):
        writer.step()
    with tempfile.TemporaryDirectory() as folder:
        check_equal(writer.text(), run_passes, Path(folder))


@settings(max_examples=30)
@given(st.data())
def test_passes_are_deterministic(data: st.DataObject) -> None:
    writer = Writer(data)
    for _ in range(data.draw(st.integers(3, 14))):
        writer.step()
    once = after(writer.text(), run_passes)
    assert once == after(writer.text(), run_passes)


@pytest.mark.parametrize("opset", [17, 18, 20, 21, 23, 28])
def test_every_operator_set(opset: int, tmp_path: Path) -> None:
    axes, given_axes = ("", " axes=[1, 2]") if opset < 18 else (", [1, 2]", "")
    text = f"""
        input x: float32[N, 6, 8, 3]
        weight k: float32[3, 3, 3, 4]
        t: float32[N, 3, 6, 8] = Transpose(x) perm=[0, 3, 1, 2]
        c: float32[N, 4, 6, 8] = Conv(t, k.transpose(3, 2, 0, 1)) kernel_shape=[3, 3] pads=[1, 1, 1, 1]
        u: float32[N, 6, 8, 4] = Transpose(c) perm=[0, 2, 3, 1]
        m: float32[N, 4] = ReduceMean(u{axes}) keepdims=0{given_axes}
        output y = m
    """
    check_equal(text, run_passes, tmp_path, opset=opset)


def test_symbolic_sizes_stay_symbolic(tmp_path: Path) -> None:
    text = """
        input x: float32[N, H, W, 3]
        weight k: float32[1, 1, 3, 4]
        t: float32[N, 3, H, W] = Transpose(x) perm=[0, 3, 1, 2]
        c: float32[N, 4, H, W] = Conv(t, k.transpose(3, 2, 0, 1)) kernel_shape=[1, 1]
        u: float32[N, H, W, 4] = Transpose(c) perm=[0, 2, 3, 1]
        s: int64[4] = Shape(u)
        r: float32[N, H, W, 4] = Reshape(u, s)
        p: float32[N, H + 2, W, 4] = Pad(r, [0, 1, 0, 0, 0, 1, 0, 0])
        m: float32[N, 4] = ReduceMean(p, [1, 2]) keepdims=0
        output y = m
    """
    assert "H + 2" in after(text, run_passes)
    check_equal(text, run_passes, tmp_path, {"N": 2, "H": 5, "W": 3})


def test_the_gate_takes_a_graph_that_passes_made(tmp_path: Path) -> None:
    graph, facts = parse_graph("""
        input x: float32[N, 4]
        weight w: float32[4, 4]
        a: float32[N, 4] = MatMul(x, w)
        b: float32[N, 4] = Identity(a)
        c: float32[N, 4] = Cast(b) to=1
        output y = c
        output z = x
        output again = c
    """)
    graph = run_passes(graph, facts)
    found = run(graph, feeds_for(graph, {"N": 3}), tmp_path)
    assert [operator.type for operator in graph.operators] == ["MatMul", "Identity", "Identity"]
    assert list(found) == ["y", "z", "again"]
