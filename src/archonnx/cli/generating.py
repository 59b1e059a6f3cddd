"""What `archonnx generate` prints: texts as they come, and in the end how fast they came."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import out, plain, say

if TYPE_CHECKING:
    from archonnx.runtime.generation.result import Continuation, Generation, Piece
    from archonnx.runtime.session import Session

_WHY = {"stop": "something stopped it", "length": "as many tokens as asked for", "context": "the model reads no more"}


class Output:
    """Prints one text as it comes, several when they are whole, or all as JSON.

    format: "text" or "json"; prompts: how many there are; repeats: how many runs are shown.
    """

    def __init__(self, format: str, prompts: int, repeats: int) -> None:
        self._streams = format == "text" and prompts * repeats == 1
        self._json, self._prompts, self._repeats = format == "json", prompts, repeats

    def run(self, first: Piece | None, rest: Iterable[Piece], shown: bool) -> None:
        """One run to its end: `first` is its first piece. Only where it is `shown` anything is printed."""
        begun = False
        try:
            for piece in chain([first] if first is not None else [], rest):
                if self._streams and shown:
                    begun |= _show(piece, begun)
        finally:
            if begun:  # what comes next, a message of an interruption too, begins its own line
                out()

    def end(self, runs: Sequence[Generation], about: dict[str, Any]) -> None:
        """The texts that were not printed yet, and the last line."""
        shown = runs[: self._repeats]
        if self._json:
            texts = [_facts(row) for run in shown for row in run.rows]
            out(json.dumps({**about, "texts": texts}, indent=2, ensure_ascii=False))
            return
        if not self._streams:
            for number, run in enumerate(shown, 1):
                for place, row in enumerate(run.rows, 1):
                    which = [f"prompt {place}"] if self._prompts > 1 else []
                    which += [f"run {number}"] if self._repeats > 1 else []
                    out(f"{', '.join(which)}:")
                    out(_readable(row.text) if row.text is not None else " ".join(map(str, row.tokens)))
        say(_last_line(runs, about))


def told(session: Session, name: str, runs: Sequence[Generation]) -> dict[str, Any]:
    """What is said of the runs beside their texts; speeds are the median's."""
    return {
        "model": name,
        "device": session.device,
        "precision": session.precision,
        "weights": "initial" if session.initial_weights else "given",
        "cached": runs[0].cached,
        "seed": runs[0].seed,
        "prompt_tokens": runs[0].prompt_tokens,
        "prompt_tokens_per_second": _median([run.prompt_tokens_per_second for run in runs]),
        "tokens_per_second": _median([run.tokens_per_second for run in runs]),
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 2) if known else None


def _show(piece: Piece, begun: bool) -> bool:
    """Print a piece behind those before; whether that was anything."""
    if piece.text is None:
        text = f"{' ' if begun else ''}{piece.token}"
    else:
        text = _readable(piece.text)
    sys.stdout.write(text)
    sys.stdout.flush()
    return bool(text)


def _readable(text: str) -> str:
    """As it is for a file; what would move the cursor is escaped where a person reads."""
    if not sys.stdout.isatty():
        return text
    return "".join(c if c in "\n\t" else plain(c) for c in text)


def _facts(row: Continuation) -> dict[str, Any]:
    return {
        "prompt_tokens": len(row.prompt),
        "tokens": row.tokens,
        "text": row.text,
        "reason": row.reason,
        "stopped_by": row.stopped_by,
    }


def _last_line(runs: Sequence[Generation], about: dict[str, Any]) -> str:
    """How much came, how fast, and why it ended."""
    rows = [row for run in runs for row in run.rows]
    count = sum(len(row.tokens) for row in rows)
    speed = about["tokens_per_second"]
    lowered = f" in {about['precision']}" if about["precision"] != "float32" else ""
    parts = [f"{_tokens(count)} on {about['device']}{lowered}"]
    if speed is not None:
        parts[0] += f" at {speed:,.1f} tokens/s" + (f", the median of {len(runs)} runs" if len(runs) > 1 else "")
    read = about["prompt_tokens_per_second"]
    prompts = "prompts" if len(runs[0].rows) > 1 else "prompt"
    parts.append(f"{_tokens(about['prompt_tokens'])} of {prompts} at {read:,.0f} tokens/s")
    if about["seed"] is not None:
        parts.append(f"seed {about['seed']}")
    reasons = sorted({row.reason for row in rows}, key=list(_WHY).index)
    parts.append(f"ended: {_why(rows[0]) if len(rows) == 1 else ', '.join(_WHY[reason] for reason in reasons)}")
    return f"{about['model']}: {'; '.join(parts)}"


def _tokens(count: int) -> str:
    return f"{count:,} token{'' if count == 1 else 's'}"


def _why(row: Continuation) -> str:
    """Why the only text ended, with what ended it."""
    if row.reason == "stop":
        return f"{row.stopped_by!r} stopped it" if isinstance(row.stopped_by, str) else f"token {row.stopped_by}"
    if row.reason == "context":
        return f"the model reads {len(row.prompt) + len(row.tokens) - 1:,} tokens at most"
    return _WHY[row.reason]
