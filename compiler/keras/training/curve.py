"""The learning curve: losses over the epochs, under- and overfitting marked, the best epoch too."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archonnx.compiler.analysis.plotting.scene import INK, MUTED, Entry, Path, Point, Rect, Scene, Shape, Text
from archonnx.compiler.analysis.plotting.texts import width as text_width
from archonnx.compiler.keras.training.axes import WIDE, Axis, epoch_ticks, value_axis
from archonnx.compiler.keras.training.history import Epoch, best_of
from archonnx.compiler.keras.training.judgement import Judgement, judge
from archonnx.contract.diagnostics import UsageError

TRAINING, VALIDATION = "#2563eb", "#d97706"
UNDER, OVER = ("#fdf3d7", "#92600a"), ("#fde4e4", "#b42323")  # a region's paper and its words
GRID, FRAME = "#e2e8f0", "#94a3b8"
LEFT, RIGHT, TOP, GAP, BOTTOM = 64.0, 24.0, 118.0, 52.0, 52.0
NO_METRICS = ("loss", "learning_rate")  # callbacks of Keras tell the latter
WIDTH, LOSS_HEIGHT, METRIC_HEIGHT = 880.0, 300.0, 150.0


_Named = tuple[tuple[int, int], tuple[str, str], str]  # a region, its colours and its name


@dataclass(frozen=True, slots=True)
class _Panel:
    """One diagram: a quantity of training, of validation too where it has `val_`."""

    key: str
    top: float
    height: float
    axis: Axis

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - self.axis.place(value))


def check_ending(path: str | os.PathLike[str]) -> None:
    """Raise UsageError for a picture that is neither .svg nor .png."""
    if os.path.splitext(os.fspath(path))[1].lower() not in (".svg", ".png"):
        raise UsageError(f"cannot draw {os.fspath(path)}: a picture's name ends in .svg or .png")


def save_curve(
    epochs: Sequence[Epoch],
    path: str | os.PathLike[str],
    title: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Draw to an .svg or .png file, written whole or not at all. Raises UsageError for another ending, OSError."""
    from archonnx.compiler.analysis.plotting import png, svg
    from archonnx.contract.files import replacing

    check_ending(path)
    scene = draw(epochs, judge(epochs), title)
    with replacing(path) as stream:
        if os.fspath(path).lower().endswith(".png"):
            png.save(scene, stream, progress)
        else:
            for piece in svg.render(scene):
                stream.write(piece.encode("utf-8"))


def draw(epochs: Sequence[Epoch], judgement: Judgement, title: str) -> Scene:
    """The picture: the loss above, below it the first metric where there is one."""
    panels = [_panel(epochs, "loss", TOP, LOSS_HEIGHT)]
    metric = next((key for key in epochs[0].values if not key.startswith("val_") and key not in NO_METRICS), None)
    if metric is not None:
        panels.append(_panel(epochs, metric, TOP + LOSS_HEIGHT + GAP, METRIC_HEIGHT))
    height = panels[-1].top + panels[-1].height + BOTTOM
    scene = Scene(f"learning curve of {title}", WIDTH, height)
    scene.entries.append(Entry((_text(LEFT, 30, title, 17, bold=True), _text(LEFT, 52, judgement.text, 13, MUTED))))
    scene.entries.append(Entry(tuple(_legend(epochs))))
    spots = _Spots(len(epochs))
    named = _named(judgement, validated="val_loss" in epochs[0].values)
    for panel in panels:
        scene.entries += _regions(panel, named, spots)
        scene.entries.append(Entry(tuple(_grid(panel, spots))))
    scene.entries.append(Entry(tuple(_region_names(named, judgement, spots))))
    scene.entries += _best(epochs, panels, spots)
    for panel in panels:
        scene.entries += _curves(epochs, panel, spots)
    middle = (spots.left + spots.right) / 2
    scene.entries.append(Entry((_text(middle, height - 14, "epoch", 12, MUTED, anchor="middle"),)))
    return scene


class _Spots:
    """Where epochs stand: `x` of a number, which may be half way between two."""

    def __init__(self, count: int) -> None:
        self.count, self.left, self.right = count, LEFT, WIDTH - RIGHT

    def x(self, number: float) -> float:
        if self.count == 1:
            return (self.left + self.right) / 2
        return self.left + (self.right - self.left) * (number - 1) / (self.count - 1)


def _panel(epochs: Sequence[Epoch], key: str, top: float, height: float) -> _Panel:
    values = [epoch.values[name] for epoch in epochs for name in (key, f"val_{key}") if name in epoch.values]
    # A training loss that goes to nothing does not squeeze the validation loss, which tells more.
    watched = [epoch.watched for epoch in epochs]
    far = key == "loss" and min(watched) > 0 and max(watched) / min(watched) > WIDE
    return _Panel(key, top, height, value_axis(values, logarithmic=far))


