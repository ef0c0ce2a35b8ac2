"""A module whose LLM several processes may share out among them (``--trainer.strategy sharded``)."""

from __future__ import annotations

from typing import Literal

from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from emollm.data.processes import gather
from emollm.errors import UserError
from emollm.models.encoding import EncodedPrompt
from emollm.models.prompts import PromptTemplate
from emollm.models.speech_llm import SpeechLLM
from emollm.modules.asking import Asking
from emollm.modules.sharding import ShardedStrategy, average_gradients, clip_gradients, same_start, shard
from emollm.modules.staged import StagedModule


class SharedLLM(StagedModule):
    """What processes that hold a part of each block owe each other: one start, as many forwards, all gradients."""

    model: SpeechLLM
    asking: Asking
    template: PromptTemplate
    scoring: Literal["tree", "plain"]

    def configure_model(self) -> None:
        """Build once, and share the LLM's blocks out where the strategy says so."""
        super().configure_model()
        if self.is_sharded and not self.shared_out:
            self._refuse_what_is_not_sharded()
            same_start(self, self.trainer.strategy.root_device)
            shard(self.model.llm.blocks, self.device_mesh["data_parallel"])
            # Every process calls the blocks as often.
            self.model.reuse = False
            self.model.longest = lambda longest: max(gather(longest))
            self.shared_out = True

    @property
    def is_sharded(self) -> bool:
        """Whether the processes share the LLM's weights out among them."""
        return self._trainer is not None and isinstance(self.trainer.strategy, ShardedStrategy)

    @property
    def _may_merge(self) -> bool:
        """Whether the adapter may be folded into the LLM: never in a fit, nor where a strategy shards weights."""
        if self._fits or self.training:
            return False
        return self._trainer is None or type(self._trainer.strategy) in (SingleDeviceStrategy, DDPStrategy)

    def _refuse_what_is_not_sharded(self) -> None:
        if self.template.task != "emotion" or self.scoring != "tree":
            raise UserError(
                "trainer.strategy sharded scores labels in one forward: take a prompt that asks for the emotion "
                "alone and model.scoring: tree, or --trainer.strategy ddp."
            )
        if any(stage.average for stage in self.stages):
            raise UserError("trainer.strategy sharded keeps no mean: leave average out of model.stages.")

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Where the LLM is shared out, what is not has a gradient in each process."""
        if not self.shared_out:
            return
        average_gradients(self)
        if self._present is not None and not self._present.train_adapter:
            for name, parameter in self.named_parameters():
                if name in self._adapter_names:
                    parameter.grad = None

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """As Lightning does, and over all processes' parts where the LLM is shared out."""
        if self.shared_out and gradient_clip_val and gradient_clip_algorithm in (None, "norm"):
            clip_gradients(self, float(gradient_clip_val))
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def nothing_learnt(self) -> Tensor:
        """Where the LLM is shared out, others wait for this process's part of it too."""
        if not self.shared_out:
            return super().nothing_learnt()
        own = [p.sum() for p in self.parameters() if p.requires_grad and not isinstance(p, DTensor)]
        return sum(own) * 0.0 + (0.0 if self._warms_up else self._empty_forward().sum() * 0.0)

    def _empty_forward(self) -> Tensor:
        """One forward of the LLM, as others have."""
        labels = self.asking.encoder(self.template).label_tokens()
        return self.model.label_scores([EncodedPrompt(list(labels[0]), [], False)], labels, None)
