"""What `session.stream` and `session.generate` do: a call's arguments to a loop that is ready to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.generation.loop import Limits, Loop
from archonnx.runtime.generation.prompts import read_prompts
from archonnx.runtime.generation.result import Continuation, Generation, Piece
from archonnx.runtime.generation.roles import Roles
from archonnx.runtime.generation.sampling import is_whole, sampling
from archonnx.runtime.generation.stepping import Keeping, Reading
from archonnx.runtime.generation.stopping import read_stops

if TYPE_CHECKING:
    from archonnx.runtime.contract import Contract
    from archonnx.runtime.runner import Runner
    from archonnx.runtime.text.tokenizer import Tokenizer

MOST = 128  # tokens, where a call does not say


class Options(TypedDict, total=False):
    """What a call may say beside the prompt; `session.generate` tells what each means."""

    max_new_tokens: int
    min_new_tokens: int
    temperature: float | None
    top_k: int | None
    top_p: float | None
    repetition_penalty: float
    seed: int | None
    stop: Any
    inputs: Mapping[str, Any] | None


class Stream:
    """Pieces of texts as they come: iterate over it once. `result` is all that came so far, whole after the last.

    remarks: what a person should know of how it runs, such as that every token is read again for each that comes.
    """

    def __init__(self, loop: Loop, remarks: tuple[str, ...]) -> None:
        self.result: Generation = loop.result
        self.remarks = remarks
        self._pieces = loop.run()

    def __iter__(self) -> Iterator[Piece]:
        return self._pieces

    def __next__(self) -> Piece:
        return next(self._pieces)


def start(
    engine: Runner,
    contract: Contract,
    roles: Roles,
    tokenizer: Tokenizer | None,
    prompt: Any,
    *,
    max_new_tokens: int = MOST,
    min_new_tokens: int = 0,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    seed: int | None = None,
    stop: Any = None,
    inputs: Mapping[str, Any] | None = None,
) -> Stream:
    """The loop of a call. Raises UsageError, InputError and TokenizerError before anything runs."""
    how = sampling(temperature, top_k, top_p, repetition_penalty, seed)
    limits = _limits(max_new_tokens, min_new_tokens)
    given = _given(inputs, roles)
    texts = read_prompts(prompt, roles, tokenizer)
    stops = read_stops(stop, tokenizer, roles.name, roles.vocabulary)
    if limits.least and roles.vocabulary is not None and len(stops.tokens) == roles.vocabulary:
        raise UsageError(
            f"stop: each of the {roles.vocabulary:,} tokens of {roles.name} ends the text, and min_new_tokens="
            f"{limits.least} asks for tokens before that; leave one of them out"
        )
    if seed is None and not how.greedy:
        import secrets

        seed = secrets.randbits(32)
    seed = None if seed is None else int(seed)
    kind = Keeping if roles.states else Reading
    result = Generation([Continuation(text) for text in texts], None if how.greedy else seed, bool(roles.states))
    loop = Loop(kind(engine, contract, roles, given), roles, tokenizer, how, stops, limits, result)
    return Stream(loop, _remarks(roles))


def _limits(most: Any, least: Any) -> Limits:
    for name, value, low in (("max_new_tokens", most, 1), ("min_new_tokens", least, 0)):
        if not is_whole(value) or value < low:
            raise UsageError(f"{name} is a whole number of at least {low}, received {value!r}")
    if least > most:
        raise UsageError(f"min_new_tokens is {least}, above max_new_tokens, {most}")
    return Limits(int(most), int(least))


def _given(inputs: Mapping[str, Any] | None, roles: Roles) -> dict[str, Any]:
    """The inputs that a call gives beside the prompt: what stays as it is, and what states begin with."""
    asked: Any = {} if inputs is None else inputs  # not all callers check types
    if not isinstance(asked, Mapping):
        raise UsageError(f"inputs are arrays by the names of inputs, in a dict; received {type(asked).__name__}")
    given = dict(asked)
    known = [*(spec.name for spec in roles.others), *roles.states]
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        what = ", ".join(known) or "none"
        raise UsageError(f"inputs: {roles.name} has no input {unknown} beside its tokens (it has {what})")
    missing = [str(spec) for spec in roles.others if spec.name not in given]
    if missing:
        mend = "session.generate(..., inputs={...}) gives them; they stay as they are"
        raise InputError(f"{roles.name} needs more than tokens: {', '.join(missing)}; {mend}")
    return given


def _remarks(roles: Roles) -> tuple[str, ...]:
    if roles.states:
        return ()
    mend = "; built with --set cache=True, it would read each token once" if roles.cache else ""
    return (f"{roles.name} keeps no states: all tokens are read again for each that comes{mend}",)
