"""Options that several commands share, and how they become a compiled model."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

from archonnx.cli import complete
from archonnx.cli.console import busy, colorful, say, settings
from archonnx.contract.diagnostics import Diagnostic, UsageError
from archonnx.contract.endings import MANIFEST, MODEL

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel

Function = TypeVar("Function", bound=Callable[..., Any])


def _set_color(ctx: click.Context, param: click.Parameter, value: bool | None) -> bool | None:
    settings.color = value
    return value


def _set_format(ctx: click.Context, param: click.Parameter, value: str) -> str:
    settings.format = value
    return value


class FilePath(click.Path):
    """A path on the command line. An empty one, as an unset shell variable gives, does not stand for this folder."""

    def __init__(self, allow_dash: bool = False) -> None:
        super().__init__(path_type=Path, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class SourcePath(FilePath):
    """The path of an architecture file, or `zoo:NAME` for one that ships."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and ":" in value:
            from archonnx.compiler.elaborate.zoo import located

            value = located(value)
        return super().convert(value, param, ctx)


class ArchPath(SourcePath):
    """The same, for commands that read architecture files alone: what was built from one is told so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name = str(value)
        if name.lower().endswith((MODEL, MANIFEST)):
            self.fail(
                f"{name} is a model that was built, expected the .arch file that it is made of; "
                "`archonnx run`, `bench` and `profile` take models",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


class Size(click.ParamType[int]):
    """A number of bytes, with or without a unit: 5GB, 1.5GiB, 4096."""

    name = "size"
    units: ClassVar = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)", value.strip().lower())
        if found is None or found[2] not in self.units or (count := int(float(found[1]) * self.units[found[2]])) < 1:
            self.fail(f"{value!r} is no size, such as 5GB or 500MB", param, ctx)
        return count


def color_option(function: Function) -> Function:
    """--color/--no-color: by default colours go where a person reads."""
    return click.option(
        "--color/--no-color",
        default=None,
        callback=_set_color,
        expose_value=False,
        help="Colour the output; by default on a terminal.",
    )(function)


def _batches(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int | None, ...]:
    """The batches of `1,16`, in their order, each once; (None,) where nothing is said."""
    if value is None:
        return (None,)
    words = [word.strip() for word in value.split(",")]
    if not all(word.isascii() and word.isdecimal() and 0 < int(word) < 2**31 for word in words):
        raise UsageError(f"--batch {value}: expected numbers of examples, at least 1, as in --batch 1,16")
    return tuple(dict.fromkeys(int(word) for word in words))


def _bound(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, int]:
    """Sizes by name. Others' files call axes what they like, so a name is all before the last `=`."""
    sizes: dict[str, int] = {}
    for text in value:
        name, equals, size = text.rpartition("=")
        if not equals or not name or not (size.isascii() and size.isdecimal() and int(size) < 2**31):
            raise UsageError(f"--bind {text}: expected SYMBOL=SIZE, a whole number, as in --bind T=128")
        if name in sizes:
            raise UsageError(f"--bind {name} is given twice")
        sizes[name] = int(size)
    return sizes


def batches_option(function: Function) -> Function:
    """--batch N,..."""
    text = "Examples a call: 1,16. By default 1."
    return click.option("--batch", "batches", callback=_batches, metavar="N,...", help=text)(function)


def bind_option(function: Function) -> Function:
    """--bind SYMBOL=SIZE, repeatable."""
    text = "A size that is open: T=128."
    return click.option("--bind", multiple=True, callback=_bound, metavar="SYMBOL=SIZE", help=text)(function)


def device_option(function: Function) -> Function:
    """--device NAME."""
    text = "auto, cpu, cuda, tensorrt or openvino; all but auto never run elsewhere."
    return click.option("--device", default="auto", show_default=True, help=text)(function)


def threads_option(function: Function) -> Function:
    """--threads, passed on as `threads`: None where it is not given."""
    return click.option(
        "--threads",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="Threads of one run on the CPU; by default those of ARCHONNX_THREADS, else the physical cores allowed.",
    )(function)


