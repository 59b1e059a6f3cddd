"""How fast each core here multiplies matrices, alone: `python -m tools.bench.units`.

What bfloat16 can gain over float32 is what these figures say. Cores whose matrix units others use at the same time (two
threads of a core share one, and another virtual machine may have the second) are slower, and differ: so they are read
one by one, and again between the networks of `python -m tools.bench.speed`. PyTorch multiplies, 1024 by 1024.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SIZE, SECONDS = 1024, 0.5
TYPES = ("float32", "bfloat16")
Rates = dict[int, dict[str, float]]  # processor -> type -> GFLOP/s
FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}


def processor() -> str:
    """What multiplies here: the processor's name, and its units for bfloat16."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
    name = " ".join(told.get("model name", "an unknown processor").replace("(R)", "").split())
    flags = told.get("flags", "").split()
    return f"{name}, {next((said for flag, said in FLAGS.items() if flag in flags), 'no units for bfloat16')}"


def shared() -> bool:
    """Whether there are units that several processors may have to share."""
    return processor().endswith(FLAGS["amx_bf16"])


def rates(seconds: float = SECONDS) -> Rates:
    """GFLOP/s of each processor that this process may use, the median of a call, one after another."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return {each: pool.apply(_rate, (each, seconds)) for each in allowed}


def _rate(number: int, seconds: float) -> dict[str, float]:
    import torch

    os.sched_setaffinity(0, {number})
    torch.set_num_threads(1)
    found = {}
    for name in TYPES:
        one, other = (torch.randn(SIZE, SIZE).to(getattr(torch, name)) for _ in range(2))
        times: list[float] = []
        end = time.perf_counter() + seconds
        one @ other
        while not times or time.perf_counter() < end:
            began = time.perf_counter()
            one @ other
            times.append(time.perf_counter() - began)
        found[name] = 2 * SIZE**3 / statistics.median(times) / 1e9
    return found


def table(several: Sequence[Mapping[int, Mapping[str, float]]]) -> str:
    """The rates in Markdown: the median of each, and the least and the most."""
    lines = [f"| GFLOP/s of one core | {' | '.join(TYPES)} |", f"|---|{'---|' * len(TYPES)}"]
    for number in several[0] if several else ():
        cells = []
        for name in TYPES:
            seen = [each[number][name] for each in several]
            cells.append(f"{statistics.median(seen):,.0f} ({min(seen):,.0f} to {max(seen):,.0f})")
        lines.append(f"| processor {number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    print(f"{processor()}\n\n{table([rates() for _ in range(5)])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
