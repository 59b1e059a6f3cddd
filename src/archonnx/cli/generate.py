"""`archonnx generate MODEL --prompt TEXT`: a model of texts goes on from a prompt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import busy, say
from archonnx.cli.filling import wanted, weights_options
from archonnx.cli.options import (
    FilePath,
    SourcePath,
    cache_option,
    color_option,
    device_option,
    format_option,
    model_options,
    precision_option,
    threads_option,
    warn,
)
from archonnx.cli.run import loaded, say_untrained
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel


@click.command()
@click.argument("file", metavar="MODEL", type=SourcePath())
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT|@FILE", help="What to go on from; repeatable.")
@click.option(
    "--tokens", multiple=True, metavar="1,2,3", help="The same as numbers of tokens, where there is no tokenizer."
)
@model_options
@weights_options
@click.option(
    "--tokenizer",
    type=FilePath(),
    metavar="FILE",
    help="What makes tokens of texts: tokenizer.json, or characters, one a line. By default the model's own.",
)
@click.option(
    "--max-new-tokens", type=int, default=128, show_default=True, metavar="N", help="End after so many tokens."
)
@click.option(
    "--min-new-tokens", type=int, default=0, show_default=True, metavar="N", help="Nothing ends the text before."
)
@click.option(
    "--temperature",
    type=float,
    metavar="T",
    help="0: the best token each time. Above: tokens are drawn, the higher the more evenly.  [default: 0; 1 where "
    "--top-k, --top-p or --seed is given]",
)
@click.option("--top-k", type=int, metavar="K", help="Draw from the K best tokens.")
@click.option("--top-p", type=float, metavar="P", help="Draw from the fewest best tokens of probability P together.")
@click.option(
    "--repetition-penalty",
    type=float,
    default=1.0,
    show_default=True,
    metavar="R",
    help="Above 1, tokens that were there become less likely.",
)
@click.option("--seed", type=int, metavar="N", help="Of the drawing: the same seed gives the same text.")
@click.option(
    "--stop",
    "stops",
    multiple=True,
    metavar="TEXT",
    help="End before this text, or at this special token; repeatable. By default at the tokenizer's own ends.",
)
@click.option("--stop-token", "stop_tokens", multiple=True, type=int, metavar="N", help="The same, by its number.")
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Generate N times and tell the median speed; where tokens are drawn, each time from the next seed.",
)
@device_option
@threads_option
@precision_option
@cache_option
@format_option("text", "json")
@color_option
def generate(
    file: Path,
    prompts: tuple[str, ...],
    tokens: tuple[str, ...],
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    weights: tuple[str, ...],
    maps: tuple[str, ...],
    tokenizer: Path | None,
    stops: tuple[str, ...],
    stop_tokens: tuple[int, ...],
    repeat: int,
    device: str,
    threads: int | None,
    precision: str | None,
    cache: Path,
    format: str,
    **options: Any,
) -> int:
    """Let a model of texts go on from a prompt.

    MODEL is an .onnx file that scores the token to come next, anybody's, or an .arch file, which is compiled first,
    with the weights of --weights; where its source has a parameter `cache`, that is set, so that each token is read
    once. Without --temperature, --top-k, --top-p or --seed the best token is taken each time.

    What comes is printed as it comes: the text, or the numbers of tokens where there is no tokenizer. It ends after
    --max-new-tokens, where something stops it, or where the model reads no more; the last line, on stderr, says which,
    and how many tokens a second came.

    \b
    Examples:
      archonnx generate zoo:gpt2 --model GPT2Small --weights gpt2.pth --tokenizer tokenizer.json --prompt "Once"
      archonnx generate story.onnx --prompt @beginning.txt --temperature 0.8 --top-k 40 --seed 1
      archonnx generate zoo:gpt2 --model GPT2Small --tokens 464,3290 --max-new-tokens 20 --format json
    """
    from archonnx.cli.generating import Output, told

    prompt = _prompt(prompts, tokens)
    asked = wanted(weights, maps)
    if asked.bare:
        raise UsageError("--weights none: nothing is generated without weights")
    more = {"cache": cache, "precision": precision}
    session, name = loaded(
        file, model, parameters, root, device, threads, 0, asked, tokenizer, compile=_with_cache, options=more
    )
    stop = [*stops, *stop_tokens] or None
    runs = []
    with session:
        stream = session.stream(prompt, stop=stop, **options)
        if session.initial_weights:
            say_untrained(name)
        for remark in stream.remarks:
            say(remark)
        seed = stream.result.seed
        output = Output(format, len(prompt), repeat if seed is not None else 1)
        for number in range(repeat):
            if number:
                again = {**options, "seed": seed + number} if seed is not None else options
                stream = session.stream(prompt, stop=stop, **again)
            with busy("reading the prompt"):
                first = next(stream, None)
            output.run(first, stream, shown=number == 0 or seed is not None)
            runs.append(stream.result)
        output.end(runs, told(session, name, runs))
    return 0


def _prompt(prompts: tuple[str, ...], tokens: tuple[str, ...]) -> list[Any]:
    """What to go on from: texts, or tokens. Raises UsageError where neither or both are given, OSError."""
    if bool(prompts) == bool(tokens):
        both = "both are given" if prompts else "neither is given"
        raise UsageError(f"--prompt TEXT or --tokens 1,2,3 says what to go on from, and {both}")
    return [_text(each) for each in prompts] or [_numbers(each) for each in tokens]


def _text(given: str) -> str:
    """A text, or that of a file, without the line break that ends a file. `@@` begins a text that begins with `@`."""
    if not given.startswith("@") or given.startswith("@@"):
        return given.removeprefix("@") if given.startswith("@@") else given
    from archonnx.runtime.errors import InputError

    data = Path(given[1:]).read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"--prompt {given}: this is no UTF-8 text, at byte {error.start:,}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _numbers(given: str) -> list[int]:
    words = re.split(r"[,\s]+", given.strip().strip(",[]").strip())
    if words == [""]:
        return []
    wrong = next((word for word in words if not re.fullmatch(r"[+-]?\d{1,18}", word)), None)
    if wrong is not None:
        raise UsageError(f"--tokens {given}: {wrong!r} is no whole number; expected some, as in --tokens 1,2,3")
    return [int(word) for word in words]


def _with_cache(file: Path, model: str | None, parameters: dict[str, Any], root: Path | None) -> CompiledModel:
    """The model compiled; with `cache=True` where its source has such a parameter and nobody says otherwise."""
    from archonnx.compiler.artifact import compile_file

    with busy(f"compiling {file}"):
        result = compile_file(file, model=model, root=root, parameters=parameters)
        if "cache" not in parameters and result.graph.arguments.get("cache") == "False":
            result = compile_file(file, model=model, root=root, parameters={**parameters, "cache": True})
    warn(result.diagnostics, result.sources)
    return result