def _legend(epochs: Sequence[Epoch]) -> list[Shape]:
    names = [("training", TRAINING)]
    if "val_loss" in epochs[0].values:
        names.append(("validation", VALIDATION))
    shapes: list[Shape] = []
    x = WIDTH - RIGHT
    for name, colour in reversed(names):
        x -= text_width(name, 13)
        shapes.append(_text(x, 30, name, 13))
        shapes.append(Path((x - 30, 25.5), (((x - 8, 25.5),),), colour, 2.4))
        x -= 52
    return shapes


def _regions(panel: _Panel, named: Sequence[_Named], spots: _Spots) -> list[Entry]:
    found = []
    for region, (fill, _), name in named:
        left, right = (spots.x(number) for number in region)
        rect = Rect(left, panel.top, max(right - left, 2.0), panel.height, fill)
        found.append(Entry((rect,), f"{name}, epochs {region[0]} to {region[1]}"))
    return found


def _region_names(named: Sequence[_Named], judgement: Judgement, spots: _Spots) -> list[Shape]:
    """Underfitting is named from its left end, overfitting to its right end: so they never meet."""
    shapes: list[Shape] = []
    for region, (_, ink), name in named:
        if region is judgement.underfitting:
            shapes.append(_text(spots.x(region[0]), TOP - 28, name, 12, ink))
        else:
            shapes.append(_text(spots.x(region[1]), TOP - 28, name, 12, ink, anchor="end"))
    return shapes


def _named(judgement: Judgement, validated: bool) -> list[_Named]:
    under = (
        judgement.underfitting,
        UNDER,
        f"underfitting: {'both still fall' if validated else 'the loss still falls'}",
    )
    over = (judgement.overfitting, OVER, "overfitting: validation rises, training does not")
    return [(region, colours, name) for region, colours, name in (under, over) if region is not None]


def _grid(panel: _Panel, spots: _Spots) -> list[Shape]:
    shapes: list[Shape] = []
    bottom = panel.top + panel.height
    for value, label in panel.axis.ticks:
        y = panel.y(value)
        shapes.append(Path((spots.left, y), (((spots.right, y),),), GRID, 1.0))
        shapes.append(_text(spots.left - 8, y + 4, label, 11, MUTED, anchor="end"))
    for number in epoch_ticks(spots.count):
        x = spots.x(number)
        shapes.append(Path((x, bottom), (((x, bottom + 5),),), FRAME, 1.0))
        shapes.append(_text(x, bottom + 19, str(number), 11, MUTED, anchor="middle"))
    shapes.append(Path((spots.left, panel.top), (((spots.left, bottom),), ((spots.right, bottom),)), FRAME, 1.0))
    scale = " (logarithmic)" if panel.axis.logarithmic else ""
    name = panel.key.replace("_", " ") + scale
    shapes.append(_text(spots.left, panel.top - 8, name, 12, bold=True))
    return shapes


def _best(epochs: Sequence[Epoch], panels: Sequence[_Panel], spots: _Spots) -> list[Entry]:
    best = best_of(epochs)
    key = "val_loss" if "val_loss" in best.values else "loss"
    x = spots.x(best.number)
    shapes: list[Shape] = []
    for panel in panels:
        y = panel.top
        while y < panel.top + panel.height:
            shapes.append(Path((x, y), (((x, min(y + 5, panel.top + panel.height)),),), MUTED, 1.2))
            y += 9
    name = f"best: epoch {best.number}"
    half = text_width(name, 12, True) / 2
    middle = min(max(x, spots.left + 130 + half), spots.right - half)  # beside the diagram's own name
    shapes.append(_text(middle, panels[0].top - 8, name, 12, bold=True, anchor="middle"))
    return [Entry(tuple(shapes), f"the lowest {key.replace('_', ' ')}, {best.watched:.4g}, in epoch {best.number}")]


def _curves(epochs: Sequence[Epoch], panel: _Panel, spots: _Spots) -> list[Entry]:
    found = []
    best = best_of(epochs).number
    for key, colour in ((panel.key, TRAINING), (f"val_{panel.key}", VALIDATION)):
        if key not in epochs[0].values:
            continue
        points = [(spots.x(epoch.number), panel.y(epoch.values[key])) for epoch in epochs]
        shapes: list[Shape] = [Path(points[0], tuple((point,) for point in points[1:]), colour, 2.2)]
        if len(epochs) <= 40:
            shapes += [_dot(point, 2.6, colour) for point in points]
        watched = "val_loss" if "val_loss" in epochs[0].values else "loss"
        if key == watched:
            shapes.append(_dot(points[best - 1], 5.5, colour))
            shapes.append(_dot(points[best - 1], 2.6, "#ffffff"))
        last = epochs[-1].values[key]
        found.append(Entry(tuple(shapes), f"{key.replace('_', ' ')}: {epochs[0].values[key]:.4g} to {last:.4g}"))
    return found


def _dot(at: Point, radius: float, colour: str) -> Rect:
    return Rect(at[0] - radius, at[1] - radius, 2 * radius, 2 * radius, colour, radius=radius)


def _text(
    x: float, y: float, text: str, size: float, colour: str = INK, *, bold: bool = False, anchor: str = "start"
) -> Text:
    return Text(x, y, text, size, text_width(text, size, bold), bold, colour, anchor)  # type: ignore[arg-type]
