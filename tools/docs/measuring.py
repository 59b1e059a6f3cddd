"""The largest error of every layer against Keras and PyTorch, by the tables of cases in tests/conformance.

What a case gave before is kept in CACHE, by the case, the model that it compiles to, the harness and the versions: a
second run measures what changed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = ROOT / "tests" / "conformance"
ERRORS = ROOT / "compiler" / "layers" / "errors.json"
CACHE = ROOT / ".measured.json"
SAVED_EVERY = 100  # cases, after which what was measured is written down
STRICT = 1e-5  # cases with a looser bound are in a smaller type: their errors are told apart
PEERS = {"keras": "keras", "torch": "torch", "onnxruntime": "onnxruntime"}


def tables() -> Any:
    """The module that joins the tables of cases: CASES, TORCH_CASES, ELSEWHERE."""
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    return import_module("layer_cases")


def cases_by_layer() -> dict[str, dict[str, list[Any]]]:
    """Layer -> peer -> the cases that apply it; a layer that only stands inside others has those."""
    from archonnx.compiler.layers.registry import ALIASES

    joined = tables()
    outer: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    inner: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for peer, cases in (("keras", joined.CASES), ("torch", joined.TORCH_CASES)):
        for case in cases:
            outer[ALIASES.get(case.layer, case.layer)][peer].append(case)
            for name in {ALIASES.get(n, n) for n in _called(case.call)} - {case.layer}:
                inner[name][peer].append(case)
    return {name: dict(outer.get(name) or inner[name]) for name in {**outer, **inner}}


def _called(text: str) -> Iterable[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def recorded() -> dict[str, Any]:
    """What was measured last."""
    found: dict[str, Any] = json.loads(ERRORS.read_text(encoding="utf-8")) if ERRORS.is_file() else {}
    return {"peers": found.get("peers", {}), "layers": found.get("layers", {})}


def stale(names: Sequence[str]) -> dict[str, str]:
    """The layers of which the record lacks something, or has too much, and what, in words."""
    known = cases_by_layer()
    elsewhere = tables().ELSEWHERE
    rows = recorded()["layers"]
    problems = {name: f"{name} is measured and is no layer" for name in sorted(rows.keys() - set(names))}
    for name in names:
        expected = {peer: len(cases) for peer, cases in known.get(name, {}).items()}
        found = {peer: row["cases"] for peer, row in rows.get(name, {}).items()}
        if not expected and name not in elsewhere:
            problems[name] = f"{name} has no case"
        elif expected != found:
            problems[name] = f"{name} has cases {expected}, measured {found}"
    return problems


def measure(names: Sequence[str], progress: Callable[[int, int], None]) -> list[str]:
    """Measure these layers and record them; what is known of others stays. Gives the cases that fail, in words.

    What is interrupted is not lost: the cache holds what was measured until then.
    """
    comparisons = {
        "keras": import_module_of_tests("keras_harness").compare,
        "torch": import_module_of_tests("torch_harness").compare_with_torch,
    }
    known = cases_by_layer()
    todo = {(peer, case): None for n in names for peer, cases in known.get(n, {}).items() for case in map(_Key, cases)}
    remembered = _read_cache()
    errors: dict[tuple[str, str], float] = {}
    failures: list[str] = []
    try:
        for done, (peer, key) in enumerate(todo):
            progress(done, len(todo))
            if done % SAVED_EVERY == 0:
                CACHE.write_text(json.dumps(remembered))
            digest = _digest(peer, key.case)
            if digest not in remembered:
                try:
                    remembered[digest] = comparisons[peer](key.case)
                except Exception as failure:  # noqa: BLE001 - a case may fail in anybody's code; all that fail are told
                    failures.append(f"{key.case.id}: {_said(failure)}")
                    continue
            error = errors[peer, key.case.id] = remembered[digest]
            if not error <= key.case.tolerance:
                failures.append(f"{key.case.id}: error {error:.1e}, allowed {key.case.tolerance:.0e}")
        progress(len(todo), len(todo))
    finally:
        CACHE.write_text(json.dumps(remembered))
    if not failures:
        _record(names, known, errors)
    return failures


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class _Key:
    """A case as a key: two of one text are one."""

    def __init__(self, case: Any) -> None:
        self.case = case

    def __hash__(self) -> int:
        return hash(self.case.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and repr(self.case) == repr(other.case)


def import_module_of_tests(name: str) -> Any:
    tables()
    return import_module(name)


def _record(names: Sequence[str], known: dict[str, dict[str, list[Any]]], errors: dict[tuple[str, str], float]) -> None:
    from archonnx.compiler.layers.registry import layer_names

    rows = {name: row for name, row in recorded()["layers"].items() if name in layer_names()}
    for name in names:
        rows[name] = {peer: _row(cases, peer, errors) for peer, cases in known.get(name, {}).items()}
        if not rows[name]:
            del rows[name]
    peers = {peer: text.partition("+")[0] for peer, text in _versions().items()}
    body = ",\n".join(f"  {json.dumps(name)}: {json.dumps(rows[name])}" for name in sorted(rows))
    ERRORS.write_text(f'{{\n "peers": {json.dumps(peers)},\n "layers": {{\n{body}\n }}\n}}\n', encoding="utf-8")


def _row(cases: Sequence[Any], peer: str, errors: dict[tuple[str, str], float]) -> dict[str, Any]:
    strict = [errors[peer, case.id] for case in cases if case.tolerance <= STRICT]
    loose = [errors[peer, case.id] for case in cases if case.tolerance > STRICT]
    row: dict[str, Any] = {"cases": len(cases)}
    if strict:
        row["error"] = rounded_up(max(strict))
    if loose:
        row |= {"half_cases": len(loose), "half_error": rounded_up(max(loose))}
    return row


def rounded_up(error: float) -> float:
    """To one significant digit, upwards, so that noise does not show: 1.3e-07 -> 2e-07."""
    if error == 0:
        return 0.0
    power = math.floor(math.log10(error))
    digit = math.ceil(float(f"{error / 10.0**power:.6f}"))
    return float(f"{digit}e{power}")


def _digest(peer: str, case: Any) -> str:
    """What a result depends on: the case, the operators it becomes, who compares, and with what."""
    import archonnx
    from archonnx.compiler.lowering.text import format_graph
    from archonnx.contract.diagnostics import ArchonnxError

    try:
        model = archonnx.compile(text=case.text(), opset=case.opset)
        lowered = format_graph(model.lower())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            model.save(path)  # the text shows how weights are arranged, the bytes hold every constant
            lowered += path.read_bytes().hex()
    except ArchonnxError as error:
        lowered = str(error)
    parts = [peer, repr(case), lowered, _harness(), *_versions().values()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@cache
def _harness() -> str:
    """What the harness does is part of a result."""
    return "".join((TESTS / name).read_text(encoding="utf-8") for name in ("keras_harness.py", "torch_harness.py"))


@cache
def _versions() -> dict[str, str]:
    return {peer: version(package) for peer, package in PEERS.items()}


def _read_cache() -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
