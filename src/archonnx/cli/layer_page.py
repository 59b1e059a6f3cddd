"""What `archonnx layers NAME` prints of a layer."""

from __future__ import annotations

import textwrap
from typing import Any

from archonnx.cli.console import styled
from archonnx.compiler.analysis.layer_facts import measured, signature

WIDTH = 100  # columns that a signature may take
LINE = 120  # columns that any other line may take
MASKS = {
    "pass": "a mask of the input is passed on",
    "drop": "a mask of the input ends here",
    "use": "a mask of the input is used",
}


def page(facts: dict[str, Any]) -> str:
    """The facts of analysis.layer_facts as text."""
    call = textwrap.wrap(signature(facts), WIDTH, subsequent_indent="    ", break_long_words=False)
    lines = [styled("\n".join(call), "bold"), "", facts["documentation"]]
    is_layer = facts["name"][0].isupper()
    if facts["formula"]:
        lines += ["", styled("Computes", "cyan"), *_indented(facts["formula"])]
    if facts["arguments"] or is_layer:
        lines += ["", styled("Arguments", "cyan"), *_arguments(facts, is_layer)]
    lines += ["", _wrapped(f"{styled('Inputs', 'cyan')}: {inputs_text(facts['inputs'])}")]
    if is_layer:
        lines.append(f"{styled('Masks', 'cyan')}: {MASKS[facts['masking']]}")
    for title, text in (
        ("ONNX", ", ".join(facts["onnx"])),
        ("Keras", facts["keras"]),
        ("PyTorch", facts["torch"]),
        ("Compared with", compared(facts["errors"])),
        ("From the package", facts["package"]),
    ):
        if text:
            lines.append(_wrapped(f"{styled(title, 'cyan')}: {text}"))
    if facts["example"]:
        lines += ["", styled("Example", "cyan"), *_indented(facts["example"])]
    if facts["applied"]:
        lines += ["", styled("Shapes in the example", "cyan"), *_indented(flow(facts["applied"]))]
        lines += _weights(facts["applied"])
    return "\n".join(lines)


def flow(applied: dict[str, Any]) -> str:
    """`float32[N, 16] -> float32[N, 10]`."""
    sides = (applied["inputs"], applied["outputs"])
    return " -> ".join(kinds[0] if len(kinds) == 1 else f"({', '.join(kinds)})" for kinds in sides)


def compared(errors: dict[str, Any] | None) -> str:
    """`Keras 3.15.0 (23 cases, largest error 2e-07)`, and so for each peer."""
    if not errors:
        return ""
    versions = measured()["peers"]
    return "; ".join(
        f"{TITLES[peer]} {versions.get(peer, '')} ({found['cases']} case{'s' if found['cases'] != 1 else ''}, "
        f"{largest(found)})"
        for peer, found in errors.items()
        if peer in TITLES
    )


def largest(row: dict[str, Any]) -> str:
    """`largest error 2e-07`, `exact`, and what cases in smaller types give."""
    parts = []
    if "error" in row:
        parts.append(f"largest error {row['error']:.0e}" if row["error"] else "exact")
    if "half_cases" in row:
        parts.append(f"{row['half_cases']} in float16: {row['half_error']:.0e}")
    return ", ".join(parts)


TITLES = {"keras": "Keras", "torch": "PyTorch"}


def inputs_text(inputs: list[str]) -> str:
    """Inputs as Layer.inputs spells them, in words: `query, value; may be left out: key`."""
    given = [name for name in inputs if not name.endswith("?")]
    left_out = [name for name in inputs if name.endswith("?") and not name.startswith("*")]
    any_number = [name for name in inputs if name.endswith("?") and name.startswith("*")]
    parts = [", ".join(f"{n[1:]} (one or more)" if n.startswith("*") else n for n in given)]
    if left_out:
        parts.append(f"may be left out: {', '.join(name.rstrip('?') for name in left_out)}")
    if any_number:
        parts.append(f"any number of: {', '.join(name.strip('*?') for name in any_number)}")
    return "; ".join(part for part in parts if part) or "none"


def _arguments(facts: dict[str, Any], is_layer: bool) -> list[str]:
    lines = []
    for a in facts["arguments"]:
        need = "required" if a["required"] else f"default {a['default']}"
        lines.append(_wrapped(f"  {styled(a['name'], 'bold')}: {a['type']}; {need}"))
        lines.append(_wrapped(f"      {a['documentation']}"))
    if facts["ignored"]:
        lines.append(_wrapped(f"  Taken from Keras' calls, for training alone: {', '.join(facts['ignored'])}."))
    for refused in facts["refused"]:
        lines.append(f"  {refused['name']} is {refused['only']} always: {refused['reason']}.")
    if is_layer:
        lines.append("  Every layer also takes name= and trainable=.")
    return lines


def _weights(applied: dict[str, Any]) -> list[str]:
    if not applied["weights"]:
        return []
    width = max(len(w["name"]) for w in applied["weights"])
    return [
        f"  {styled(w['name'].ljust(width), 'bold')}  {w['type']}{'' if w['trainable'] else ', not trained'}"
        for w in applied["weights"]
    ]


def _wrapped(line: str) -> str:
    """The line, or several, the further ones indented by two more."""
    start = " " * (len(line) - len(line.lstrip()))
    return "\n".join(
        textwrap.wrap(line, LINE, subsequent_indent=f"{start}  ", break_long_words=False, break_on_hyphens=False)
    )


def _indented(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.splitlines()]
