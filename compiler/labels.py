"""The asset `labels`: one line for each class, as many as the model gives scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.contract.labels import label_lines

if TYPE_CHECKING:
    from archonnx.compiler.graph import Asset, LayerGraph


def unfit(asset: Asset, graph: LayerGraph) -> tuple[str, str, str] | None:
    """Code, message and help where labels are no text (E1110) or no output has a place for each of them (E1111).

    An output that is no state has where its last axis is as long as the file has lines, or of a size that is known only
    when it runs.
    """
    try:
        labels = label_lines(asset.data.decode("utf-8"))
    except UnicodeDecodeError as error:
        what = f'the labels of {graph.name}, "{asset.file}", are no UTF-8 text: byte {error.start}'
        return "E1110", what, "save the file as UTF-8, one label a line"
    scores = [output for output in graph.outputs if output.state is None and output.value.type.shape]
    sizes = {output.name: output.value.type.shape[-1] for output in scores}
    if any(size == len(labels) or not isinstance(size, int) for size in sizes.values()):
        return None
    held = f"{len(labels):,} label{'' if len(labels) == 1 else 's'}"
    given = (
        " and ".join(f"{name} is scores of {size:,} classes" for name, size in sizes.items()) or "results are no scores"
    )
    blank = next((number for number, label in enumerate(labels, 1) if not label.strip()), None)
    order = "one label a line, in the order of the scores"
    help = f"{order}; line {blank} is blank" if blank else f"{order}: name another file, or another number of classes"
    return "E1111", f'"{asset.file}" has {held} for {graph.name}, whose {given}', help
