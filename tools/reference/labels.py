"""The class names that travel in classifiers and detectors: `python -m tools.reference.labels`.

models/imagenet.txt and models/coco.txt are written from the lists that torchvision (BSD 3-Clause) carries beside its
weights, one class a line in the order of the outputs; torchvision is read, not run. Exits with 1 where --check finds a
file that is not what it should be.
"""

from __future__ import annotations

import argparse
import ast
import sys
from importlib.util import find_spec
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2] / "models"
WRITE = "python -m tools.reference.labels"
FILES = {"imagenet.txt": ("_IMAGENET_CATEGORIES", 1000), "coco.txt": ("_COCO_CATEGORIES", 80)}
NO_CLASSES = ("__background__", "N/A")  # places in the list of COCO that no detector of 80 classes has


def lists() -> dict[str, list[str]]:
    """The lists of torchvision/models/_meta.py by their names. ModuleNotFoundError where torchvision is not there."""
    found = find_spec("torchvision")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("torchvision, whose lists are read: pip install torchvision", name="torchvision")
    source = (Path(found.origin).parent / "models" / "_meta.py").read_text(encoding="utf-8")
    assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return {
        node.targets[0].id: ast.literal_eval(node.value) for node in assigned if isinstance(node.targets[0], ast.Name)
    }


def generated() -> dict[str, str]:
    """The files' texts by their names."""
    known = lists()
    texts = {}
    for file, (name, count) in FILES.items():
        labels = [label for label in known[name] if label not in NO_CLASSES]
        assert len(labels) == len(set(labels)) == count, f"{name}: {len(labels)} labels"
        texts[file] = "\n".join(labels) + "\n"
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the files are as they should be")
    options = parser.parse_args()
    code = 0
    for file, text in generated().items():
        path = MODELS / file
        if not options.check:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"models/{file} is out of date; write it by: {WRITE}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
