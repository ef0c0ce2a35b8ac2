"""An LLM that several processes share out among them: each holds a part of every block (FSDP)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import ModelParallelStrategy, StrategyRegistry
from torch import nn
from torch.distributed.tensor import DTensor

from emollm.errors import UserError

NAME = "sharded"


class ShardedStrategy(ModelParallelStrategy):
    """Fully sharded data parallelism (torch's ``fully_shard``), as ``--trainer.strategy sharded``.

    Lightning's ``fsdp`` wants all weights of a block in one precision, and the frozen ones are in bfloat16 while
    their adapter is in float32. Checkpoints are those of one process: what was trained, in one file.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False, **settings)

    def setup_environment(self) -> None:
        """Every process has data of its own."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """What is trained, whole, in the first process; frozen weights are not gathered for nothing."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        assert self.model is not None
        options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
        return get_model_state_dict(self.model, options=options)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Put stored weights and optimiser states where they belong; returns all of it, to be checked."""
        assert self.model is not None
        stored = torch.load(checkpoint_path, map_location="cpu", weights_only=True)
        kept = stored.get("optimizer_states", [])
        # Here a weight goes by its place among all weights, elsewhere by its place among the trained ones.
        weights = list(self.model.parameters())
        trained = {place for place, weight in enumerate(weights) if weight.requires_grad}
        if any({place for group in one["param_groups"] for place in group["params"]} != trained for one in kept):
            raise UserError(f"The run to resume was begun without --trainer.strategy {NAME}: resume it without.")
        rest = super().load_checkpoint(checkpoint_path, weights_only)
        for optimizer, one in zip(self.optimizers, kept, strict=True):
            # What had no state yet, the adapter in a stage that leaves it out, was given one by the loading.
            known = {weights[place] for place in one["state"]}
            for weight in set(optimizer.state) - known:
                del optimizer.state[weight]
        return {**rest, **{name: stored[name] for name in ("state_dict", "optimizer_states") if name in stored}}


StrategyRegistry.register(NAME, ShardedStrategy, description="FSDP of the LLM's blocks")


def shard(blocks: Iterable[nn.Module], mesh: Any) -> None:
    """Share the weights of blocks out; each is gathered for as long as it computes.

    Args:
        blocks: called one after the other, as often in every process.
        mesh: of processes, one dimension.
    """
    from torch.distributed.fsdp import fully_shard

    for block in blocks:
        fully_shard(block, mesh=mesh, reshard_after_forward=True)  # none of them is inside of another


@torch.no_grad()
def same_start(module: nn.Module, device: torch.device) -> None:
    """Let every process begin with the trained weights of the first one.

    Args:
        module: before it is moved to the device.
        device: where the processes can talk.
    """
    for weight in module.parameters():
        if weight.requires_grad:
            value = weight.data.to(device)
            dist.broadcast(value, src=0)
            weight.data.copy_(value)


@torch.no_grad()
def average_gradients(module: nn.Module) -> None:
    """The mean over the processes, for weights that each of them holds whole.

    What no process has learnt anything for, as a head that a stage leaves out, keeps no gradient.
    """
    whole = [w for w in module.parameters() if w.requires_grad and not isinstance(w, DTensor)]
    if not whole:  # text alone: nothing is trained but the adapter
        return
    learnt = torch.tensor([float(weight.grad is not None) for weight in whole], device=whole[0].device)
    dist.all_reduce(learnt)
    for weight, processes in zip(whole, learnt.tolist(), strict=True):
        if processes:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            dist.all_reduce(weight.grad)
            weight.grad /= dist.get_world_size()


@torch.no_grad()
def clip_gradients(module: nn.Module, limit: float) -> None:
    """Scale all gradients so that their norm is at most ``limit``, over what is shared out and what is not."""
    grads = [weight.grad for weight in module.parameters() if weight.grad is not None]
    norms = [torch.linalg.vector_norm(grad) for grad in grads]
    norms = [norm.full_tensor() if isinstance(norm, DTensor) else norm for norm in norms]
    total = torch.linalg.vector_norm(torch.stack(norms))
    factor = float((limit / (total + 1e-6)).clamp(max=1.0))
    for grad in grads:
        grad.mul_(factor)
