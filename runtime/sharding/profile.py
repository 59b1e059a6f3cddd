"""Where the time of a model in stages goes: a profile of each stage, on what the stages before it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.runtime.profiling.measured import profiled

if TYPE_CHECKING:
    from archonnx.runtime.profiling.profile import Profile
    from archonnx.runtime.sharding.session import ChainSession


@dataclass(frozen=True, slots=True)
class ChainProfile:
    """stages: the profile of each, in order; print() shows them."""

    stages: tuple[Profile, ...]

    @property
    def seconds(self) -> float:
        """Of a call that goes from stage to stage: the sum of their medians."""
        return sum(profile.seconds for profile in self.stages)

    def __str__(self) -> str:
        count = len(self.stages)
        parts = [
            f"stage {number} of {count}, {profile.seconds / self.seconds:.0%} of the time\n\n{profile}"
            for number, profile in enumerate(self.stages, 1)
        ]
        return "\n\n".join(parts)


def profile_chain(session: ChainSession, feeds: Mapping[str, Any], runs: int | None) -> ChainProfile:
    """feeds: inputs that have been checked. runs: as `profiled` takes it. Raises UsageError, RunError, MachineError."""
    chain: Any = session._open()
    values, found = dict(feeds), []
    for number, (link, stage) in enumerate(zip(chain.links, session.stages, strict=True)):
        own = {name: values[name] for name in link.inputs if name in values}
        found.append(profiled(stage, own, runs=runs, name=f"{session.name}, stage {number + 1}"))
        chain.stage(number, values)
    return ChainProfile(tuple(found))
