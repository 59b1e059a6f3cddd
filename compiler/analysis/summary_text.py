"""Renders a summary: a table of our own, the text of Keras 3.15, JSON, Markdown."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Literal, get_args

from archonnx.compiler.analysis import plain_table
from archonnx.compiler.analysis.summary import LayerRow, Shape, Summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Format = Literal["table", "keras", "json", "markdown"]
KERAS_WIDTH = 80  # what a process without a terminal is given; Keras leaves a margin of 4


def render(
    summary: Summary, format: Format = "table", *, places: bool = False, width: int = 100, color: bool = False
) -> str:
    """The summary as text that ends in a newline.

    `places` adds a column of source places to tables; ValueError for other formats.
    """
    if format == "json":
        return summary.to_json() + "\n"
    if format == "markdown":
        return markdown(summary, places=places)
    if format == "keras":
        return keras(summary)
    if format != "table":
        raise ValueError(f"expected a format among {', '.join(get_args(Format))}, got {format!r}")
    from rich.console import Console

    out = StringIO()
    print_table(summary, Console(file=out, width=width, highlight=False, force_terminal=color), places=places)
    return out.getvalue()


def shape_text(shape: Shape) -> str:
    """`(N, 64, 64, 3)`, and `(N,)` of one axis."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _shapes(row: LayerRow) -> str:
    return ", ".join(shape_text(shape) for shape in row.output_shapes)


def count_text(value: int | str) -> str:
    """`4,571,018`; a symbolic figure as it is."""
    return f"{value:,}" if isinstance(value, int) else value


def large(value: int | str, unit: str) -> str:
    """`3.858 GMACs`, `12.6 kB`: powers of a thousand, four figures; a symbolic figure as it is."""
    if not isinstance(value, int):
        return f"{value} {unit}"
    scaled = float(value)
    for prefix in ("", "k", "M", "G", "T", "P"):
        if scaled < 1000 or prefix == "P":
            return f"{value} {unit}" if not prefix else f"{scaled:.4g} {prefix}{unit}"
        scaled /= 1000
    return f"{scaled:.4g} E{unit}"


def totals(summary: Summary) -> list[tuple[str, str]]:
    """What stands below the table, as label and text."""
    counted = summary.parameters
    sample = f" for {summary.batch} = 1" if summary.batch else ""
    peak = summary.activation_peak_bytes
    return [
        ("Total parameters", f"{counted.total:,} ({memory_size(counted.size)})"),
        ("Trainable", f"{counted.trainable:,} ({memory_size(counted.trainable_size)})"),
        ("Non-trainable", f"{counted.non_trainable:,} ({memory_size(counted.non_trainable_size)})"),
        ("Cost", large(summary.macs, "MACs") + sample),
        ("Activations", "size depends on symbols" if peak is None else f"{memory_size(peak)} at the peak{sample}"),
    ]


def print_table(summary: Summary, console: Console, *, places: bool = False) -> None:
    """Print the table on a rich console, as wide as that is; one of very many rows plainly (plain_table.py)."""
    console.print(f'Model: "{summary.model}"', style="bold", markup=False)
    for title, ports in (("in ", summary.inputs), ("out", summary.outputs)):
        for port in ports:
            console.print(f"  {title} {port.name}: {port.dtype}[{', '.join(map(str, port.shape))}]", markup=False)
    if len(summary.layers) > plain_table.MANY and not console.options.ascii_only:
        titles, rows = _cells(summary, places)
        console.file.writelines(plain_table.table_lines(titles, rows, right=frozenset((3, 4))))
    else:
        console.print(_table(summary, places))
    for label, text in totals(summary):
        console.print(f" {label}: {text}", markup=False)


