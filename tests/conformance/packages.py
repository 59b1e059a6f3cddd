"""The files of packages that tests read without importing them."""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path

import pytest


def file_of(package: str, name: str) -> Path:
    """A file of an installed package; skips the test, and says how to get the package, where there is none."""
    found = PathFinder.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed: pip install --no-deps --require-hashes -r tests/packages.txt")
    return Path(found.origin).parent / name
