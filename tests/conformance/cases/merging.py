"""Layers of several inputs."""

from __future__ import annotations

from keras_harness import Case
from torch_harness import TorchCase

ELEMENTWISE = ("Add", "Multiply", "Average", "Maximum", "Minimum")
STEPS = "float32[N, 4, 6]"
WHOLE = "int32[N, 3]"

CASES = [
    *(Case(f"{name}()", (STEPS, STEPS)) for name in (*ELEMENTWISE, "Subtract", "Concatenate")),
    *(Case(f"{name}()", (STEPS, "float32[N, 1, 6]", "float32[N, 4, 1]")) for name in ELEMENTWISE),
    *(Case(f"{name}()", ("float32[N, 1, 6]", "float32[N, T, 1]")) for name in (*ELEMENTWISE, "Subtract")),
    *(Case(f"{name}()", (STEPS, "float32[N, 6]")) for name in (*ELEMENTWISE, "Subtract")),
    *(Case(f"{name}()", ("float32[N, 3]", "float32[N, H, W, 3]", "float32[N, 1, 3]")) for name in ELEMENTWISE),
    *(Case(f"{name}()", (STEPS,) * 4) for name in (*ELEMENTWISE, "Concatenate")),
    *(Case(f"{name}()", ("float32[N, H, W, 3]", "float32[N, H, W, 3]")) for name in (*ELEMENTWISE, "Subtract")),
    *(Case(f"{name}()", (WHOLE, WHOLE, WHOLE), high=9) for name in ("Add", "Multiply", "Maximum", "Minimum")),
    *(Case(f'{name}(dtype="float64")', (STEPS, STEPS)) for name in (*ELEMENTWISE, "Subtract", "Concatenate")),
    *(Case(f'{name}(dtype="float16")', (STEPS, STEPS), tolerance=1e-3) for name in ("Add", "Average", "Maximum")),
    # A mask of an input leaves places out of the values.
    *(
        Case(f"{name}()", ("int32[N, T]", "float32[N, T, 6]"), before="Embedding(9, 6, mask_zero=True)", low=0, high=3)
        for name in ELEMENTWISE
    ),
    Case("Multiply()", ("float32[N, H, W, 3]", "float32[N, 1, 1, 3]")),
    Case("Subtract()", (WHOLE, WHOLE), high=9),
    Case("Average()", ("uint8[N, 3]", "uint8[N, 3]"), high=9),
    Case("Add()", ("float32[N]", "float32[N]")),
    Case("Concatenate(axis=1)", ("float32[N, 4, 6]", "float32[N, 3, 6]", "float32[N, 1, 6]")),
    Case("Concatenate(1)", ("float32[N, T, 6]", "float32[N, S, 6]")),
    Case("Concatenate(-2)", ("float32[N, T, 6]", "float32[N, 3, 6]")),
    Case("Concatenate(axis=-3)", ("float32[N, H, 2, 3]", "float32[N, W, 2, 3]")),
    Case("Concatenate(3)", ("float32[N, H, W, 3]", "float32[N, H, W, 1]", "float32[N, H, W, 2]")),
    Case("Concatenate(axis=0)", ("float32[2, 4]", "float32[3, 4]")),
    Case("Concatenate()", ("float32[N, T, 6]", "float32[N, T, 2]")),
    Case("Concatenate()", ("int64[N, 2]", "int64[N, 3]"), high=9),
    Case("Concatenate()", ("bool[N, 2]", "bool[N, 3]")),
    Case("Dot(1)", ("float32[N, 6]", "float32[N, 6]")),
    Case("Dot(axes=1, normalize=True)", ("float32[N, 6]", "float32[N, 6]")),
    Case("Dot(-1, True)", ("float32[N, 3, 6]", "float32[N, 6]")),
    Case("Dot(axes=(2, 1))", ("float32[N, 3, 5]", "float32[N, 5, 4]")),
    Case("Dot([1, 1])", ("float32[N, 5, 3]", "float32[N, 5, 4]")),
    Case("Dot((-2, -1))", ("float32[N, 5, 3]", "float32[N, 4, 5]")),
    Case("Dot(-1)", ("float32[N, 3, 5]", "float32[N, 4, 5]")),
    Case("Dot((1, 2), normalize=True)", ("float32[N, 3, 5]", "float32[N, 4, 3]")),
    Case("Dot((2, 1))", ("float32[N, 3, 5]", "float32[N, 5]")),
    Case("Dot((1, 2))", ("float32[N, 5]", "float32[N, 3, 5]")),
    Case("Dot((2, 1))", ("float32[N, 3, 5, 2]", "float32[N, 5, 4, 3]")),
    Case("Dot((2, 2))", ("float32[N, T, 5]", "float32[N, S, 5]")),
    Case("Dot(1)", ("float32[N, T, 5]", "float32[N, T, 4]")),
    Case("Dot((3, 2), True)", ("float32[N, H, W, 5]", "float32[N, T, 5]")),
    Case('Dot(2, dtype="float64")', ("float32[N, 3, 5]", "float32[N, 4, 5]")),
    Case("Dot(2)", ("float32[N, 3, 5]", "float32[N, 4, 5]"), opset=17),
    Case("Dot(1, normalize=True)", ("float32[N, 6]", "float32[N, 6]"), opset=17),
]

TORCH_CASES = [
    TorchCase("Add()", (STEPS, "float32[N, 1, 6]"), module="None", run="x0 + x1"),
    TorchCase("Concatenate(1)", ("float32[N, T, 6]", "float32[N, S, 6]"), module="None", run="torch.cat([x0, x1], 1)"),
    TorchCase(
        "Dot(1, normalize=True)",
        ("float32[N, 6]", "float32[N, 6]"),
        module="nn.CosineSimilarity()",
        run="layer(x0, x1)[:, None]",
    ),
    TorchCase("Dot((2, 1))", ("float32[N, T, 5]", "float32[N, 5, S]"), module="None", run="torch.bmm(x0, x1)"),
]
