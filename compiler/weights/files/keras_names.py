"""The names of Keras' variables in files that number them: those of the variables' paths, as `model.weights` has them.

A file has `layers/conv2d_1/vars/0`: the second Conv2D of the model, its first variable. Newer files have
the layer's name beside the variables (`stem`). What the numbers mean depends on the class and on which variables the
layer has; the class is known from the configuration in a .keras file, or else from the group's name. Where it is not
known, or leaves two readings, the number stays: `stem/0`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

# A class in snake_case -> its variables in Keras' order; those after a "?" are there or not.
VARIABLES = {
    **dict.fromkeys(
        """dense einsum_dense conv1d conv2d conv3d conv1d_transpose conv2d_transpose conv3d_transpose
        depthwise_conv1d depthwise_conv2d""".split(),
        ("kernel", "?bias"),
    ),
    **dict.fromkeys(("separable_conv1d", "separable_conv2d"), ("depthwise_kernel", "pointwise_kernel", "?bias")),
    **dict.fromkeys(
        ("simple_rnn_cell", "gru_cell", "lstm_cell", "conv_lstm_cell"), ("kernel", "recurrent_kernel", "?bias")
    ),
    "batch_normalization": ("?gamma", "?beta", "moving_mean", "moving_variance"),
    "normalization": ("mean", "variance", "count"),
    "layer_normalization": ("?gamma", "?beta"),
    "group_normalization": ("?gamma", "?beta"),
    "rms_normalization": ("scale",),
    "embedding": ("embeddings",),
    "p_re_lu": ("alpha",),
    "seed_generator": ("seed_generator_state",),
}
# A variable that may be missing -> the argument of the layer that says whether it is there.
FLAGS = {"bias": "use_bias", "gamma": "scale", "beta": "center"}


def snake(name: str) -> str:
    """Keras' names of classes in groups: `Conv2DTranspose` -> `conv2d_transpose`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def layers_of(config: Any, depth: int = 0) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The layers in a model's configuration, those within others too: name, class in snake_case, arguments."""
    if depth > 60:
        return
    if isinstance(config, dict):
        inner = config.get("config")
        if isinstance(config.get("class_name"), str) and isinstance(inner, dict) and isinstance(inner.get("name"), str):
            yield inner["name"], snake(config["class_name"]), inner
        for value in config.values():
            yield from layers_of(value, depth + 1)
    elif isinstance(config, list):
        for value in config:
            yield from layers_of(value, depth + 1)


class Classes:
    """What a model's configuration says of layers by name. A name of two different layers says nothing."""

    def __init__(self, config: Any = None) -> None:
        self.known: dict[str, tuple[str, Mapping[str, Any]] | None] = {}
        for name, kind, arguments in layers_of(config):
            flags = {flag: arguments[flag] for flag in FLAGS.values() if flag in arguments}
            if self.known.setdefault(name, (kind, flags)) != (kind, flags):
                self.known[name] = None

    def variables(self, group: str, name: str | None, ranks: Sequence[int]) -> list[str] | None:
        """The names of a layer's variables, whose ranks are given; None where they are not known."""
        numbered = re.compile(r"_\d+$")
        kinds: list[tuple[str, Mapping[str, Any]]] = []
        if name is not None and (found := self.known.get(name)):
            kinds.append(found)
        kinds.append((numbered.sub("", group), {}))
        if group.endswith("_dense"):  # the projections of attention
            kinds.append(("dense", {}))
        if name is not None:  # an attribute of a layer or of a model of one's own: Keras' own name is the class
            kinds.append((numbered.sub("", name), {}))
        for kind, flags in kinds:
            if kind in VARIABLES:
                names = _only(VARIABLES[kind], flags, len(ranks))
                if names and all(rank > 1 for n, rank in zip(names, ranks, strict=True) if n.endswith("kernel")):
                    return names
        return None


def _only(names: Sequence[str], flags: Mapping[str, Any], count: int) -> list[str] | None:
    """The one choice of `count` names that the flags allow; None where there are none or several."""
    optional = [n for n in names if n.startswith("?")]
    wanted = {n: flags.get(FLAGS[n[1:]]) for n in optional}
    missing = len(names) - count
    choices = [
        [n.removeprefix("?") for n in names if n not in left]
        for left in (combinations(optional, missing) if 0 <= missing <= len(optional) else ())
        if all(wanted[n] is None or bool(wanted[n]) == (n not in left) for n in optional)
    ]
    return choices[0] if len(choices) == 1 else None
