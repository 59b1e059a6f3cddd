"""Lets the tests of this folder import `graph_texts` of the passes' tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "passes"))
