"""What the runtime refuses: a model file, an input, a run. A missing device or memory is the contract's
MachineError."""

from __future__ import annotations

from archonnx.contract.diagnostics import ArchonnxError, MachineError


class ModelFileError(ArchonnxError):
    """The file is no ONNX model that can be run: garbage, cut short, without its weights, or with unknown operators.

    path: the file as it was asked for, or what stands for it (`<bytes>`); reason: the message without it.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class InputError(ArchonnxError, ValueError):
    """An input does not fit the model, or the file that holds it cannot be read. input: its name, where one is at
    fault."""

    def __init__(self, message: str, input: str | None = None) -> None:
        self.input = input
        super().__init__(message)


class RunError(ArchonnxError, RuntimeError):
    """The model failed while running. node, layer, place and trail say where, as far as the file knows."""

    def __init__(
        self,
        message: str,
        *,
        node: str | None = None,
        layer: str | None = None,
        place: str | None = None,
        trail: tuple[str, ...] = (),
    ) -> None:
        self.node, self.layer, self.place, self.trail = node, layer, place, trail
        super().__init__(message)


class OutOfMemoryError(MachineError):
    """A run needs more memory than there is; fewer rows may fit."""
