"""How fast the networks run, by archonnx and by peers, in the peers' environment.

`python -m tools.bench.scale.speeds FOLDER ROUNDS SECONDS NAME ...` prints a line of JSON for each network, as soon as
it is measured. FOLDER holds what the peers wrote before. tools.bench.speed measures; the page is docs/benchmarks.md.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.bench.scale.builds import Bench
from tools.bench.scale.subjects import SUBJECTS

EXPECTED = 50.0  # seconds of a network, for the bar


def measured(name: str, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """{"way": {"medians": seconds of a call, one a round; "error", "on" of ours; "failure"}} of a network."""
    from tools.bench.speed import compare
    from tools.bench.speed_ways import BY_SCALE, WAYS

    skipped = ("PyTorch, compiled, bfloat16",)  # a minute to start, and never the fastest of them
    ways = [way for way in (*BY_SCALE, *WAYS) if way not in skipped]
    found = compare(SUBJECTS[name].speed, ways, folder, rounds, seconds)
    return {
        way: {
            "medians": [statistics.median(turn) for turn in each.rounds],
            "failure": each.reason,
            **{key: each.facts[key] for key in ("error", "on") if key in each.facts},
        }
        for way, each in found.items()
    }


def speeds(bench: Bench, names: Sequence[str], rounds: int, seconds: float) -> dict[str, Any]:
    """All networks: name -> what `measured` gives. What ends the process is told of the networks that it left out."""
    arguments = [str(bench.folder), str(rounds), str(seconds), *names]
    bench.step(f"{names[0]}, inference", EXPECTED)
    found: dict[str, Any] = {}
    last = ""
    with subprocess.Popen(
        [bench.peers, "-m", "tools.bench.scale.speeds", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(bench.environment),
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith('{"network": '):
                about = json.loads(line)
                found[about["network"]] = about["ways"]
                rest = [name for name in names if name not in found]
                bench.step(f"{rest[0] if rest else 'the rest'}, inference", EXPECTED)
            last = line.strip() or last
    code = child.returncode
    for name in names:
        found.setdefault(name, {"all": {"medians": [], "failure": f"exit code {code}: {last[:80]}"}})
    return found


def main(arguments: list[str]) -> int:
    folder, rounds, seconds, *names = arguments
    for name in names:
        ways = measured(name, Path(folder), int(rounds), float(seconds))
        print(json.dumps({"network": name, "ways": ways}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
