"""All references: `python -m tools.reference [--check]`. Keras' own networks take a minute and two gigabytes.

Ends with 1 where --check finds a file out of date, or a model has no reference.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from archonnx.compiler.artifact import models_of
from tools.reference.writing import MODELS, path_of, run

PEERS = ("papers", "torchvision", "transformers", "lite", "silero", "keras", "parts")


def main() -> int:
    """Write, or only check, what every peer counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; say which files are out of date")
    options = parser.parse_args()
    results = []
    for peer in PEERS:
        print(peer, file=sys.stderr)
        results.append(run(import_module(f"tools.reference.{peer}").entries(), check=options.check))
    alone = without_references()
    for name in alone:
        print(f"no reference: {name}", file=sys.stderr)
    return 1 if alone else max(results)


def without_references() -> list[str]:
    """The models of the zoo that need no argument and that no peer counts, as FILE MODEL."""
    import json

    found = []
    for file in sorted(MODELS.glob("*.arch")):
        path = path_of(file.stem)
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        found += [f"{file.name} {name}" for name, ready in models_of(file) if ready and name not in known]
    return found


if __name__ == "__main__":
    sys.exit(main())
