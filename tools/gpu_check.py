"""Run every GPU test and benchmark on this machine, and print one table: `python tools/gpu_check.py --help`.

Needs onnxruntime-gpu, archonnx's own light dependencies and, for the peers, torch. It builds its models here, fetches
nothing, and ends within eight minutes: each part is a process of its own, which is ended where its time is over. What
fails is a row with the reason. Exits with 1 where a check failed, 3 where the device cannot be used.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for place in (str(ROOT), str(ROOT / "src")):
    if place not in sys.path:
        sys.path.insert(0, place)

BUDGET = 470.0  # seconds, of 480
# Part -> the most seconds it may take. Those that matter most come first: what is left of time goes to the others.
PARTS = {
    "checks": 120.0,
    "ResNet-50 1": 110.0,
    "DNN 1": 80.0,
    "ResNet-50 64": 110.0,
    "DNN 128": 110.0,
}
QUICK = {"checks": 90.0, "Small 4": 60.0}
CALLS = 12.0  # seconds of calls in a part, all ways together


def part(name: str, device: str, quick: bool, folder: Path, result: Path) -> None:
    """Do one part, and add its rows to a file as they come."""

    def say(row: dict[str, Any]) -> None:
        with result.open("a") as stream:
            stream.write(json.dumps(row) + "\n")

    if name == "checks":
        from tools.gpu.checks import CHECKS
        from tools.gpu.ways import SkippedError, said

        for what, check in CHECKS.items():
            row: dict[str, Any] = {"kind": "check", "name": what, "ok": True, "reason": None}
            began = time.perf_counter()
            try:
                check(device)
            except SkippedError as reason:
                row.update(ok=None, reason=str(reason))
            except Exception as failure:  # noqa: BLE001 (a row tells it, whatever it is)
                row.update(ok=False, reason=said(failure))
            say({**row, "seconds": time.perf_counter() - began})
        return
    from tools.gpu import subjects
    from tools.gpu.ways import measured, ways_of

    model, batch = name.rsplit(" ", 1)
    subject = next(each for each in (*subjects.SUBJECTS, *subjects.QUICK) if each.name == model)
    seconds = 0.5 if quick else CALLS
    measured(subject, int(batch), ways_of(device, quick), device, folder, seconds, lambda row: say(row.json()))


def run_part(name: str, limit: float, device: str, quick: bool, folder: Path) -> list[dict[str, Any]]:
    """A part in a process of its own, ended after `limit` seconds; its rows, and one where it came to no end."""
    result, log = folder / f"{name}.jsonl", folder / f"{name}.log"
    command = [sys.executable, str(Path(__file__).resolve()), "--device", device, "--part", name]
    command += ["--folder", str(folder), *(["--quick"] if quick else [])]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
        try:
            code, ended = process.wait(limit), ""
        except subprocess.TimeoutExpired:
            code, ended = -1, f"it was ended after {limit:.0f} s, the rest is missing"
        finally:
            if process.poll() is None:
                _end(process)
    rows = read_rows(result)
    if code and not ended:
        last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        ended = f"it ended with code {code}: {last[0][:300]}"
    if ended:
        rows.append({"kind": "part", "name": name, "reason": ended})
    return rows


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started: torch.compile has some."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def read_rows(result: Path) -> list[dict[str, Any]]:
    """The rows of a part: of each, the last that was told."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in result.read_text().splitlines() if result.exists() else []:
        row = json.loads(line)
        rows[tuple(row.get(key) for key in ("kind", "name", "model", "batch", "way"))] = row
    return list(rows.values())


def table(report: dict[str, Any]) -> str:
    """The report to read, in Markdown."""
    checks = [row for row in report["rows"] if row["kind"] == "check"]
    states = {True: "holds", False: "FAILS", None: "not done"}
    lines = [f"{report['machine']}", "", "| check | | seconds |", "|---|---|---|"]
    for row in checks:
        reason = f": {row['reason']}" if row["reason"] else ""
        lines.append(f"| {row['name']} | {states[row['ok']]}{_cell(reason)} | {row['seconds']:.1f} |")
    times = [row for row in report["rows"] if row["kind"] == "time"]
    lines += ["", "| network | batch | by | ms a call | middle half | times torch.compile | error |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in times:
        base = next((t.get("ms") for t in times if _peer(t, row)), None)
        start = f"| {row['model']} | {row['batch']} | {row['way']} |"
        far = "" if row["error"] is None else f"{row['error']:.1e}"
        if "ms" not in row:
            lines.append(f"{start} {_cell(row['reason'] or 'it was ended before it was timed')} | | | {far} |")
            continue
        ratio = f"{row['ms'] / base:.2f}" if base else ""
        lines.append(f"{start} {row['ms']:.3f} | {row['low']:.3f} to {row['high']:.3f} | {ratio} | {far} |")
    lines += [f"\n{row['name']}: {row['reason']}" for row in report["rows"] if row["kind"] == "part"]
    lines.append(f"\nTook {report['seconds']:.0f} s.")
    return "\n".join(lines)


def _peer(row: dict[str, Any], of: dict[str, Any]) -> bool:
    return row["way"].startswith("torch.compile") and (row["model"], row["batch"]) == (of["model"], of["batch"])


def _cell(text: str) -> str:
    return text.replace("|", "/")


def machine(device: str) -> tuple[str, list[str]]:
    """The machine in a line, and why the device cannot be used, where it cannot."""
    from archonnx.runtime.devices import diagnose

    found = diagnose()
    about = found.machine
    gpus = ", ".join(gpu.name for gpu in about.cuda.driver.gpus) if about.cuda else ""
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items() if "onnx" in name)
    try:
        from importlib.metadata import version

        versions += f", torch {version('torch')}"
    except ImportError:
        versions += ", no torch"
    text = f"{gpus or 'no GPU'}; {about.cores} processors; {about.system}; Python {about.python}; {versions}"
    return text, [] if found.works[device] else [str(problem) for problem in found.devices[device]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python tools/gpu_check.py", description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu tries the tool itself")
    parser.add_argument("--quick", action="store_true", help="one small network, half a second of calls a part")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds that all may take (default: %(default)s)")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.part:
        part(given.part, given.device, given.quick, given.folder, given.folder / f"{given.part}.jsonl")
        return 0
    began = time.monotonic()
    about, problems = machine(given.device)
    if problems:
        print(f'device "{given.device}" cannot be used on this machine: {"; ".join(problems)}', file=sys.stderr)
        return 3
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True) as folder:
        for name, limit in (QUICK if given.quick else PARTS).items():
            left = given.budget - (time.monotonic() - began)
            if left < 10:
                rows.append({"kind": "part", "name": name, "reason": "there was no time left for it"})
                continue
            print(f"{name} ...", file=sys.stderr)
            rows += run_part(name, min(limit, left - 2), given.device, given.quick, Path(folder))
    report = {"machine": about, "device": given.device, "rows": rows, "seconds": time.monotonic() - began}
    print(json.dumps(report, indent=2) if given.json else table(report))
    return 1 if any(row["kind"] == "check" and row["ok"] is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
