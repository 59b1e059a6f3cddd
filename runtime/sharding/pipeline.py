"""A batch in parts that follow one another through the stages: while one stage works on a part, the one before it works
on the next."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.runtime.batching.running import Batches, Whole
from archonnx.runtime.errors import OutOfMemoryError, RunError

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop
    from archonnx.runtime.batching.planning import Planner
    from archonnx.runtime.sharding.chain import Chain

    Arrays = Mapping[str, np.ndarray[Any, Any]]


class Pipeline(Batches):
    """Batches of a chain. A call that runs whole goes from stage to stage; one in parts keeps all stages at work."""

    def __init__(self, chain: Chain, planner: Planner) -> None:
        super().__init__(chain, planner)
        self._chain = chain

    def _parts(
        self, feeds: Mapping[str, Any], sizes: list[tuple[int, int]], out: Arrays, stop: Stop | None
    ) -> list[Any]:
        if stop is not None or len(sizes) < 2 or len(self._chain.links) < 2:  # a stop knows one run at a time
            return super()._parts(feeds, sizes, out, stop)
        try:
            return self._flowing(feeds, sizes, out)
        except (OutOfMemoryError, RunError) as error:
            if not self._too_large(error):
                raise
            return super()._parts(feeds, sizes, out, stop)

    def _flowing(self, feeds: Mapping[str, Any], sizes: Sequence[tuple[int, int]], out: Arrays) -> list[Any]:
        names = [spec.name for spec in self._planner.outputs]
        axes = self._planner.verdict(feeds).axes
        whole = Whole(self._planner.outputs, axes, sum(rows for rows, _ in sizes), out)

        def parts() -> Iterator[_Part]:
            start = 0
            for rows, size in sizes:
                yield _Part(start, rows, size, self._part(feeds, start, rows, size))
                start += rows

        for part in flow(self._chain, parts()):
            whole.put(part.start, part.rows, part.size, [part.values[name] for name in names])
        return whole.values


@dataclass(slots=True)
class _Part:
    """Some rows of a call on their way. values: by name, those that are needed yet; error: why it goes no further."""

    start: int
    rows: int
    size: int
    values: dict[str, Any]
    error: BaseException | None = None


def flow(chain: Chain, parts: Iterator[_Part]) -> Iterator[_Part]:
    """The parts, in order, after all stages, each of which has a thread. No more parts are under way than there are
    stages, and one more. Raises what a stage raises."""
    count = len(chain.links)
    lines: list[queue.SimpleQueue[_Part | None]] = [queue.SimpleQueue() for _ in range(count + 1)]
    room = threading.Semaphore(count + 1)
    ended = threading.Event()

    def feed() -> None:
        try:
            while room.acquire() and not ended.is_set() and (part := next(parts, None)) is not None:
                lines[0].put(part)
        except BaseException as error:  # noqa: BLE001 (raised where the call is)
            lines[0].put(_Part(0, 0, 0, {}, error))
        lines[0].put(None)

    def work(number: int) -> None:
        while (part := lines[number].get()) is not None:
            if part.error is None and not ended.is_set():
                try:
                    chain.stage(number, part.values)
                except BaseException as error:  # noqa: BLE001 (raised where the call is)
                    part.error = error
            lines[number + 1].put(part)
        lines[number + 1].put(None)

    threads = [threading.Thread(target=feed, name="archonnx-feed", daemon=True)]
    threads += [
        threading.Thread(target=work, args=(number,), name=f"archonnx-stage-{number + 1}", daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        while (part := lines[count].get()) is not None:
            if part.error is not None:
                raise part.error
            yield part
            room.release()
    finally:
        ended.set()
        room.release()
        for thread in threads:
            thread.join()
