"""`archonnx layers onnx.Gather`: an operator of ONNX as a raw operator takes it, from ONNX's own schema."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import out, styled
from archonnx.contract.diagnostics import UsageError, did_you_mean
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from onnx.defs import OpSchema

PREFIX = "onnx."
WIDTH = 100  # columns that text may take


def show_operator(name: str, format: str) -> None:
    """Print the page of an operator, `onnx.NAME`, or the list of all of them for `onnx`. UsageError: there is none."""
    if name == PREFIX.rstrip("."):
        listed = [{"name": f"{PREFIX}{s.name}", "documentation": _sentence(s)} for s in _schemas()]
        width = max(len(entry["name"]) for entry in listed)
        lines = [f"{styled(entry['name'].ljust(width), 'bold')}  {entry['documentation']}" for entry in listed]
        out(json.dumps(listed, indent=2) if format == "json" else "\n".join(lines))
        return
    facts = described(name.removeprefix(PREFIX))
    out(json.dumps(facts, indent=2) if format == "json" else _page(facts))


def described(name: str) -> dict[str, Any]:
    """What is known of an operator as of the default operator set, or of the first that has it."""
    from onnx import defs

    from archonnx.compiler.functions.raw import INSTEAD
    from archonnx.compiler.lowering.opsets import DEFAULT_OPSET, NEWEST_OPSET

    history = sorted(s.since_version for s in defs.get_all_schemas_with_history() if s.name == name and not s.domain)
    if not history or history[0] > NEWEST_OPSET:
        near = did_you_mean(name, [s.name for s in _schemas()])
        hint = f"did you mean {PREFIX}{near[0]}?" if near else "`archonnx layers onnx` lists them"
        raise UsageError(f"ONNX has no operator {name}; {hint}")
    opset = max(DEFAULT_OPSET, history[0])
    schema = defs.get_schema(name, opset, "")
    return {
        "name": f"{PREFIX}{name}",
        "documentation": _plain(schema.doc or ""),
        "inputs": [_port(port) for port in schema.inputs],
        "results": [_port(port) for port in schema.outputs],
        "attributes": [_attribute(a) for _, a in sorted(schema.attributes.items())],
        "types": {c.type_param_str: _types(c.allowed_type_strs) for c in schema.type_constraints},
        "opset": opset,
        "since": schema.since_version,
        "versions": [v for v in history if v <= NEWEST_OPSET],
        "deprecated": schema.deprecated,
        "instead": INSTEAD.get(name),
    }


def _schemas() -> list[OpSchema]:
    """The newest of every operator of ONNX's own domain, by name."""
    from onnx import defs

    from archonnx.compiler.lowering.opsets import NEWEST_OPSET

    found = [s for s in defs.get_all_schemas() if not s.domain and s.since_version <= NEWEST_OPSET]
    return sorted(found, key=lambda s: s.name)


def _port(port: OpSchema.FormalParameter) -> dict[str, Any]:
    from onnx.defs import OpSchema

    option = OpSchema.FormalParameterOption
    how = {option.Single: "one", option.Optional: "optional", option.Variadic: "any number"}[port.option]
    kind = ", ".join(_types([port.type_str])) if "(" in port.type_str else port.type_str
    return {"name": port.name, "type": kind, "how": how, "documentation": _plain(port.description)}


def _attribute(attribute: OpSchema.Attribute) -> dict[str, Any]:
    from onnx import helper

    from archonnx.compiler.functions.raw_attributes import Attribute

    kind = str(attribute.type).rpartition(".")[2]
    default = helper.get_attribute_value(attribute.default_value) if attribute.default_value.name else None
    if isinstance(default, bytes):
        default = default.decode()
    elif isinstance(default, float):
        default = float(f"{default:.6g}")  # 0.01, not the double that the nearest float32 is
    elif default is not None and not isinstance(default, int):
        default = [v.decode() if isinstance(v, bytes) else v for v in default]
    return {
        "name": attribute.name,
        "type": Attribute(kind).describe(),
        "required": attribute.required,
        "default": default,
        "documentation": _plain(attribute.description),
    }


