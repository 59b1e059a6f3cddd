"""What a model holds that Keras, or PyTorch, has no counterpart of, and the error that lists all of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.graph import Node


class Refused(Exception):
    """Raised where a node has no counterpart; `reason` completes "Dense (path): ..." and `help` says what to do."""

    def __init__(self, reason: str, help: str) -> None:
        super().__init__(reason)
        self.reason, self.help = reason, help


class NoCounterpartError(ArchonnxError):
    """A model that another tool cannot hold. `nodes` are those without a counterpart, in the order of the graph."""

    def __init__(self, model: str, found: Sequence[tuple[Node, Refused]], what: str = "a Keras model") -> None:
        self.nodes = tuple(node for node, _ in found)
        count = len(found)
        lines = [f"{model} cannot become {what}: {count} {'layer has' if count == 1 else 'layers have'} no way"]
        for node, refused in found:
            where = f"{node.place}: " if node.place is not None else ""
            lines.append(f"  {where}{node.type_name} ({node.name}): {refused.reason}; {refused.help}")
        super().__init__("\n".join(lines))


def said(error: Exception) -> str:
    """The line of Keras' message that tells the cause, without colours."""
    lines = [line for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (told or lines or [type(error).__name__])[0].strip().rstrip(".")


class UnreadableError(ArchonnxError):
    """A model of Keras that no text says. `layers` are the names of those that cannot be read."""

    def __init__(self, model: str, found: Sequence[tuple[str, str, Refused]]) -> None:
        self.layers = tuple(name for name, _, _ in found)
        count = len(found)
        lines = [f"{model} cannot be read: {count} {'layer has' if count == 1 else 'layers have'} no way"]
        lines += [f"  {name} ({kind}): {refused.reason}; {refused.help}" for name, kind, refused in found]
        super().__init__("\n".join(lines))
