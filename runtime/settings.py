"""What a person asked for when a model was loaded, checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """device: "auto", "cpu", "cuda" or "openvino"; threads: of one call on the CPU, None where onnxruntime decides."""

    device: str = "auto"
    threads: int | None = None

    @property
    def insists(self) -> bool:
        """Whether the device is an order: a model that it does not take is an error."""
        return self.device != "auto"
