"""What training by several processes needs of a module."""

from __future__ import annotations

from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor, nn


def find_unused_parameters(strategy: Strategy) -> None:
    """Let DDP look for trained weights that a step leaves out, instead of waiting for their gradients for ever.

    What the user said of it himself stands (``ddp_find_unused_parameters_false``).
    """
    if isinstance(strategy, DDPStrategy):
        strategy._ddp_kwargs.setdefault("find_unused_parameters", True)


def nothing_learnt(module: nn.Module) -> Tensor:
    """A loss of zero that every trained weight has its part in: for a batch of which nothing could be read."""
    return sum(parameter.sum() for parameter in module.parameters() if parameter.requires_grad) * 0.0
