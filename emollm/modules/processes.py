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

_SHARDED = (DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy)


def refuse_sharding(strategy: Strategy) -> None:
    """Say what would fail deep inside.

    Sharded weights want one precision in a block, where the frozen ones are in bfloat16 and their adapter is in
    float32; and as many forwards in every process, where validation gives each its own number of them.

    Raises:
        UserError: when the strategy shards weights.
    """
    if isinstance(strategy, _SHARDED):
        raise UserError(
            f"trainer.strategy is {type(strategy).__name__}, and emollm cannot shard weights: use ddp. The frozen "
            "weights, which fill the memory, can be in bfloat16, or in 4 bits with model.llm.quantization."
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
