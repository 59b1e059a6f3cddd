"""Saving while processes are killed, stopped and in each other's way: done for real, in processes of their own."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import archonnx
from archonnx.compiler import committing, wire
from archonnx.contract import drafts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks of POSIX")

TEXT = """
model Wide(units = 500):
    input x: float32[N, units]
    output y = x -> Dense(units) -> Dense(units) -> Dense(units)
"""

# A process that has everything imported and forks a child for each build that it is asked for on its input: `named`
# has the drafts of a system without files that have no name. It prints the child's number, then how it ended.
SERVER = """
import os, sys
import archonnx
from archonnx.contract import drafts
model = archonnx.compile(text=sys.argv[1])
warm = model.save(os.path.join(sys.argv[2], "warm.onnx"))
os.unlink(warm.path)
print("ready", flush=True)
while line := sys.stdin.readline():
    target, seed, external, how = line.split("\\t")
    child = os.fork()
    if child == 0:
        if how.strip() == "named":
            drafts._UNNAMED = 0
        try:
            model.save(target, seed=int(seed), external_data=external)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until then its number is nobody else's
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

Start = Callable[..., "Build"]


class Build:
    """A build that is going on: `end` waits for it."""

    def __init__(self, server: subprocess.Popen[str], process: int) -> None:
        self.server, self.process = server, process

    def end(self) -> int:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write("end\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVER, TEXT, str(tmp_path_factory.mktemp("server"))]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"

        def begin(target: Path, seed: int, external: str = "always", how: str = "unnamed") -> Build:
            server.stdin.write(f"{target}\t{seed}\t{external}\t{how}\n")  # type: ignore[union-attr]
            server.stdin.flush()  # type: ignore[union-attr]
            return Build(server, int(server.stdout.readline()))  # type: ignore[union-attr]

        yield begin
        server.stdin.close()


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def whole(target: Path) -> tuple[bytes, bytes]:
    """The bytes of a model and of its data, proven to belong together by the name of the data."""
    model = target.read_bytes()
    with open(target, "rb") as stream:
        locations = {region.external.get("location") for region in wire.walk(stream).regions} - {None}
    return model, target.with_name(str(locations.pop())).read_bytes() if locations else b""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[bytes, bytes]]:
    """What builds of some seeds give."""
    folder, made = tmp_path_factory.mktemp("expected"), {}
    for seed in range(4):
        archonnx.compile(text=TEXT).save(folder / "m.onnx", seed=seed, external_data="always")
        made[seed] = whole(folder / "m.onnx")
    return made


@pytest.mark.parametrize("how", ["unnamed", "named"])
def test_a_build_that_is_killed_leaves_the_old_model_or_the_new_one(
    tmp_path: Path, start: Start, expected: dict[int, tuple[bytes, bytes]], how: str
) -> None:
    """Fifty times each: a hundred in all."""
    target = tmp_path / "m.onnx"
    chance = random.Random(how)
    began = time.perf_counter()
    assert start(target, 0, how=how).end() == 0
    takes = time.perf_counter() - began
    old, killed, parts = 0, 0, 0
    for number in range(50):
        new = 1 + number % 3
        build = start(target, new, how=how)
        time.sleep(chance.random() * takes)
        os.kill(build.process, signal.SIGKILL)
        ended = build.end()
        killed += ended == -signal.SIGKILL
        takes *= 0.9 if ended == 0 else 1.1  # so that about half of them are killed, however busy the machine is
        now = whole(target)
        assert now in (expected[old], expected[new])
        if ended == 0:
            assert now == expected[new]
        old = new if now == expected[new] else old
        parts += any(name.endswith(".part") for name in listing(tmp_path))
    assert killed
    if how == "named":
        assert parts  # there was something to sweep
    assert start(target, 0, how=how).end() == 0
    assert whole(target) == expected[0]
    assert len(listing(tmp_path)) == 2, listing(tmp_path)


