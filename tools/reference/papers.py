"""References of what no library has, by the papers: `python -m tools.reference.papers [--check]`.

GPT-3 by the formula that its table 2.1 follows; logic gates, LSTMs and the translator by what their layers hold; U-Net
and the autoencoders by the modules that tests/conformance/test_papers.py builds from papers; YOLOv8 by the published
table, its MACs by the module of tests/conformance/yolo_torch.py; the DNN by the summary that its article prints.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from tools.reference.modules import ALL, entry, on_meta, parameters, prepare
from tools.reference.writing import MODELS, Entries, Entry, main

TOKENS = 128
BY = "counted by tools/reference/papers.py"

# Table 2.1 of arXiv 2005.14165: layers, width, heads, the width of a head, and the number that the name says.
GPT3 = {
    "GPT3Small": (12, 768, 12, 64, "125M"),
    "GPT3Medium": (24, 1024, 16, 64, "350M"),
    "GPT3Large": (24, 1536, 16, 96, "760M"),
    "GPT3XL": (24, 2048, 24, 128, "1.3B"),
    "GPT3_2_7B": (32, 2560, 32, 80, "2.7B"),
    "GPT3_6_7B": (32, 4096, 32, 128, "6.7B"),
    "GPT3_13B": (40, 5140, 40, 128, "13B"),
    "GPT3_175B": (96, 12288, 96, 128, "175B"),
}
VOCABULARY, CONTEXT = 50257, 2048
NAMES_WITHIN = 0.02  # the names are rounded freely: "350M" is 355.9 million

CHARACTERS = {"CharacterModel": (64, 256), "SmallCharacterModel": (32, 128)}  # the width of a character, and the units

# Parameters with those of the fixed convolution before folding, and GFLOPs at 640 by 640, as published.
YOLO = {
    "n": (3_157_200, "8.7G"),
    "s": (11_166_560, "28.6G"),
    "m": (25_902_640, "78.9G"),
    "l": (43_691_520, "165.2G"),
    "x": (68_229_648, "257.8G"),
}


def entries() -> Entries:
    """What the papers, and modules built from them, count."""
    prepare()
    return {
        "dnn": {"DNN": _dnn()},
        "gates": _gates(),
        "gpt3": {name: _gpt3(name) for name in GPT3},
        "lstm": {"TextClassifier": _classifier(), **_characters()},
        "translate": _translator(),
        "unet": {"UNet": _unet()},
        "autoencoder": _autoencoders(),
        "yolo": {f"YOLOv8{scale}": _yolo(scale) for scale in YOLO},
    }


def _counted(source: str, total: int, macs: int, counts: str, bind: dict[str, int] | None = None) -> Entry:
    cost = {"value": macs, "batch": 1, "counts": counts}
    return {"source": source, "parameters": {"total": total}, "macs": {**cost, "bind": bind} if bind else cost}


def _dnn() -> Entry:
    """Three convolutions on 256, 128 and 64 places a side, and two dense layers."""
    convolutions = 256 * 256 * 9 * 3 * 256 + 128 * 128 * 9 * 256 * 128 + 64 * 64 * 9 * 128 * 64
    dense = 32 * 32 * 64 * 64 + 64 * 10
    return {
        "source": 'the article "Introduction to Deep Neural Networks", the summary that it prints',
        "parameters": {"total": 4_571_018, "trainable": 4_571_018, "non_trainable": 0},
        "macs": {"value": convolutions + dense, "batch": 1, "counts": "convolutions and dense layers"},
        "summary": "dnn.summary.txt",
    }


def _gates() -> dict[str, Entry]:
    """A neuron has a weight for each of two bits, and a bias."""
    one = {
        name: _counted(f"McCulloch and Pitts' neuron of two bits, {BY}", 3, 2, "the neuron")
        for name in ("AND", "OR", "NAND")
    }
    return {**one, "XOR": _counted(f"three neurons of two bits, {BY}", 9, 6, "the neurons")}


def _gpt3(name: str) -> Entry:
    layers, printed, heads, head_width, called = GPT3[name]
    width, notes = printed, []
    if name == "GPT3_13B":
        width = heads * head_width
        notes.append(
            f"table 2.1 prints a width of {printed:,} for {heads} heads of {head_width}, which are {width:,}: "
            f"counted with {width:,}; the row as printed would have {_gpt3_parameters(layers, printed):,} parameters, "
            "and the model refuses it"
        )
    if heads * head_width != width:
        notes.append(
            f"table 2.1 prints {heads} heads of {head_width} on a width of {width:,}, which are "
            f"{heads * head_width:,}: counted with {width // head_width} heads, whose parameters are the name's; "
            "the model refuses the row as printed"
        )
    found = _counted(
        "arXiv 2005.14165 table 2.1, by the formula of GPT-2's decoder in tools/reference/papers.py",
        _gpt3_parameters(layers, width),
        layers * (12 * width**2 * TOKENS + 2 * TOKENS**2 * width) + VOCABULARY * width * TOKENS,
        "dense layers and matrix products",
        {"T": TOKENS},
    )
    found["published"] = {"parameters": called, "within": NAMES_WITHIN}
    return {**found, "notes": notes} if notes else found


def _gpt3_parameters(layers: int, width: int) -> int:
    """Tokens and positions; two norms, attention and two dense layers of four widths in each layer; a last norm."""
    return (VOCABULARY + CONTEXT) * width + layers * (12 * width**2 + 13 * width) + 2 * width


def _lstm(inputs: int, units: int) -> int:
    """Four gates that each read the inputs, the state and a bias."""
    return 4 * units * (inputs + units + 1)


def _lstm_macs(inputs: int, units: int) -> int:
    """Multiply-accumulates of one step."""
    return 4 * units * (inputs + units)


def _classifier() -> Entry:
    vocabulary, width, units, classes = 20_000, 128, 64, 2
    both = 2 * (_lstm(width, units) + _lstm(2 * units, units))
    steps = 2 * (_lstm_macs(width, units) + _lstm_macs(2 * units, units))
    return _counted(
        f"two bidirectional LSTMs of 64, by the formulas of {BY[11:]}",
        vocabulary * width + both + (2 * units + 1) * classes,
        steps * TOKENS + 2 * units * classes,
        "LSTMs and dense layers",
        {"T": TOKENS},
    )


def _characters() -> dict[str, Entry]:
    from archonnx.compiler.artifact import models_of

    vocabulary, found = 128, {}
    there = {name for name, _ in models_of(MODELS / "lstm.arch")}
    for name, (width, units) in CHARACTERS.items():
        total = vocabulary * width + _lstm(width, units) + _lstm(units, units) + (units + 1) * vocabulary
        steps = _lstm_macs(width, units) + _lstm_macs(units, units) + units * vocabulary
        source = f"two LSTMs of {units}, by the formulas of {BY[11:]}"
        if name in there:
            found[name] = _counted(source, total, steps * TOKENS, "LSTMs and dense layers", {"T": TOKENS})
    return found


def _translator() -> dict[str, Entry]:
    """arXiv 1409.0473's reader from both ends, 1508.04025's general attention and attentional state."""
    vocabulary, width, units, sources = 16_000, 256, 512, TOKENS
    source = f"arXiv 1409.0473 and 1508.04025, by the formulas of {BY[11:]}"
    counts = "LSTMs, dense layers and matrix products"
    reader = vocabulary * width + 2 * _lstm(width, units) + 2 * (2 * units + 1) * units
    reading = 2 * _lstm_macs(width, units) * sources + 2 * 2 * units * units
    writer = vocabulary * width + _lstm(width, units) + 2 * units * units + 3 * units * units + (units + 1) * vocabulary
    keys = 2 * units * units * sources
    scores_and_sums = sources * units + sources * 2 * units
    writing = keys + TOKENS * (_lstm_macs(width, units) + scores_and_sums + 3 * units * units + units * vocabulary)
    sizes = {"S": sources, "T": TOKENS}
    return {
        "Translator": _counted(source, reader + writer, reading + writing, counts, sizes),
        "Reader": _counted(source, reader, reading, counts, {"S": sources}),
        "Writer": _counted(source, writer, writing, counts, sizes),
    }


def _unet() -> Entry:
    import torch

    made: Any = on_meta(lambda: import_module("test_papers").u_net(1, 2, [64, 128, 256, 512, 1024]))
    image = torch.zeros(1, 1, 256, 256, device="meta")
    source = f"arXiv 1505.04597 figure 1 with padding, the module of tests/conformance/test_papers.py, {BY}"
    return entry(source, made, image, bind={"H": 256, "W": 256})


def _autoencoders() -> dict[str, Entry]:
    import torch

    papers = import_module("test_papers")
    image = torch.zeros(1, 1, 28, 28, device="meta")
    hinton = f"Hinton and Salakhutdinov 2006, the module of tests/conformance/test_papers.py, {BY}"
    small = f"a convolutional autoencoder of the module of tests/conformance/test_papers.py, {BY}"
    return {
        "Autoencoder": entry(small, on_meta(papers.convolutional_autoencoder), image),
        "DeepAutoencoder": entry(hinton, on_meta(papers.deep_autoencoder), image),
    }


def _yolo(scale: str) -> Entry:
    import torch

    published, flops = YOLO[scale]
    made: Any = on_meta(lambda: import_module("yolo_torch").YOLOv8(scale))
    source = f"the published table of YOLOv8{scale}, its MACs by the module of tests/conformance/yolo_torch.py"
    found = entry(source, made, torch.zeros(1, 3, 640, 640, device="meta"), bind={"H": 640, "W": 640})
    assert parameters(made)["without_statistics"] == published, "the module has the published parameters"
    found["parameters"] = {"without_statistics": published, "total": found["parameters"]["total"]}
    found["macs"]["counts"] = ALL
    found["published"] = {"flops": flops, "within": 0.01}
    return found


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
