"""How many threads one call uses on the CPU, and how they wait.

Every session has threads of its own, which sleep when they have had nothing to do for a moment. onnxruntime's pool for
a whole process is not used: from Python it can be had only for all sessions of the process, and those that others make
without asking for it, as by default, fail once it is there. docs/threads.md has the measurements.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.machine import physical_cores

VARIABLE = "ARCHONNX_THREADS"
MOST = 1024
SPIN = 50  # microseconds: longer than most gaps between operators, shorter than a core is missed elsewhere
_RANGE = f"a whole number of at least 1 and at most {MOST}"


def thread_count(asked: int | None, environment: Mapping[str, str] = os.environ) -> int | None:
    """The threads of a session: those asked for, else those of the variable ARCHONNX_THREADS, else the physical cores
    that affinity and control groups leave to this process; None where the system does not tell them.

    Raises UsageError for what is no whole number from 1 to 1024.
    """
    given: Any = asked  # not all callers check types
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, Integral) or not 1 <= int(given) <= MOST:
            raise UsageError(f"threads is {_RANGE}, received {given!r}")
        return int(given)
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return physical_cores()
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MOST:
        raise UsageError(f"the environment variable {VARIABLE} is {_RANGE}, received {text!r}")
    return int(text)


def set_threads(options: Any, count: int | None, spinning: bool = False) -> None:
    """Set them in onnxruntime's SessionOptions. count: None leaves the number to onnxruntime.

    A thread that spins while it waits takes a core from every other session, process and thread of Python; one that
    sleeps at once is woken for each operator, which takes longer than a small one does. So a thread that finds nothing
    to do spins for SPIN us, then sleeps. spinning: as long as onnxruntime lets it by itself, which is longer.
    """
    if count is not None:
        options.intra_op_num_threads = count
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    if not spinning:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN))
