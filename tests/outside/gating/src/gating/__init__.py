"""Layers of another package: one without weights, one with weights, one of several inputs and results."""

from __future__ import annotations

from archonnx.layers import (
    REFUSED,
    Builder,
    Context,
    Dim,
    KerasLayer,
    Layer,
    LayerError,
    Tensor,
    TensorType,
    arg,
    domains,
    product,
    require_equal,
    require_least_rank,
)


class BetaSwish(Layer):
    """`x * sigmoid(beta * x)`, its result of its input's type."""

    inputs = ("x",)
    beta = arg(domains.Real(), default=1.0, doc="Slope of the gate.")
    onnx = ("Mul", "Sigmoid")
    formula = "y = x * sigmoid(beta * x)"
    example = "input x: float32[N, 16]\nBetaSwish(beta=1.5)"
    acts_elementwise = True

    def infer(self, c: Context, x: TensorType) -> TensorType:
        if x.dtype not in ("float16", "float32", "float64"):
            raise LayerError("E0303", f"BetaSwish needs floating numbers, got {x}", input=0)
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        slope = x if self.beta == 1 else b.op("Mul", x, b.like(x, self.beta))
        return b.op("Mul", x, b.op("Sigmoid", slope))


class LowRankDense(KerasLayer):
    """`x @ left @ right + bias` over the last axis: a Dense layer whose kernel is of rank `rank`."""

    inputs = ("inputs",)
    units = arg(domains.Whole(minimum=1), doc="Width of the result.")
    rank = arg(domains.Whole(minimum=1), doc="Rank of the kernel.")
    bias_initializer = arg(domains.InitializerDomain(), default="zeros", doc="What the bias starts from.")
    onnx = ("MatMul", "Add", "Gemm")
    formula = "y = inputs @ left @ right + bias"
    example = "input x: float32[N, 16]\nLowRankDense(10, rank=2)"

    def validate(self) -> None:
        if self.rank > self.units:
            raise LayerError(
                REFUSED,
                f"LowRankDense has {self.units} units, and a kernel of rank {self.rank} would save nothing",
                argument="rank",
                help=f"give a rank below {self.units}",
            )

    def declare(self, c: Context, inputs: TensorType) -> None:
        require_least_rank(self, inputs, 2)
        width = c.known(inputs, -1)
        c.weight("left", (width, self.rank), "glorot_uniform", dtype=self.compute_dtype)
        c.weight("right", (self.rank, self.units), "glorot_uniform", dtype=self.compute_dtype)
        c.weight("bias", (self.units,), self.bias_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        return TensorType(self.compute_dtype, (*inputs.shape[:-1], self.units))

    def macs(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        count: Dim = (product(inputs[0].shape) + product(outputs[0].shape)) * self.rank
        return count

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = b.matmul(self.cast_floating(b, inputs), b.weight("left"))
        return b.gemm_last(x, b.weight("right"), b.weight("bias"))


class GatedSum(Layer):
    """`a * g + b * (1 - g)` with `g = sigmoid(gate)`, and the gate: (y, g), all of one shape."""

    inputs = ("a", "b", "gate")
    masking = "drop"
    onnx = ("Sigmoid", "Mul", "Sub", "Add")
    formula = "g = sigmoid(gate)\ny = a * g + b * (1 - g)"
    example = (
        "input a: float32[N, T, 4]\ninput b: float32[N, T, 4]\ninput gate: float32[N, T, 4]\n"
        "(y, g) = (a, b, gate) -> GatedSum()\noutput y\noutput g"
    )

    def infer(self, c: Context, a: TensorType, b: TensorType, gate: TensorType) -> tuple[TensorType, TensorType]:
        for number, other in ((1, b), (2, gate)):
            if other.rank != a.rank or other.dtype != a.dtype:
                raise LayerError(REFUSED, f"GatedSum needs inputs of one type, got {a} and {other}", input=number)
            for axis, (mine, its) in enumerate(zip(a.shape, other.shape, strict=True)):
                require_equal(self, c.facts, mine, its, (a, other), input=number, axis=axis)
        return a, a

    def lower(self, b: Builder, a: Tensor, other: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        g = b.op("Sigmoid", gate, result=a.type)
        rest = b.op("Sub", b.like(g, 1.0), g, result=a.type)
        y = b.op("Add", b.op("Mul", a, g, result=a.type), b.op("Mul", other, rest, result=a.type), result=a.type)
        return y, g
