"""What stands around a session of onnxruntime, and has a part in each of its runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Wrapped:
    """A session of onnxruntime whose runs go through `_run`; all else of it is as it was."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, *args: Any) -> Any:
        return self._run(self._session.run, args)

    def run_with_iobinding(self, *args: Any) -> Any:
        return self._run(self._session.run_with_iobinding, args)

    def run_with_ort_values(self, *args: Any) -> Any:
        return self._run(self._session.run_with_ort_values, args)

    def run_with_ortvaluevector(self, *args: Any) -> Any:
        return self._run(self._session.run_with_ortvaluevector, args)

    def _run(self, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Run, by the function that is given."""
        return run(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
