"""The `archonnx` command: a group whose commands are imported when they are used, not when it is."""

from __future__ import annotations

import importlib

import click

from archonnx._version import __version__

# Command -> what it does, in one line. Each lives in the module archonnx.cli.NAME as the function NAME, `_` for `-`.
COMMANDS = {
    "check": "Say what is wrong with architecture files, or that nothing is.",
    "summary": "Print a model layer by layer: shapes, parameters, work.",
    "build": "Compile a model to an ONNX file.",
    "plan-shards": "Cut a model into stages, one a device.",
    "run": "Run a model on arrays, pictures, sounds and texts.",
    "quantize": "Write a model in int8, calibrated on examples.",
    "bench": "Measure how fast models run, alone or side by side.",
    "profile": "Show where the time of a model goes.",
    "tune": "Find out how a model runs fastest on this machine, and write it down.",
    "generate": "Let a model of texts go on from a prompt.",
    "verify": "Check a model against Keras, PyTorch or another file.",
    "plot": "Draw a model.",
    "fit": "Train a model with Keras.",
    "from-keras": "Write the source text of a model of Keras.",
    "weights": "List, convert, compare and write files of weights, and propose maps.",
    "zoo": "List the models that ship, or show one file of them.",
    "layers": "List the layers there are, or describe one.",
    "fmt": "Format architecture files.",
    "cache": "List what starts have kept for the next ones, or take it away.",
    "doctor": "Say what this machine can run models on, and why not on more.",
    "explain": "Explain a diagnostic's code.",
    "completion": "Print the script that completes archonnx's words in your shell.",
}


class LazyGroup(click.Group):
    """A group that knows its commands' one-line help by heart, and imports a command only to run or complete it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"archonnx.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word not in COMMANDS and not word.startswith("-"):
            from archonnx.contract.diagnostics import did_you_mean

            near = did_you_mean(word, list(COMMANDS), most=1)
            if word.endswith(".arch"):
                hint = f"a command comes first: archonnx check {word}"
            else:
                hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(COMMANDS)}"
            ctx.fail(f"No such command '{word}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write(
            "Examples:\n"
            "  archonnx check models/dnn.arch\n"
            "  archonnx summary models/resnet.arch --model ResNet50\n"
            "  archonnx build models/dnn.arch -o dnn.onnx\n"
            "  archonnx run dnn.onnx --input image=photo.jpg --top 3\n"
            "\n"
            "Exit codes: 0 done, 1 the file or the comparison is wrong, 2 the command is wrong,\n"
            "3 this machine cannot (no such device, no memory), 130 interrupted.\n"
        )


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, prog_name="archonnx", message="%(prog)s %(version)s")
def archonnx() -> None:
    """Compile declarative architecture files (.arch) to ONNX, look at them, and run them.

    `archonnx COMMAND --help` tells more about each command.
    """
