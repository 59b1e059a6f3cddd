"""What each pass says that it did, at the layer whose operators changed."""

from __future__ import annotations

import pytest
from graph_texts import parse_graph

import archonnx
from archonnx.cli.optimizing import explained
from archonnx.compiler.passes.changes import Change
from archonnx.compiler.passes.pipeline import run_passes
from archonnx.contract.diagnostics import Place

GRAPHS = {
    "remove_dead": ("Relu that no output needs", ["a: float32[N, 4] = Relu(x)"]),
    "fold_constants": (
        "Transpose of constants",
        ["a: float32[4, 4] = Transpose(w)", "y: float32[N, 4] = MatMul(x, a)"],
    ),
    "fold_constants of sizes": ("Shape of known sizes", ["a: int64[2] = Shape(w)", "y: float32[4, 4] = Reshape(w, a)"]),
    "remove_identities": ("Cast that changes nothing", ["y: float32[N, 4] = Cast(x) to=1"]),
    "remove_identities that undo": (
        "Transpose that undoes the one before it",
        ["a: float32[4, N] = Transpose(x)", "y: float32[N, 4] = Transpose(a)"],
    ),
    "remove_identities that become one": (
        "Transpose and the one before it: one",
        [
            "a: float32[4, N, 3] = Transpose(z) perm=[2, 0, 1]",
            "y: float32[N, 4, 3] = Transpose(a) perm=[1, 0, 2]",
        ],
    ),
    "remove_expands": (
        "Expand that Add does by itself",
        ["a: float32[N, 4] = Expand(w1, [1, 4])", "y: float32[N, 4] = Add(a, x)"],
    ),
    "propagate_layout": ("Transpose needed here", ["y: float32[4, N] = Transpose(x)"]),
    "propagate_layout of views": ("Transpose taken along", ["y: float32[4, N] = Transpose(x)"]),
    "share_constants": (
        "literal float32[] shared with another operator",
        ["a: float32[N, 4] = Add(x, float32(0.5))", "y: float32[N, 4] = Mul(a, float32(0.5))"],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_each_pass_says_what_it_did(name: str) -> None:
    what, lines = GRAPHS[name]
    head = ["input x: float32[N, 4]", "input z: float32[N, 3, 4]", "weight w: float32[4, 4]", "weight w1: float32[4]"]
    last = "y" if any(line.startswith("y:") for line in lines) else "x"
    made, facts = parse_graph("\n".join([*head, *lines, f"output o = {last}"]))
    made = run_passes(made, facts)
    assert (name.split()[0], what) in {(change.rule, change.what) for change in made.changes}


def test_bodies_are_told_of_as_part_of_the_model() -> None:
    model = archonnx.compile(
        text="model A():\n    input x: float32[N, T, 4]\n    TimeDistributed(Dense(3))\n    Dropout(0.5)\n    output y\n"
    )
    assert model.lower(optimization=0).changes == []
    for change in model.lower().changes:
        assert change.place is not None
        assert change.place.file == "text.arch"


def test_repeated_blocks_are_one_line() -> None:
    place = Place("a.arch", 4, 5, 4, 9)
    changes = [
        *(Change("fold", "one into another", f"stage_{n}/norm_{n}" if n else "stage/norm", place) for n in range(1000)),
        Change("fold", "one into another", "norm", Place("long/b.arch", 12, 1, 1, 1)),
        Change("move", "an input", "", None),
    ]
    assert explained(changes) == [
        "fold: 1,001",
        "  a.arch:4        stage/norm: one into another  x 1,000",
        "  long/b.arch:12  norm: one into another",
        "move: 1",
        "  -  an input",
    ]
    assert explained([]) == ["no pass changed anything"]


def test_places_are_below_the_root(tmp_path: object) -> None:
    model = archonnx.compile("zoo:resnet", model="ResNet18")
    (place,) = {change.place.file for change in model.lower().changes if change.place is not None}
    assert place == "resnet.arch"