def cache_option(function: Function) -> Function:
    """--cache, passed on as `cache`: "auto" where it is not given."""
    return click.option(
        "--cache",
        type=FilePath(),
        default="auto",
        show_default=True,
        metavar="FOLDER",
        help="Where the optimised model is kept for the next start: auto, off, beside (the model), or a folder.",
    )(function)


def precision_option(function: Function) -> Function:
    """--precision, passed on as `precision`: None where it is not given."""
    return click.option(
        "--precision",
        metavar="NAME",
        help="float32 (the default), tf32, bfloat16, float16 or int8: what products are computed in.",
    )(function)


def precision_options(function: Function) -> Function:
    """--precision and --max-error, passed on as `precision` and `max_error`: None where they are not given."""
    bound = click.option(
        "--max-error",
        type=float,
        metavar="E",
        help="Take the fastest way that is measured to stay within this error of float32: 1e-2.",
    )
    return precision_option(bound(function))


def plan_option(function: Function) -> Function:
    """--plan, passed on as `plan`: "auto", "off" or a path."""
    return click.option(
        "--plan",
        default="auto",
        show_default=True,
        metavar="PLAN",
        help="auto for the one that `archonnx tune` left beside MODEL, where it fits; off; or a plan's file.",
    )(function)


def format_option(*formats: str) -> Callable[[Function], Function]:
    """--format, the first being the default; the value is passed on as `format`."""
    return click.option(
        "--format",
        "format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        is_eager=True,
        callback=_set_format,
        help="How the result is printed.",
    )


def model_options(function: Function) -> Function:
    """--model, --set and --root, passed on as `model`, `parameters` (name -> value) and `root`."""
    about = "Which model of the file; by default its only one."
    model = click.option("--model", metavar="NAME", shell_complete=complete.models, help=about)
    return model(_parameter_options(function))


def models_options(function: Function) -> Function:
    """The same where --model may be repeated: `model` is a tuple then."""
    from archonnx.cli.together import one_or_more

    about = "Which model of the file; by default its only one. Several share one file of weights in the folder OUT."
    model = click.option(
        "--model", multiple=True, metavar="NAME", shell_complete=complete.models, callback=one_or_more, help=about
    )
    return model(_parameter_options(function))


def _parameter_options(function: Function) -> Function:
    for option in (
        click.option(
            "--root",
            type=FilePath(),
            metavar="FOLDER",
            help="The folder that imports may reach; by default the file's own.",
        ),
        click.option(
            "--set",
            "parameters",
            multiple=True,
            metavar="NAME=VALUE",
            callback=_parameters,
            help='Set a parameter of the model; repeatable. The value is a literal: 10, [3, 4], "relu"; '
            "None leaves out an optional input.",
        ),
    ):
        function = option(function)
    return function


def _parameters(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    from archonnx.cli.literals import assignments

    return assignments(value, "--set")


def arch_argument(function: Function) -> Function:
    """The FILE argument: the path of an architecture file, or `zoo:NAME`."""
    return click.argument("file", type=ArchPath())(function)


def compiled(
    file: Path, model: str | None, parameters: dict[str, Any], root: Path | None, opset: int | None = None
) -> CompiledModel:
    """Compile and print the warnings. Raises as archonnx.compile does."""
    from archonnx.compiler.artifact import compile_file

    with busy(f"compiling {file}"):
        result = compile_file(file, model=model, root=root, parameters=parameters, opset=opset)
    warn(result.diagnostics, result.sources)
    return result


def warn(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> None:
    """Print diagnostics, warnings for the most part, on stderr."""
    if diagnostics:
        from archonnx.contract.render import render_text

        say(render_text(diagnostics, sources, color=colorful(sys.stderr)).rstrip("\n"))


def sources(paths: Sequence[Path]) -> list[Path]:
    """The files named, and for a folder every .arch file in it, sorted. Raises UsageError for a folder without any."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                p for p in path.rglob("*.arch") if not any(part.startswith(".") for part in p.relative_to(path).parts)
            )
            if not inside:
                raise UsageError(f"{path}: the folder holds no .arch file")
            found.extend(inside)
        else:
            found.append(path)
    return list(dict.fromkeys(found))
