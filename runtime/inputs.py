"""Inputs as a command line gives them: `name=VALUE`, the value a literal, or a .npy, .npz, .json file, a picture or
a sound."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError, did_you_mean
from archonnx.runtime.arrays import numpy_dtype, to_array
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec
from archonnx.runtime.pixels import dark

if TYPE_CHECKING:
    import numpy as np

Say = Callable[[str], None]
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
SOUNDS = frozenset({".wav", ".wave"})
OTHER_SOUNDS = frozenset({".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma"})
ARRAYS = frozenset({".npy", ".npz", ".json"})
LITERAL_LIMIT = 10_000_000  # characters
JSON_LIMIT = 1 << 28  # bytes; a list of Python numbers takes ten times as much memory
_MEMBER = re.compile(r"(.*\.npz):([^/\\:]+)", re.IGNORECASE | re.DOTALL)


def decode_inputs(
    texts: Sequence[str], specs: Sequence[Spec], say: Say = lambda line: None, sampling_rate: int | None = None
) -> dict[str, Any]:
    """The values of every `--input`, by input name, ready for a session. say: gets a line for each step of decoding;
    sampling_rate: the samples a second of sounds, where the model tells it.

    Raises UsageError where the command is wrong, InputError where a file's content or a value is, OSError for a file
    that cannot be read.
    """
    values: dict[str, Any] = {}
    by_name = {spec.name: spec for spec in specs}
    for text in texts:
        name, value = parse_assignment(text, specs)
        if name in values:
            raise UsageError(f"--input {name} is given twice")
        values[name] = decode(by_name[name], value, say, sampling_rate)
    return values


def parse_assignment(text: str, specs: Sequence[Spec]) -> tuple[str, str]:
    """Split `name=VALUE`; the name may be left out where the model has one input. Raises UsageError."""
    names = [spec.name for spec in specs]
    fitting = [name for name in names if text.startswith(name + "=")]
    if fitting:
        name = max(fitting, key=len)
        return name, text[len(name) + 1 :]
    before, equals, _ = text.partition("=")
    named = bool(equals) and before.isidentifier()
    if len(names) == 1 and (not named or Path(text).is_file()):
        return names[0], text
    takes = ", ".join(map(str, specs)) or "none"
    if not named:
        raise UsageError(f"--input {_short(text)}: expected name=VALUE; the model's inputs are {takes}")
    near = did_you_mean(before, names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"--input {before}: the model has no input {before}{hint} (its inputs are {takes})")


def decode(spec: Spec, text: str, say: Say = lambda line: None, sampling_rate: int | None = None) -> Any:
    """The value that `text` stands for, as an array of the input's dtype; its shape is the session's to check.

    Raises UsageError, InputError, OSError as `decode_inputs`.
    """
    text = text.strip()
    if not text:
        raise UsageError(f"--input {spec.name}: the value is missing, as in {spec.name}={_example(spec)}")
    path, member = text, None
    match = _MEMBER.fullmatch(text)
    if match and not os.path.exists(text):
        path, member = match[1], match[2]
    suffix = Path(path).suffix.lower() if "\n" not in path and path[0] not in "[({\"'" else ""
    if suffix in PICTURES and spec.dtype != "string":
        from archonnx.runtime.images import decode_picture

        return decode_picture(spec, path, say)
    if suffix in SOUNDS and spec.dtype != "string":
        from archonnx.runtime.sounds import decode_sound

        return decode_sound(spec, path, say, sampling_rate)
    if suffix in ARRAYS and (spec.dtype != "string" or os.path.exists(path)):
        if suffix == ".json":
            return _value(spec, _read_json(spec, path))
        array = _read_npy(spec, path) if suffix == ".npy" else _read_npz(spec, path, member, say)
        array = to_array(spec, _foreign(spec, array))
        if dark(spec, array):
            say(f"{spec.name}: no pixel of {path} is above 1, where pixels are 0 to 255: were they scaled before?")
        return array
    return _value(spec, literal(spec, text))


def literal(spec: Spec, text: str) -> Any:
    """A number, string, boolean or nested list, in JSON's or Python's spelling; for a string input a bare text is one.

    Raises UsageError.
    """
    if len(text) > LITERAL_LIMIT:
        mend = "write it to a .json or .npy file"
        raise UsageError(f"--input {spec.name}: a literal of {len(text):,} characters is too long; {mend}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # Python's spelling, perhaps
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        if spec.dtype == "string" and text[0] not in "[(":
            return text
    if os.path.isdir(text):
        what = f"{_short(text)} is a folder: name a file of it"
    elif Path(text).suffix.lower() in OTHER_SOUNDS:
        what = f"{_short(text)} is a sound of a kind that is not read: write it as .wav (ffmpeg -i FILE NEW.wav)"
    elif os.path.exists(text):
        what = f"{_short(text)} is a kind of file that is not read"
    elif text in ("True", "False", "None") or text[0] in "[({\"'" or not re.search(r"\.\w{1,5}$|/", text):
        what = f"{_short(text)} is no literal"
    else:
        what = f"{_short(text)} is neither a literal nor a file that is there"
    kinds = "a .npy, .npz or .json file, a picture (.png, .jpg, ...) or a sound (.wav)"
    raise UsageError(f"--input {spec.name}: {what}; expected a literal such as {_example(spec)}, {kinds}")


def _example(spec: Spec) -> str:
    rank = 0 if spec.shape is None else len(spec.shape)
    inner = {"string": '"a"', "bool": "true"}.get(spec.dtype, "0")
    return "[" * rank + inner + "]" * rank


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _value(spec: Spec, value: Any) -> Any:
    return to_array(spec, value) if spec.kind in ("tensor", "optional") else value


def _foreign(spec: Spec, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What numpy saved of a type that it does not know (bfloat16 and its kin come back as raw bytes), as that type."""
    if array.dtype.kind == "V" and array.dtype.names is None and spec.dtype.startswith(("bfloat", "float8")):
        target = numpy_dtype(spec.dtype)
        return array.view(target) if array.dtype.itemsize == target.itemsize else array
    return array


