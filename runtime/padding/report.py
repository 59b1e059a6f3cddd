"""What a session says of its buckets: how they go, or why they do not, and how its calls ran."""

from __future__ import annotations

import threading

from archonnx.runtime.padding.declared import Buckets


class Padding:
    """Buckets that were asked for. May be used from several threads.

    mask: the input that hides what is filled up; sizes: of the buckets, in rising order; why: the node that forbids
    it and why, None where calls are filled up; padded: how many calls were; whole: how many were not, by reason.
    """

    def __init__(self, buckets: Buckets, why: str | None) -> None:
        self.mask, self.sizes, self.why = buckets.mask, buckets.sizes, why
        self.padded = 0
        self.whole: dict[str, int] = {}
        self._lock = threading.Lock()

    def count(self, reason: str | None) -> None:
        """Another call: filled up where there is no reason against it."""
        with self._lock:
            if reason is None:
                self.padded += 1
            else:
                self.whole[reason] = self.whole.get(reason, 0) + 1

    def __str__(self) -> str:
        """One line, and one for each reason why a call ran in its exact shape."""
        listed = ", ".join(map(str, self.sizes))
        if self.why is not None:
            return f"buckets {listed} of {self.mask}: calls run in their exact shapes: {self.why}"
        with self._lock:
            lines = [f"buckets {listed} of {self.mask}: {_calls(self.padded)} filled up"]
            lines += [f"{_calls(count)} in the exact shape: {reason}" for reason, count in self.whole.items()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Padding {str(self).splitlines()[0]}>"


def _calls(count: int) -> str:
    return f"{count:,} call{'' if count == 1 else 's'}"
