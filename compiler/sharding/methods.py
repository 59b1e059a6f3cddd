"""What a compiled model does for several devices: methods of `artifact.CompiledModel`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.sharding.plan import ShardPlan
    from archonnx.compiler.sharding.saving import ShardsReport


class Shardable:
    """A model that can be cut into stages."""

    __slots__ = ()

    def plan_shards(
        self,
        devices: int,
        *,
        memory: int | None = None,
        bind: Mapping[str, int] | None = None,
        batch: int = 1,
        precision: Literal["float32", "float16", "bfloat16"] = "float32",
        bandwidth: int | None = None,
        flops: float | None = None,
    ) -> ShardPlan:
        """The model in stages, one a device: what each holds and computes, and what goes between them; `str()` of it is
        a report.

        memory: bytes of a device, any by default. bind: what symbols of sizes stand for; those left out are guessed.
        batch: the batch's. precision: of float32 weights and values. bandwidth: of the links, bytes a second, 25 GB by
        default. flops: operations a second of a device, a multiplication and a sum being two.

        Raises DoesNotFit, an ArchonnxError that says what is missing, and UsageError.
        """
        from archonnx.compiler.sharding.plan import BANDWIDTH, plan_shards

        return plan_shards(
            cast("CompiledModel", self).graph,
            devices,
            memory=memory,
            bind=bind,
            batch=batch,
            precision=precision,
            bandwidth=BANDWIDTH if bandwidth is None else bandwidth,
            flops=flops,
        )

    def save_shards(
        self,
        path: str | os.PathLike[str],
        shards: int | ShardPlan,
        *,
        seed: int = 0,
        weights: Literal["init", "none"] = "init",
        external_data: Literal["auto", "always", "never"] = "auto",
        progress: Callable[[int, int], None] | None = None,
        lock: str | os.PathLike[str] | None = None,
        update_lock: bool = False,
        **lowering: Any,
    ) -> ShardsReport:
        """Write the model as one checked .onnx a stage, beside the manifest `path`, NAME.shards.json, by which `load`
        takes them as one. A failure leaves an old one as it was.

        shards: how many stages, or a plan. seed, weights, external_data, progress, lock, update_lock: as `save` takes
        them; lowering: `weight_bits`, `optimization` and what else `lower` takes. A lock holds the cuts too.

        Raises ArchonnxError where a stage does not pass the checks or cannot be written, UsageError.
        """
        from archonnx.compiler.sharding.saving import save_shards

        return save_shards(
            cast("CompiledModel", self),
            path,
            shards,
            seed=seed,
            weights=weights,
            progress=progress,
            lowering=lowering,
            writing={"external_data": external_data},
            lock=lock,
            update_lock=update_lock,
        )
