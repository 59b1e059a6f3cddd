"""How fast the command line starts, checks and builds: `python -m tools.bench.startup --help`.

Exits with 1 where a figure is past its bound.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from tools.bench.measure import Case, environment, measure, table
from tools.bench.scale.page import HEAD, replaced

ROOT = Path(__file__).resolve().parent.parent.parent
PEER_LIMIT = 12 * 2**30  # bytes of address space for a peer: Keras' export of ResNet-50 needs about 7 GB of memory

KERAS_EXPORT = """
import os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
model = keras.applications.ResNet50(weights=None)
model(keras.ops.zeros((1, 224, 224, 3)))  # a model that was never called is refused
model.export(sys.argv[1], format="onnx", verbose=False)
"""


def cases(folder: Path) -> list[Case]:
    """What is measured; files are written to `folder`."""
    archonnx = [sys.executable, "-m", "archonnx"]
    dnn, resnet = str(ROOT / "models" / "dnn.arch"), str(ROOT / "models" / "resnet.arch")
    return [
        Case("`python -c pass`, for comparison", [sys.executable, "-c", "pass"]),
        Case("`import onnx, numpy`, for comparison", [sys.executable, "-c", "import onnx, numpy"]),
        Case("`archonnx --help`", [*archonnx, "--help"], seconds=0.25),
        Case("`archonnx check models/dnn.arch`", [*archonnx, "check", dnn], seconds=0.25),
        Case(
            "`archonnx build models/dnn.arch`", [*archonnx, "build", dnn, "-o", str(folder / "dnn.onnx")], seconds=1.0
        ),
        Case(
            "`archonnx build models/resnet.arch --model ResNet50`",
            [*archonnx, "build", resnet, "--model", "ResNet50", "-o", str(folder / "resnet50.onnx")],
            seconds=2.0,
            megabytes=500,
        ),
    ]


def machine() -> str:
    """The machine, in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="measured runs of each command")
    parser.add_argument(
        "--peers", action="store_true", help="also Keras' export of ResNet-50, once, under a memory limit"
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="also write the tables into that page, as docs/benchmarks.md has them",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = cases(folder)
        measure(ours, options.rounds, environment(folder / "cache"))
        parts = [f"Measured on: {machine()}. {options.rounds} runs each, in turns, after one unmeasured.", table(ours)]
        if options.peers:
            peer = Case(
                'Keras 3 `export(format="onnx")` of ResNet-50',
                [sys.executable, "-c", KERAS_EXPORT, str(folder / "keras.onnx")],
            )
            measure([peer], 1, environment(folder / "cache"), PEER_LIMIT)
            parts.append(table([peer]))
    text = "\n\n".join(parts)
    print(text)
    if options.write is not None:
        page = options.write.read_text(encoding="utf-8") if options.write.exists() else HEAD
        about = "By `python -m tools.bench.startup --write docs/benchmarks.md`."
        part = f"## The command line\n\n{about}\n\n{text}"
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(replaced(page, "startup", part), encoding="utf-8")
    return 0 if all(case.holds for case in ours) else 1


if __name__ == "__main__":
    sys.exit(main())
