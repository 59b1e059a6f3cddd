"""A profile as a page of one file: the source with bars of heat, and tables that can be sorted."""

from __future__ import annotations

from html import escape

from archonnx.runtime.measuring.figures import digits, time_text
from archonnx.runtime.profiling.profile import Line, Profile, Sum, TimedNode
from archonnx.runtime.profiling.text import count_text, heading

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d232a; --soft: #6a737d; --edge: #d9dee3; --band: #f5f7f9;
  --heat: 222, 94, 30; --cool: 30, 110, 190; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #dfe5ea; --soft: #8b96a1; --edge: #2c343c;
  --band: #1b2127; --heat: 240, 120, 50; --cool: 80, 160, 240; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 84rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .75rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
.facts { color: var(--soft); margin: 0; white-space: pre-wrap; font: 13px/1.6 ui-monospace, monospace; }
.frame { overflow-x: auto; border: 1px solid var(--edge); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font: 13px/1.5 ui-monospace, monospace; }
th, td { padding: .1rem .6rem; text-align: right; white-space: pre; vertical-align: top; }
th { position: sticky; top: 0; background: var(--band); color: var(--soft); font-weight: 600; padding: .4rem .6rem;
  border-bottom: 1px solid var(--edge); }
.sorted th { cursor: pointer; } .sorted th:hover { color: var(--ink); }
.left { text-align: left; } .wide { width: 100%; }
.soft, .quiet td { color: var(--soft); } .total td { font-weight: 700; }
tr:hover td { background-color: rgba(var(--cool), .08); }
td.bar { background-image: linear-gradient(rgba(var(--heat), var(--deep)), rgba(var(--heat), var(--deep)));
  background-repeat: no-repeat; background-size: var(--long) 100%; }
