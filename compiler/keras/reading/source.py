"""A file as text: the blocks that its model needs, then the model."""

from __future__ import annotations

from dataclasses import dataclass, field

from archonnx.compiler.keras.reading.blocks import Blocks
from archonnx.compiler.keras.reading.lines import Lines
from archonnx.compiler.keras.reading.steps import Body


@dataclass(slots=True)
class Source:
    """A file on its way.

    defaults: its first lines. unnamed: paths of layers and blocks that need no `name=`. requires: what sizes must be.
    """

    defaults: list[str] = field(default_factory=list)
    unnamed: set[str] = field(default_factory=set)
    requires: list[str] = field(default_factory=list)

    def text(self, model: Body, name: str) -> str:
        """The whole file."""
        blocks = Blocks(self.unnamed, name)
        blocks.declare(model)
        parts = [self.defaults] if self.defaults else []
        parts += [[f"{block.head}:", *(f"    {line}" for line in block.lines)] for block in blocks.declared]
        lines = Lines(model, None, self.unnamed, self.requires).lines()
        parts.append([f"model {name}():", *(f"    {line}" for line in lines)])
        return "\n\n\n".join("\n".join(part) for part in parts) + "\n"
