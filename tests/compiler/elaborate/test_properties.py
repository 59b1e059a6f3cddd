"""Random programs: nothing but diagnostics comes of them, always the same, and formatting changes no graph."""

from __future__ import annotations

from hypothesis import given
from programs import Program
from programs import programs as plausible
from strategies import programs as any_programs

from archonnx.compiler.artifact import compile_text
from archonnx.compiler.syntax.formatter import format_text
from archonnx.contract.diagnostics import CompileError, UsageError


def outcome(text: str) -> object:
    """What comes of a source: its graph as plain values, or the codes and places of its diagnostics."""
    try:
        made = compile_text(text, name="example.arch")
    except CompileError as error:
        return [str(d) for d in error.diagnostics]
    except UsageError as error:
        return str(error)
    return [
        [
            (n.name, n.type_name, [v and v.name for v in n.inputs], [str(v.type) for v in n.outputs])
            for n in made.graph.nodes
        ],
        [(w.path, w.dtype, w.shape, w.trainable) for w in made.graph.weights()],
        [(o.name, o.value.name, o.state) for o in made.graph.outputs],
        [(str(r.condition), r.message) for r in made.graph.requirements],
    ]


def graph_or_codes(text: str) -> object:
    """The graph, or the codes alone: formatting moves places."""
    found = outcome(text)
    if isinstance(found, list) and found and isinstance(found[0], str):
        return sorted(line.partition("[")[2].partition("]")[0] for line in found)
    return found


@given(plausible())
def test_a_plausible_program_compiles_or_is_explained_and_always_the_same(text: str) -> None:
    assert outcome(text) == outcome(text)


@given(any_programs())
def test_any_program_compiles_or_is_explained(text: str) -> None:
    outcome(text)


@given(plausible())
def test_formatting_changes_no_graph(text: str) -> None:
    assert graph_or_codes(format_text(text, "example.arch")) == graph_or_codes(text)


def test_many_of_the_plausible_programs_compile() -> None:
    made = [outcome(Program(seed, 0.0).text()) for seed in range(200)]
    assert sum(isinstance(m, list) and isinstance(m[0], list) for m in made) > 40
