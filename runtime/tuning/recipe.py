"""One way to run a model: what a plan holds and `load` carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from archonnx.runtime.devices import DEVICES
from archonnx.runtime.openvino.library import STATIC_SHAPES
from archonnx.runtime.settings import OPTIMISATIONS, PRECISIONS, Options, Precision, Settings
from archonnx.runtime.threads import MOST
from archonnx.runtime.tuning.reading import Damaged, Reader

# By device: options of its provider that a plan may set, with the values that are tried beside ours. None of them
# lowers the precision, and none names a file. Written from onnxruntime's documentation; no GPU has measured them yet.
PROVIDER_OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "cuda": {"prefer_nhwc": ("1",), "cudnn_conv_algo_search": ("EXHAUSTIVE",)},
    "openvino": {STATIC_SHAPES: ("4",)},
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """device and precision: where, and in what; threads: of one call on the CPU, None where the library decides;
    options: onnxruntime's; rows: examples that run at once at most, None for the whole batch; callers: calls that
    come at the same time, each from a thread of its own; graphs: whether CUDA captures calls that repeat, None where
    `load` decides."""

    device: str = "cpu"
    precision: Precision = "float32"
    threads: int | None = None
    options: Options = field(default_factory=Options)
    rows: int | None = None
    callers: int = 1
    graphs: bool | None = None

    def settings(self, asked: Settings) -> Settings:
        """What was asked for, carried out so."""
        return replace(
            asked,
            device=self.device,
            precision=self.precision,
            max_error=None,
            threads=self.threads,
            options=self.options,
            graphs=self.graphs if asked.graphs is None else asked.graphs,
        )

    def __str__(self) -> str:
        parts = [f"{self.device} {self.precision}"]
        if self.threads is not None:
            parts.append(_counted(self.threads, "thread"))
        if self.callers > 1:
            parts.append(_counted(self.callers, "caller"))
        if self.options.optimisation != "all":
            parts.append(f"optimisation {self.options.optimisation}")
        if self.options.spinning:
            parts.append("spinning")
        parts += [f"{name} {value}" for name, value in self.options.provider]
        if self.graphs is not None:
            parts.append("graphs" if self.graphs else "no graphs")
        if self.rows is not None:
            parts.append(f"{_counted(self.rows, 'row')} at once")
        return ", ".join(parts)

    def json(self) -> dict[str, Any]:
        """As data that json.dumps takes; `read` reads it. What is as by default is left out, the device never."""
        plain = Recipe(self.device, self.precision)
        found: dict[str, Any] = {"device": self.device, "precision": self.precision}
        for name in ("threads", "rows", "callers", "graphs"):
            if getattr(self, name) != getattr(plain, name):
                found[name] = getattr(self, name)
        for option in fields(Options):
            value = getattr(self.options, option.name)
            if value != option.default:
                found[option.name] = dict(value) if option.name == "provider" else value
        return found


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def read_recipe(reader: Reader) -> Recipe:
    """What `Recipe.json` wrote. Raises Damaged."""
    device = reader.word("device", [name for name in DEVICES if name != "auto"])
    precision = reader.word("precision", PRECISIONS)
    recipe = Recipe(
        device,
        precision,
        threads=reader.count("threads", MOST, None),
        options=Options(
            reader.word("optimisation", OPTIMISATIONS, "all"),
            reader.truth("spinning", False),
            _provider(device, reader.mapping("provider", {}), reader.place),
        ),
        rows=reader.count("rows", 2**31 - 1, None),
        callers=reader.count("callers", MOST, 1) or 1,
        graphs=reader.truth("graphs", None),
    )
    reader.end()
    return recipe


def _provider(device: str, given: Mapping[str, Any], place: str) -> tuple[tuple[str, str], ...]:
    known = PROVIDER_OPTIONS.get(device, {})
    for name, value in given.items():
        if value not in known.get(name, ()):
            raise Damaged(f"{place}.provider: {name} = {value!r} is no option that a plan sets on {device}")
    return tuple(sorted((name, str(value)) for name, value in given.items()))
