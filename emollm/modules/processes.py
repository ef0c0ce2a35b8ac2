"""What training by several processes needs of a module."""

from __future__ import annotations

from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    Strategy,
)
from torch import Tensor, nn

from emollm.errors import UserError
from emollm.modules.sharding import NAME, ShardedStrategy

_SHARDED = (DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy)


def refuse_sharding(strategy: Strategy) -> None:
    """Say what would fail deep inside.

    Other strategies want one precision in a block, where the frozen weights are in bfloat16 and their adapter is
    in float32, or as many forwards of every part in every process.

    Raises:
        UserError: when the strategy shards weights in another way than ``ShardedStrategy``.
    """
    if isinstance(strategy, _SHARDED) and not isinstance(strategy, ShardedStrategy):
        raise UserError(
            f"trainer.strategy is {type(strategy).__name__}, which cannot shard frozen weights beside their "
            f"adapter: write --trainer.strategy {NAME} (FSDP of the LLM's blocks), or ddp."
        )


def find_unused_parameters(strategy: Strategy) -> None:
    """Let DDP look for trained weights that a step leaves out, instead of waiting for their gradients for ever.

    What the user said of it himself stands (``ddp_find_unused_parameters_false``).
    """
    if isinstance(strategy, DDPStrategy):
        strategy._ddp_kwargs.setdefault("find_unused_parameters", True)


def nothing_learnt(module: nn.Module) -> Tensor:
    """A loss of zero that every trained weight has its part in: for a batch of which nothing could be read."""
    return sum(parameter.sum() for parameter in module.parameters() if parameter.requires_grad) * 0.0