def _read_json(spec: Spec, path: str) -> Any:
    size = os.stat(path).st_size
    if size > JSON_LIMIT:
        raise InputError(f"{path}: a .json file of {size:,} bytes is too large; write it as .npy", spec.name)
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        value = json.loads(data)
    except RecursionError:
        raise InputError(f"{path}: this JSON is nested too deeply for an array", spec.name) from None
    except ValueError as error:  # bad JSON, or bytes that are no text
        raise InputError(f"{path}: this is no JSON: {error}", spec.name) from None
    if isinstance(value, dict) and spec.kind != "map":
        if spec.name not in value:
            keys = ", ".join(map(str, list(value)[:10])) or "nothing"
            raise InputError(
                f"{path}: expected a list, or an object that holds {spec.name}; it holds {keys}", spec.name
            )
        return value[spec.name]
    return value


def _read_npy(spec: Spec, path: str) -> np.ndarray[Any, Any]:
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        return _array(spec, path, stream, size)


def _read_npz(spec: Spec, path: str, member: str | None, say: Say) -> np.ndarray[Any, Any]:
    import zipfile
    import zlib

    with open(path, "rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                entry = _entry(spec, path, member, archive.namelist())
                if entry != f"{spec.name}.npy":
                    say(f"{spec.name}: {path} holds {entry.removesuffix('.npy')}, taken for {spec.name}")
                info = archive.getinfo(entry)
                with archive.open(info) as inside:
                    return _array(spec, f"{path}:{entry.removesuffix('.npy')}", inside, info.file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: this is no .npz file, or a damaged one: {error}", spec.name) from None


def _entry(spec: Spec, path: str, member: str | None, names: list[str]) -> str:
    """The member to read: the one asked for, the one named as the input, or the only one."""
    arrays = [name for name in names if name.endswith(".npy")]
    wanted = f"{member or spec.name}.npy"
    if wanted in arrays:
        return wanted
    if member is None and len(arrays) == 1:
        return arrays[0]
    holds = ", ".join(name.removesuffix(".npy") for name in arrays[:20]) or "no array"
    mend = f"; choose one: {spec.name}={path}:{arrays[0].removesuffix('.npy')}" if arrays and member is None else ""
    raise InputError(f"{path}: there is no array {member or spec.name} in it; it holds {holds}{mend}", spec.name)


def _array(spec: Spec, path: str, stream: Any, size: int) -> np.ndarray[Any, Any]:
    """The array of an .npy stream of `size` bytes; what its header claims is compared with that before memory is
    taken."""
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: this is no .npy array: {str(error).splitlines()[0]}", spec.name) from None
    if dtype.hasobject:
        reason = "it holds Python objects, which are refused: reading them could run any code"
        raise InputError(f"{path}: {reason}; save numbers or fixed-width text instead", spec.name)
    count = 1
    for axis in shape:
        count *= axis
    needed = stream.tell() + count * dtype.itemsize
    if min(shape, default=0) < 0 or size < needed:
        raise InputError(f"{path}: the array is cut short: {size:,} bytes of {needed:,}", spec.name)
    stream.seek(0)
    try:
        return npy.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: the array cannot be read: {str(error).splitlines()[0]}", spec.name) from None