def _cells(summary: Summary, places: bool) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of the table, as text."""
    titles = ["Layer", "Type", "Output shape", "Parameters", "MACs"] + (["Place"] if places else [])
    rows = []
    for row in summary.layers:
        label = f"{row.path} x{row.uses}" if row.uses > 1 else row.path
        cells = [label, _kind(row), _shapes(row), f"{row.parameters:,}", count_text(row.macs)]
        rows.append(cells + ([row.place or ""] if places else []))
    return titles, rows


def _kind(row: LayerRow) -> str:
    return f"{row.type} ({row.layers} layers)" if row.layers > 1 else row.type


def _table(summary: Summary, places: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HEAVY_HEAD)
    table.add_column("Layer", overflow="fold")
    table.add_column("Type", style="cyan", overflow="fold")
    table.add_column("Output shape", overflow="fold")
    table.add_column("Parameters", justify="right", no_wrap=True)
    table.add_column("MACs", justify="right", overflow="fold")
    if places:
        table.add_column("Place", style="dim", overflow="fold")
    for row in summary.layers:
        path, name = _split(row.path)
        label = Text.assemble((path, "dim"), name)
        if row.uses > 1:
            label.append(f" x{row.uses}", style="dim")
        cells = [label, Text(_kind(row)), Text(_shapes(row)), Text(f"{row.parameters:,}"), Text(count_text(row.macs))]
        if places:
            cells.append(Text(row.place or ""))
        table.add_row(*cells)
    return table


def _split(path: str) -> tuple[str, str]:
    scope, slash, name = path.rpartition("/")
    return scope + slash, name


def markdown(summary: Summary, *, places: bool = False) -> str:
    """A Markdown table, and the totals as a list."""
    titles = ["Layer", "Type", "Output shape", "Parameters", "MACs"] + (["Place"] if places else [])
    rule = ["---", "---", "---", "---:", "---:"] + (["---"] if places else [])
    lines = [f"## {summary.model}", "", _line(titles), _line(rule)]
    for row in summary.layers:
        cells = [f"`{row.path}`", row.type, _shapes(row), f"{row.parameters:,}", count_text(row.macs)]
        lines.append(_line(cells + ([row.place or ""] if places else [])))
    return "\n".join([*lines, "", *(f"- {label}: {text}" for label, text in totals(summary))]) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def memory_size(size: float) -> str:
    """Bytes as Keras writes them: `27.60 MB`, powers of 1024."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size / 1024 < 1:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


def keras(summary: Summary) -> str:
    """What `model.summary()` of Keras 3.15 prints without a terminal: 76 wide, `Connected to` for all but chains.

    A chain is taken for a Sequential model, which shows no row for its input. Source: keras/src/utils/summary_utils.py.
    """
    from rich.console import Console
    from rich.table import Column, Table

    header, alignment = ["Layer (type)", "Output Shape", "Param #"], ["left", "left", "right"]
    wide, positions = 88, [0.45, 0.80, 1.0]
    if not summary.chain:
        header, alignment = [*header, "Connected to"], [*alignment, "left"]
        wide, positions = 108, [0.3, 0.56, 0.74, 1.0]
    length = min(wide, KERAS_WIDTH - 4)
    ends = [int(position * length) for position in positions]
    widths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    columns = [
        Column(name, justify=justify, width=width)  # type: ignore[arg-type]  # literals, kept in a list
        for name, justify, width in zip(header, alignment, widths, strict=True)
    ]
    table = Table(*columns, width=length, show_lines=True)
    for cells in _keras_rows(summary):
        table.add_row(*(_plain_text(cell) for cell in cells))
    out = StringIO()
    console = Console(
        file=out, width=KERAS_WIDTH, highlight=False, force_terminal=False, color_system=None, legacy_windows=False
    )
    console.print(f'Model: "{summary.model}"', markup=False)
    console.print(table)
    counted = summary.parameters
    for label, count, size in (
        ("Total", counted.total, counted.size),
        ("Trainable", counted.trainable, counted.trainable_size),
        ("Non-trainable", counted.non_trainable, counted.non_trainable_size),
    ):
        console.print(f" {label} params: {count:,} ({memory_size(size)})", markup=False)
    return out.getvalue()


def _plain_text(cell: str) -> Text:
    from rich.text import Text

    return Text(cell)


def _keras_rows(summary: Summary) -> list[list[str]]:
    count = len(summary.inputs)
    order = list(summary.keras_order) or list(range(count, count + len(summary.layers)))
    if summary.chain:
        order = [number for number in order if number >= count]
    rows = []
    for number in order:
        if number < count:
            port = summary.inputs[number]
            cells = [f"{port.name} (InputLayer)", _keras_shapes((port.shape,)), "0"]
            connected: tuple[str, ...] = ()
        else:
            row = summary.layers[number - count]
            cells = [f"{row.path} ({row.type})", _keras_shapes(row.output_shapes), f"{row.parameters:,}"]
            connected = row.connected_to
        rows.append(cells if summary.chain else [*cells, ", ".join(connected) or "-"])
    return rows


def _keras_shapes(shapes: tuple[Shape, ...]) -> str:
    """A symbol is None; of one axis `(None)`, as Keras 3 prints it; several shapes as a list."""
    texts = [f"({', '.join(str(e) if isinstance(e, int) else 'None' for e in shape)})" for shape in shapes]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