td.blocks { --heat: var(--cool); background-image: linear-gradient(rgba(var(--cool), .16), rgba(var(--cool), .16)); }
td.source { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 26rem; }
tfoot td { border-top: 1px solid var(--edge); }
"""
_SCRIPT = """
for (const table of document.querySelectorAll("table.sorted")) table.tHead.addEventListener("click", event => {
  const cell = event.target.closest("th"), body = table.tBodies[0], at = cell.cellIndex;
  const key = row => {
    const number = row.cells[at].dataset.n;
    return number === undefined ? row.cells[at].textContent : Number(number);
  };
  const down = table.dataset.by === String(at) ? table.dataset.down !== "1" : typeof key(body.rows[0]) === "number";
  const rows = [...body.rows].sort((a, b) => { const x = key(a), y = key(b); return x < y ? -1 : x > y ? 1 : 0; });
  if (down) rows.reverse();
  body.append(...rows); table.dataset.by = at; table.dataset.down = down ? "1" : "0";
});
"""
_FIGURES = ("time", "share", "calls", "MACs", "GFLOP/s", "bound")


def page(profile: Profile) -> str:
    """HTML that needs no other file and no network."""
    first, *facts = heading(profile)
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(profile.model)}: profile</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(first)}</h1>",
        f'<p class="facts">{escape(chr(10).join(facts))}</p>',
    ]
    lines = profile.lines()
    for file, text in profile.sources.items():
        if lines[file]:
            parts += [f"<h2>{escape(file)}</h2>", _source(lines[file], text)]
    parts += ["<h2>Nodes</h2>", _nodes(profile), "<h2>Operators</h2>", _operators(profile)]
    return "\n".join([*parts, f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"])


def _source(lines: dict[int, Line], text: str) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("time", "in blocks", "share", "", "MACs", "GFLOP/s"))
    rows = [
        f'<div class="frame"><table>\n<thead><tr>{head}<th class="left">bound</th><th></th>'
        f'<th class="left wide">source</th></tr></thead>\n<tbody>'
    ]
    for number, source in enumerate(text.splitlines(), 1):
        line = lines.get(number)
        if line is not None and (line.seconds or line.inside):
            figures = "".join(
                f"<td>{escape(cell)}</td>"
                for cell in (
                    time_text(line.seconds) if line.seconds else "",
                    time_text(line.inside) if line.inside else "",
                    f"{line.share:.1%}",
                    f"×{line.count}" if line.count > 1 else "",
                    *_work(line),
                )
            )
            kind = "bar" if line.seconds > line.inside else "bar blocks"
            rows.append(
                f'<tr>{figures}<td class="left">{escape(str(line.bound or ""))}</td><td class="soft">{number}</td>'
                f'<td class="left source {kind}" style="{_heat(line.share)}">{escape(source)}</td></tr>'
            )
        else:
            note = escape(line.note) if line else ""
            rows.append(
                f'<tr class="quiet">{"<td></td>" * 6}<td class="left">{note}</td><td>{number}</td>'
                f'<td class="left source">{escape(source)}</td></tr>'
            )
    return "\n".join([*rows, "</tbody></table></div>"])


def _nodes(profile: Profile) -> str:
    head = "".join(f"<th{_side(name)}>{name}</th>" for name in _FIGURES)
    rows = [
        f'<div class="frame"><table class="sorted">\n<thead><tr>{head}<th class="left">operator</th>'
        f'<th class="left">node</th><th class="left">layer</th><th class="left wide">place</th></tr></thead>\n<tbody>'
    ]
    for node in sorted(profile.nodes, key=lambda node: -node.seconds):
        one = profile.one(node)
        one.count = node.calls
        names = f'<td class="left" title="{escape(_within(node))}">{escape(node.name)}</td>'
        where = "".join(f'<td class="left">{escape(text or "")}</td>' for text in (node.layer, node.place))
        rows.append(f'<tr>{_cells(one)}<td class="left">{escape(node.operator)}</td>{names}{where}</tr>')
    between = f"<td>{time_text(profile.between)}</td><td>{_share(profile.between, profile.total)}</td>"
    total = f"<td>{time_text(profile.total)}</td><td>{_share(profile.total, profile.total)}</td>"
    return "\n".join(
        [
            *rows,
            f'</tbody>\n<tfoot><tr>{between}<td class="left soft" colspan="8">between the nodes</td></tr>',
            f'<tr class="total">{total}<td class="left" colspan="8">total</td></tr></tfoot></table></div>',
        ]
    )


def _operators(profile: Profile) -> str:
    head = "".join(f"<th{_side(name)}>{name}</th>" for name in _FIGURES)
    rows = [
        f'<div class="frame"><table class="sorted">\n<thead><tr>{head}<th class="left wide">operator</th>'
        f"</tr></thead>\n<tbody>"
    ]
    rows += [f'<tr>{_cells(one)}<td class="left">{escape(one.name)}</td></tr>' for one in profile.operators()]
    return "\n".join([*rows, "</tbody></table></div>"])


def _cells(one: Sum) -> str:
    macs, gflops = _work(one)
    return (
        f'<td data-n="{one.seconds!r}">{time_text(one.seconds)}</td>'
        f'<td class="bar" style="{_heat(one.share)}" data-n="{one.share!r}">{one.share:.1%}</td>'
        f'<td data-n="{one.count}">{one.count}</td><td data-n="{one.macs or 0}">{macs}</td>'
        f'<td data-n="{one.gflops or 0.0!r}">{gflops}</td><td class="left">{escape(str(one.bound or ""))}</td>'
    )


def _work(one: Sum) -> tuple[str, str]:
    return count_text(one.macs), digits(one.gflops) if one.gflops else ""


def _heat(share: float) -> str:
    """The bar's length, and how deep its colour is."""
    return f"--long:{min(1.0, share):.2%};--deep:{0.15 + 0.35 * min(1.0, share):.2f}"


def _share(seconds: float, total: float) -> str:
    return f"{seconds / total:.1%}" if total else ""


def _side(name: str) -> str:
    return ' class="left"' if name == "bound" else ""


def _within(node: TimedNode) -> str:
    """What a pointer that rests on a node's name is told."""
    parts = ", ".join(f"{part.operator} {part.name}" for part in node.parts)
    return "\n".join(text for text in (f"with {parts}" if parts else "", *node.trail) if text)