def test_two_builds_of_one_target_leave_one_whole_model(
    tmp_path: Path, start: Start, expected: dict[int, tuple[bytes, bytes]]
) -> None:
    """A process and a thread here build over each other, and a reader finds a whole model at every moment."""
    target = tmp_path / "m.onnx"
    model = archonnx.compile(text=TEXT)
    model.save(target, seed=0, external_data="always")
    over, failures, seen = threading.Event(), [], 0

    def read() -> None:
        nonlocal seen
        while not over.is_set():
            try:
                with open(target, "rb") as stream:
                    before = os.fstat(stream.fileno()).st_ino
                found = whole(target)
            except FileNotFoundError:
                if os.stat(target).st_ino == before:  # its own data is gone
                    failures.append("no data")
                continue
            if os.stat(target).st_ino == before:
                seen += 1
                if found not in expected.values():
                    failures.append("a model with the data of another")

    def build() -> None:
        try:
            for seed in (1, 0, 1, 3, 1, 0):
                model.save(target, seed=seed, external_data="always")
        except BaseException as error:
            failures.append(repr(error))
            raise

    threads = [threading.Thread(target=read), threading.Thread(target=build)]
    for thread in threads:
        thread.start()
    codes = [start(target, seed).end() for seed in (2, 3, 2, 0, 2, 3)]
    threads[1].join()
    over.set()
    threads[0].join()
    assert codes == [0] * 6
    assert not failures
    assert seen
    assert whole(target) in expected.values()
    model.save(target, seed=2, external_data="always")
    assert whole(target) == expected[2]
    assert len(listing(tmp_path)) == 2


def test_what_live_processes_write_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "_UNNAMED", 0)
    target = tmp_path / "m.onnx"
    others = tmp_path / ".m.onnx.00000000-000000000000.part"
    others.write_bytes(b"of another machine")
    foreign = tmp_path / ".m.onnx.1234.abcdefab.part"
    foreign.write_bytes(b"not named as ours are")
    code = (
        "import sys; from pathlib import Path; from archonnx.contract import drafts; drafts._UNNAMED = 0;"
        "draft = drafts.Draft(Path(sys.argv[1])); draft.stream.write(b'half'); draft.stream.flush();"
        "print('written', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        archonnx.compile(text=TEXT).save(target)
        assert len(listing(tmp_path)) == 4  # theirs too
        process.kill()
    archonnx.compile(text=TEXT).save(target)
    assert listing(tmp_path) == sorted([others.name, foreign.name, "m.onnx"])
    os.utime(others, (0, 0))  # nobody has touched it for long
    archonnx.compile(text=TEXT).save(target)
    assert listing(tmp_path) == sorted([foreign.name, "m.onnx"])


def test_data_that_a_dead_build_has_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between data and model, and between model and old data: at the very lines."""
    target = tmp_path / "m.onnx"
    model = archonnx.compile(text=TEXT)
    model.save(target, seed=0, external_data="always")
    stranger = tmp_path / "m.0123456789abcdef.data"
    stranger.write_bytes(b"not referred to by any draft")
    for what, name in ((committing, "_replace"), (committing._Old, "remove")):
        child = os.fork()
        if child == 0:
            setattr(what, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            model.save(target, seed=1, external_data="always")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert len(listing(tmp_path)) == 5, listing(tmp_path)  # both data files, and a hidden name that tells of one
        whole(target)
        model.save(target, seed=2, external_data="always")
        assert len(listing(tmp_path)) == 3, listing(tmp_path)
    assert stranger.exists()


@pytest.mark.parametrize("unnamed", [True, False])
def test_file_systems_without_locks_and_second_names_do_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unnamed: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    for module in (drafts, committing):
        monkeypatch.setattr(module, "lock", lambda *_, **__: None)
    if not unnamed:
        monkeypatch.setattr(drafts, "_UNNAMED", 0)
    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "m.onnx"
    model = archonnx.compile(text=TEXT)
    left = tmp_path / ".m.onnx.00000000-000000000000.part"
    left.write_bytes(b"perhaps of a live process")
    os.utime(left, (0, 0))
    for seed in (0, 1, 1, 2):
        model.save(target, seed=seed, external_data="always")
        whole(target)
        assert len(listing(tmp_path)) == 3
    archonnx.compile(text=TEXT).save_weights(tmp_path / "w.npz")
    assert len(listing(tmp_path)) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("external", ["always", "never"])
def test_a_signal_ends_a_build_in_one_line(tmp_path: Path, number: signal.Signals, external: str) -> None:
    (tmp_path / "wide.arch").write_text(TEXT.replace("500", "1500"))
    target = tmp_path / "m.onnx"
    archonnx.compile(text=TEXT).save(target, external_data="always")
    before = whole(target)
    code = (
        "import os, signal, sys; from archonnx.cli import main; from archonnx.cli import console\n"
        f"console.Steps.__call__ = lambda *_: os.kill(os.getpid(), {int(number)})\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = ["build", str(tmp_path / "wide.arch"), "-o", str(target), "--external-data", external, "--seed", "3"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, env=environment)
    assert run.stderr.splitlines() == [{signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}[number]]
    assert run.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert whole(target) == before
    assert len(listing(tmp_path)) == 3
