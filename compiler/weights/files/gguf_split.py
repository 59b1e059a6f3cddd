"""GGUF in several files, `model-00001-of-00003.gguf` and so on: each says in its metadata that it is one of several."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from archonnx.compiler.weights.files.base import TensorFile, TensorFileError, stamp
from archonnx.compiler.weights.recipe import Array
from archonnx.compiler.weights.regions import Box, Shape

COUNT, NUMBER, TENSORS = "split.count", "split.no", "split.tensors.count"
NAMED = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.gguf)", re.IGNORECASE | re.DOTALL)


def is_split(metadata: Mapping[str, str]) -> bool:
    """Whether a file says that it is one of several."""
    return metadata.get(COUNT, "1") not in ("0", "1")


class SplitFile(TensorFile):
    """The files of a model as one; `first` is the one that was asked for, `opening` opens another.

    Errors: TensorFileError where one is missing or is another's, OSError.
    """

    def __init__(self, first: TensorFile, opening: Callable[[Path], TensorFile]) -> None:
        self.path, self.format = first.path, first.format
        self._files = [first]
        self._of: dict[str, TensorFile] = {}
        try:
            self._files = self._all(first, opening)
            for file in self._files:
                for name in file.entries:
                    if name in self._of:
                        raise TensorFileError(file.path, f"{name!r} stands in {self._of[name].path.name} too")
                    self._of[name] = file
            due = first.metadata.get(TENSORS)
            if due is not None and due != str(len(self._of)):
                raise TensorFileError(
                    self.path, f"it says that there are {due} tensors in all, {len(self._of)} are found"
                )
        except BaseException:
            self.close()
            raise
        self.entries = {name: file.entries[name] for name, file in self._of.items()}
        merged = {key: value for file in reversed(self._files) for key, value in file.metadata.items()}
        self.metadata = {key: value for key, value in merged.items() if key not in (COUNT, NUMBER, TENSORS)}

    def _all(self, first: TensorFile, opening: Callable[[Path], TensorFile]) -> list[TensorFile]:
        count, found = first.metadata[COUNT], NAMED.fullmatch(self.path.name)
        if found is None or not count.isdecimal() or int(found[3]) != int(count):
            help = "llama.cpp names them model-00001-of-00003.gguf; its gguf-split --merge makes one"
            raise TensorFileError(self.path, f"it is one of {count} files, as its name does not say", help=help)
        files = self._files
        for number in range(1, int(count) + 1):
            path = self.path.with_name(f"{found[1]}-{number:05}-of-{found[3]}{found[4]}")
            if path == self.path:
                continue
            if not path.is_file():
                raise TensorFileError(self.path, f"it is one of {count} files, and there is no {path.name} beside it")
            self.watched()[path] = stamp(path)
            files.append(opening(path))
            told = files[-1].metadata.get(COUNT), files[-1].metadata.get(NUMBER)
            if told != (count, str(number - 1)):
                raise TensorFileError(path, f"it does not say that it is number {number} of {count}")
        return sorted(files, key=lambda file: file.path.name)

    def read(self, name: str, start: int, length: int) -> Array:
        return self._of[name].read(name, start, length)

    def box(self, name: str, shape: Shape, box: Box) -> Array:
        return self._of[name].box(name, shape, box)

    def close(self) -> None:
        for file in self._files:
            file.close()
