"""docs/layers.md from the layers' classes: `python -m tools.docs.layers`.

With --measure the layers are first run against Keras and PyTorch by the tables in tests/conformance, and the largest
errors are written to compiler/layers/errors.json, where the page and `archonnx layers NAME` read them; names behind it
measure these layers alone, and --changed those that have more cases or fewer than were measured. Exits with 1 where a
case fails, or where --check finds the page or the record out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from archonnx.cli.console import Steps
from archonnx.cli.layer_page import TITLES, flow, inputs_text, largest
from archonnx.compiler.analysis.layer_facts import layer_facts, measured, signature
from archonnx.compiler.layers.registry import ALIASES, find_layer, layer_names
from tools.docs import measuring

PAGE = measuring.ROOT / "docs" / "layers.md"
WRITE = "python -m tools.docs.layers"
MEASURE = "python -m tools.docs.layers --changed"

# Heading -> the modules whose layers stand under it; a module that is in none has a heading of its own, at the end.
FAMILIES: dict[str, str] = {
    "Fully connected layers and tables": "dense einsum_dense reversible_embedding",
    "Convolutions": "convolution separable_convolution transposed_convolution",
    "Pools": "pooling adaptive_pooling lp_pooling",
    "Recurrent layers": "recurrent_layers bidirectional conv_lstm recurrent recurrent_cells recurrent_stack "
    "time_distributed",
    "Attention layers": "attention multi_head_attention",
    "Positions": "position_embedding rotary_embedding position_bias",
    "Normalization layers": "normalization group_normalization rms_normalization local_response_normalization "
    "spectral_normalization",
    "Activations": "activation activation_lines activation_curves activation_axes",
    "Several inputs in one": "merging",
    "Order and shape": "reshaping padding border_padding shuffling",
    "Images": "resizing grid_sample contrast",
    "Preparing data": "preprocessing category_encoding discretization lookup spectrogram mel_spectrogram",
    "Masks, and what acts in training only": "masks regularization",
    "Augmentation": "augmentation augmentation_color augmentation_mixing",
    "Detection": "anchors box_decoding non_max_suppression",
}
INTRODUCTION = """\
# Layers

Every layer of the library. **This page is generated** from the layers' classes by `{write}`; `archonnx layers NAME`
prints the same of one layer, and of those that other packages add ([own-layers.md](own-layers.md)).

Each layer is compared with Keras {keras} and PyTorch {torch} over the tables in
[tests/conformance](../tests/conformance): the same weights and inputs on both sides, ours run by ONNX Runtime
{onnxruntime}. The error is `max|y - ref| / max(1e-6, max|ref|)`, the worst over all results of all cases, rounded up to
one digit; cases in float16 are told apart. Parameters, shapes and dtypes are the same in every case. A layer without a
peer is held against a reference of its own, by the test that is named.

Arguments stand in Keras' order with Keras' defaults and are taken by position or name. Every layer also takes `name=`
and `trainable=`, and every layer that lists `dtype` computes in float32 whatever floating type comes in, unless
`dtype=` says otherwise. Arguments that act in training only are taken without effect.
"""


def generated() -> str:
    """The whole page."""
    facts = {name: layer_facts(name, kind) for name in layer_names() if (kind := find_layer(name)) is not None}
    peers = dict.fromkeys(measuring.PEERS, "") | measuring.recorded()["peers"]
    parts = [INTRODUCTION.format(write=WRITE, **peers)]
    families = by_family(list(facts))
    for title, names in families.items():
        parts.append(f"- [{title}](#{anchor(title)}): {', '.join(f'[{n}](#{anchor(n)})' for n in names)}")
    for title, names in families.items():
        parts.append(f"\n## {title}\n\n{overview(names, facts)}")
        parts += [section(facts[name]) for name in names]
    return "\n".join(parts).rstrip() + "\n"


def by_family(names: Sequence[str]) -> dict[str, list[str]]:
    """Heading -> layers, in the order of their modules and of their classes there."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    placed = {module: (title, i) for title, text in FAMILIES.items() for i, module in enumerate(text.split())}
    for name in names:
        kind = find_layer(name)
        assert kind is not None
        module = sys.modules[kind.__module__]
        short = module.__name__.rpartition(".")[2]
        title, rank = placed.get(short, (heading(module.__doc__ or short), 0))
        order = list(vars(module)).index(kind.__name__)
        found.setdefault(title, []).append((rank, order, name))
    order_of = {title: i for i, title in enumerate(FAMILIES)}
    titles = sorted(found, key=lambda title: (order_of.get(title, len(order_of)), title))
    return {title: [name for _, _, name in sorted(found[title])] for title in titles}


def heading(documentation: str) -> str:
    """The beginning of a module's documentation, up to the first colon or the end of the sentence."""
    return documentation.partition("\n")[0].partition(":")[0].rstrip(".")