def _types(allowed: Sequence[str]) -> list[str]:
    """The dtypes of a type constraint in the language's order, then what it takes beside tensors."""
    spelling = {"float": "float32", "double": "float64"}
    tensors = {spelling.get(t[7:-1], t[7:-1]) for t in allowed if t.startswith("tensor(")}
    words = {"seq": "sequences", "optional": "optional values", "map": "maps"}
    others = {words[t.partition("(")[0]] for t in allowed if not t.startswith("tensor(")}
    return [*(d for d in DTYPES if d in tensors), *sorted(tensors - DTYPES.keys()), *sorted(others)]


def _plain(text: str) -> str:
    """A description without the markup of ONNX's documents. Lists, tables and examples keep their lines."""
    text = re.sub(r"</?\w+[^>]*>|\*\*", "", text.partition("This operator has optional inputs/outputs")[0])
    paragraphs = re.split(r"\n\s*\n", textwrap.dedent(text.replace("`", "")).strip())
    kept = re.compile(r"^(  |\s*[*|-] |\s*\|)", re.MULTILINE)
    return "\n\n".join(p.rstrip() if kept.search(p) else " ".join(p.split()) for p in paragraphs)


def _sentence(schema: OpSchema) -> str:
    first = " ".join(_plain(schema.doc or "").partition("\n\n")[0].split())
    return textwrap.shorten(re.split(r"(?<=\.)\s", first)[0], 80, placeholder=" ...")


def _page(facts: dict[str, Any]) -> str:
    attributes = facts["attributes"]
    call = ", ".join(
        a["name"] if a["required"] else f"{a['name']}={_literal(a['default'])}"
        for a in sorted(attributes, key=lambda a: not a["required"])
    )
    names = [f"*{i['name']}" if i["how"] == "any number" else i["name"] for i in facts["inputs"]]
    source = names[0] if len(names) == 1 and names[0][0] != "*" else f"({', '.join(names)})"
    lines = [*_wrapped(f"{source} -> {facts['name']}({call})", "", "    ", "bold"), ""]
    lines += [line for p in facts["documentation"].split("\n\n") for line in (*_paragraph(p), "")]
    if facts["instead"]:
        lines += [f"{styled('Not in the language', 'yellow')}: {facts['instead']}", ""]
    for title, ports in (("Inputs", facts["inputs"]), ("Results", facts["results"])):
        if ports:
            lines.append(styled(title, "cyan"))
        for port in ports:
            how = "" if port["how"] == "one" else f"; {port['how']}"
            lines.append(f"  {styled(port['name'], 'bold')}: {port['type']}{how}")
            lines += _wrapped(port["documentation"], "      ", "      ")
    if attributes:
        lines.append(styled("Attributes", "cyan"))
    for a in attributes:
        need = "required" if a["required"] else f"default {_literal(a['default'])}"
        need = "may be left out" if not a["required"] and a["default"] is None else need
        lines.append(f"  {styled(a['name'], 'bold')}: {a['type']}; {need}")
        lines += _wrapped(a["documentation"], "      ", "      ")
    if facts["types"]:
        lines.append(styled("Types", "cyan"))
    for name, dtypes in facts["types"].items():
        lines += _wrapped(f"{name}: {', '.join(dtypes)}", "  ", "      ")
    changed = ", ".join(map(str, facts["versions"]))
    state = "deprecated" if facts["deprecated"] else "as above"
    lines.append(f"{styled('Opset', 'cyan')}: {facts['opset']}, {state} since {facts['since']}; defined in {changed}")
    return "\n".join(lines)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, list)) else str(value)


def _paragraph(text: str) -> list[str]:
    """A paragraph; one with lines of its own, such as an example, is kept."""
    return text.splitlines() if "\n" in text else _wrapped(text, "", "")


def _wrapped(text: str, first: str, rest: str, style: str | None = None) -> list[str]:
    flat = " ".join(text.split())
    lines = textwrap.wrap(flat, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False)
    return [styled(line, style) for line in lines] if style else lines
