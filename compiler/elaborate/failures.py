"""What was found, as the error that ends a compilation."""

from __future__ import annotations

from archonnx.compiler.elaborate.loader import Loader
from archonnx.contract.diagnostics import CompileError, Diagnostic


def failure(loader: Loader) -> CompileError:
    """Every diagnostic so far, in the order of the source, as an error."""
    found = sorted(loader.diagnostics.found, key=position)
    return CompileError(found, loader.sources)


def position(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
    place = diagnostic.place
    return (place is None, place.file if place else "", place.line if place else 0, place.column if place else 0)
