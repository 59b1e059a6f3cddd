"""What the machine allows: affinity, control groups of both versions, memory; read from a tree of files made here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from archonnx.runtime import machine


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_the_least_quota_up_to_the_top_holds_version_2(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/box",
        "sys/fs/cgroup/pod/box/cpu.max": "max 100000",
        "sys/fs/cgroup/pod/cpu.max": "150000 100000",
        "sys/fs/cgroup/pod/box/memory.max": "2000000",
        "sys/fs/cgroup/pod/memory.max": "max",
        "proc/meminfo": "MemTotal:       1000 kB\nMemFree:  5 kB",
    }
    root = write(tmp_path, files)
    assert machine.cgroup_quota(root) == 1.5
    assert machine.memory_limit(root) == 1000 * 1024
    write(tmp_path, {"sys/fs/cgroup/memory.max": "500000"})
    assert machine.memory_limit(root) == 500000


def test_version_1_is_read_too(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/box\n1:cpu,cpuacct:/box",
        "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "50000",
        "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "123456",
    }
    root = write(tmp_path, files)
    assert machine.cgroup_quota(root) == 0.5
    assert machine.memory_limit(root) == 123456
    assert machine.allowed_cores(root) == 1


def test_a_system_that_says_nothing_limits_nothing(tmp_path: Path) -> None:
    assert machine.cgroup_quota(tmp_path) is None
    assert machine.memory_limit(tmp_path) is None
    assert machine.free_memory(tmp_path) is None
    assert machine.allowed_cores(tmp_path) >= 1


def test_free_memory_is_the_least_that_somebody_leaves(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/box",
        "proc/meminfo": "MemTotal:       9000 kB\nMemAvailable:    5000 kB",
        "sys/fs/cgroup/pod/box/memory.max": "3000000",
        "sys/fs/cgroup/pod/box/memory.current": "2500000",
        "sys/fs/cgroup/pod/box/memory.stat": "anon 5\ninactive_file 400000",
        "sys/fs/cgroup/pod/memory.max": "max",
        "sys/fs/cgroup/pod/memory.current": "2600000",
    }
    root = write(tmp_path, files)
    assert machine.free_memory(root) == 3000000 - 2500000 + 400000
    write(tmp_path, {"proc/meminfo": "MemAvailable:    5 kB"})
    assert machine.free_memory(root) == 5 * 1024
    old = {
        "proc/self/cgroup": "4:memory:/box",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "3000",
        "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "2900",
        "sys/fs/cgroup/memory/box/memory.stat": "total_inactive_file 50",
    }
    assert machine.free_memory(write(tmp_path, old)) == 150
    write(tmp_path, {"sys/fs/cgroup/memory/box/memory.usage_in_bytes": "4000"})
    assert machine.free_memory(root) == 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells its processors' siblings")
def test_siblings_are_one_core(tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    siblings = {f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": "0-999" for cpu in cpus}
    root = write(tmp_path, siblings)
    assert machine.physical_cores(root) == 1
    write(tmp_path, {name: name for name in siblings})
    assert machine.physical_cores(root) == len(cpus)
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "100000 100000"}
    assert machine.physical_cores(write(tmp_path, files)) == 1
    (root / next(iter(siblings))).unlink()
    assert machine.physical_cores(root) is None


def test_this_machine_is_found_as_it_is() -> None:
    found = machine.probe()
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.cores >= 1
    assert found.onnxruntime is not None
    assert "CPUExecutionProvider" in found.providers
    assert found.versions.keys() >= {"onnx", "numpy"}
    assert found.cuda is not None
    assert machine.probe(cuda=False).cuda is None


@pytest.mark.parametrize(("needs", "expected"), [((12, 8), "libcufft.so.11"), ((13, 0), "libcufft.so.12")])
def test_libraries_follow_the_cuda_version(needs: tuple[int, int], expected: str) -> None:
    names = machine.cuda_libraries(needs)
    assert expected in names
    assert f"libcudart.so.{needs[0]}" in names
    assert "libcudnn.so.9" in names


def test_a_missing_onnxruntime_is_told_apart_from_a_broken_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    found = machine.probe(cuda=False)
    assert found.onnxruntime is None
    monkeypatch.delitem(sys.modules, "onnxruntime")
    broken = tmp_path / "onnxruntime"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libfoo.so.1: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert machine.probe(cuda=False).ort_error == "libfoo.so.1: cannot open shared object file"
    (broken / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    assert machine.probe(cuda=False).ort_error == "its files are incomplete"
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
