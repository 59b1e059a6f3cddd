"""The session of a model in stages: called as any other."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.session import Session

if TYPE_CHECKING:
    from archonnx.runtime.batching.planning import Bare
    from archonnx.runtime.contract import Contract
    from archonnx.runtime.modelfile import ModelFile
    from archonnx.runtime.runner import Runner
    from archonnx.runtime.sharding.profile import ChainProfile


class ChainSession(Session):
    """A loaded model of several stages, which run one after the other; of a batch that runs in parts, at once.

    stages: their sessions, in order; all else is the whole model's.
    """

    def __init__(
        self, model: ModelFile, contract: Contract, engine: Runner, stages: Sequence[Session], bare: Bare
    ) -> None:
        super().__init__(model, contract, engine, None, b"")
        self.stages = tuple(stages)
        self._origin = _Origin(model.path, bare)  # type: ignore[assignment]
        self.device = ", ".join(dict.fromkeys(stage.device for stage in stages))

    @property
    def stage_times(self) -> tuple[float, ...]:
        """The seconds that each stage took in the last run that went from stage to stage as a whole; () before it."""
        return tuple(getattr(self._open(), "seconds", ()))

    def profile(self, /, *args: Any, runs: int | None = None, **kwargs: Any) -> ChainProfile:  # type: ignore[override]
        """Where the time of a call with these inputs goes, stage by stage: print() shows it.

        runs: how many of each stage are timed. Each is loaded a second time for it, one after the other. Raises what a
        call raises, and UsageError where a stage's file is gone.
        """
        from archonnx.runtime.profiling.measured import inputs_for
        from archonnx.runtime.sharding.profile import profile_chain

        return profile_chain(self, inputs_for(self, args, kwargs), runs)

    def close(self) -> None:
        super().close()
        for stage in self.stages:
            stage.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return super().__repr__().replace("<Session", f"<ChainSession of {len(self.stages)} stages,", 1)


class _Origin:
    """The graph of the whole, as `placement` asks for it."""

    def __init__(self, path: str, bare: Bare) -> None:
        self._path, self._bare = path, bare

    def skeleton(self) -> bytes:
        found = self._bare()
        if found is None:
            raise ModelFileError(self._path, "a stage was changed or taken away since it was loaded; load it again")
        return found