def anchor(title: str) -> str:
    """GitHub's link to a heading."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def overview(names: Sequence[str], facts: dict[str, dict[str, Any]]) -> str:
    """The table at the beginning of a family: a layer a row."""
    rows = ["| layer | ONNX | Keras | PyTorch |", "|---|---|---|---|"]
    for name in names:
        errors = facts[name]["errors"] or {}
        cells = [short_errors(errors.get(peer)) for peer in TITLES]
        rows.append(f"| [{name}](#{anchor(name)}) | {', '.join(facts[name]['onnx'])} | {' | '.join(cells)} |")
    return "\n".join(rows)


def short_errors(row: dict[str, Any] | None) -> str:
    """`23 cases, 2e-07`."""
    if row is None:
        return ""
    cases = f"{row['cases']} case{'s' if row['cases'] != 1 else ''}"
    if "error" not in row:
        return cases
    return f"{cases}, {row['error']:.0e}" if row["error"] else f"{cases}, exact"


def section(facts: dict[str, Any]) -> str:
    """One layer."""
    name = facts["name"]
    aliases = [alias for alias, meant in ALIASES.items() if meant == name]
    lines = [f"\n### {name}\n", f"```text\n{wrapped(signature(facts))}\n```\n", facts["documentation"], ""]
    if facts["formula"]:
        lines += ["```text", facts["formula"], "```", ""]
    lines += arguments(facts)
    lines.append(f"- Inputs: {inputs_text(facts['inputs'])}. {MASKS[facts['masking']]}")
    if facts["onnx"]:
        lines.append(f"- Becomes: {', '.join(facts['onnx'])}.")
    counterparts = [f"{TITLES[peer]} `{facts[peer]}`" for peer in TITLES if facts[peer]]
    if counterparts:
        lines.append(f"- Counterparts: {', '.join(counterparts)}.")
    if aliases:
        lines.append(f"- Also called: {', '.join(f'`{alias}`' for alias in aliases)}.")
    lines.append(f"- Compared with: {compared(facts)}.")
    lines += ["", "```arch", facts["example"], "```"]
    if facts["applied"]:
        lines += ["", f"gives `{flow(facts['applied'])}`{weights(facts['applied'])}."]
    return "\n".join(lines)


MASKS = {
    "pass": "A mask is passed on.",
    "drop": "A mask ends here.",
    "use": "A mask is used.",
}


def wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 110, subsequent_indent="    ", break_long_words=False))


def arguments(facts: dict[str, Any]) -> list[str]:
    """The table of arguments, and what is said of those that are not in it."""
    shown = [a for a in facts["arguments"] if a["name"] != "dtype"]
    lines = []
    if shown:
        lines += ["| argument | takes | default | |", "|---|---|---|---|"]
        for a in shown:
            default = "" if a["required"] else f"`{a['default']}`"
            cells = (f"`{a['name']}`", a["type"], default, a["documentation"])
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        lines.append("")
    if facts["ignored"]:
        lines += [f"- Without effect: {', '.join(f'`{n}`' for n in facts['ignored'])}."]
    for refused in facts["refused"]:
        lines += [f"- `{refused['name']}` is `{refused['only']}` always: {refused['reason']}."]
    return lines


def compared(facts: dict[str, Any]) -> str:
    """The peers that a layer is compared with, and the largest errors."""
    found = []
    for peer, row in (facts["errors"] or {}).items():
        found.append(f"{TITLES[peer]} ({row['cases']} case{'s' if row['cases'] != 1 else ''}, {largest(row)})")
    if found:
        return "; ".join(found)
    return f"a reference of its own ({measuring.tables().ELSEWHERE.get(facts['name'], 'not measured')})"


def weights(applied: dict[str, Any]) -> str:
    """` with kernel float32[16, 10] and bias float32[10]`."""
    named = [f"`{w['name']}` {w['type']}{'' if w['trainable'] else ' (not trained)'}" for w in applied["weights"]]
    if not named:
        return ""
    return f" with {', '.join(named[:-1])} and {named[-1]}" if len(named) > 1 else f" with {named[0]}"


def out_of_date() -> list[str]:
    """What is to be done to bring page and record up to date, with why."""
    found = [f"{problem}: {MEASURE}" for problem in measuring.stale(layer_names()).values()]
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != generated():
        found.append(f"docs/layers.md is not what the layers' classes say: {WRITE}")
    return found


def main() -> int:
    """Measure where asked, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="*", metavar="LAYER", help="first measure these layers, by default all")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is out of date")
    parser.add_argument("--changed", action="store_true", help="first measure the layers whose cases are more or fewer")
    options = parser.parse_args()
    if options.check:
        problems = out_of_date()
        print("\n".join(problems) or "up to date")
        return 1 if problems else 0
    names = layer_names() if options.measure == [] else options.measure or []
    if options.changed:
        names = [name for name in measuring.stale(layer_names()) if name in layer_names()]
    unknown = [name for name in names if name not in layer_names()]
    if unknown:
        parser.error(f"there is no layer {', '.join(unknown)}")
    if names:
        with Steps("measuring", unit="cases") as progress:
            failures = measuring.measure(names, progress)
        if failures:
            print("\n".join(failures), file=sys.stderr)
            print(f"{len(failures)} cases fail: nothing is recorded", file=sys.stderr)
            return 1
        measured.cache_clear()
    PAGE.write_text(generated(), encoding="utf-8")
    print(f"written: {PAGE.relative_to(measuring.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
