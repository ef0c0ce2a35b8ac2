"""A module that is trained in stages, and may keep the mean of its weights in each of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from lightning.pytorch.callbacks import EarlyStopping
from torch import nn

from emollm.data.batch import Batch
from emollm.errors import UserError
from emollm.modules.averaging import WeightAverage
from emollm.modules.base import EmotionModule
from emollm.modules.optimization import Optimization
from emollm.modules.speaker_range import SpeakerRange
from emollm.modules.stages import Stage, progress, stage_at


class StagedModule(EmotionModule):
    """What is trained when, over the stages of a curriculum.

    Args:
        labels: as of ``EmotionModule``.
        optimization: as of ``EmotionModule``.
        seed: as of ``EmotionModule``.
        speaker_range: as of ``EmotionModule``.
        stages: the curriculum; None is one stage, as long as the trainer runs.
    """

    def __init__(
        self,
        labels: str | list[str],
        optimization: Optimization,
        seed: int,
        speaker_range: SpeakerRange | None,
        stages: list[Stage] | None,
    ) -> None:
        super().__init__(labels, optimization, seed, speaker_range)
        self.stages = stages or []
        self.average = WeightAverage()
        self._adapter_names: set[str] = set()
        self._backbone_names: set[str] = set()
        self._stage: int | None = None

    @property
    def uses_all_weights(self) -> bool:
        """A warm-up leaves out the adapter, later stages its head, and a stage without audio the interface."""
        return not self.stages

    @property
    def _fits(self) -> bool:
        """Whether Lightning trains this model now, or validates it in between."""
        return self._trainer is not None and self._trainer.state.fn == "fit"

    @property
    def _present(self) -> Stage | None:
        """The stage that Lightning is in; None without stages, and where nothing is trained."""
        if not self.stages or not self._fits:
            return None
        return self.stages[stage_at(self.stages, self.current_epoch)]

    @property
    def _warms_up(self) -> bool:
        """Whether a linear head answers in the LLM's place now."""
        return self._present is not None and self._present.answer == "head"

    def stage_rates(self) -> list[tuple[int, float]]:
        """Epochs of each stage and its share of the learning rates."""
        return [(stage.epochs, stage.rate) for stage in self.stages]

    def setup(self, stage: str) -> None:
        """A fit begins without a mean; that of a run which is resumed is loaded after this."""
        if stage == "fit":
            self.average, self._stage = WeightAverage(), None
            if self.built and self.hears_later:
                self.forget_training_part()
            for name, parameter in self.named_parameters():
                if name in self._adapter_names:  # an earlier fit may have ended in a stage without it
                    parameter.requires_grad_(True)

    def on_fit_start(self) -> None:
        """Hold the trainer against the stages, and tell of a run that ends before they do.

        Raises:
            UserError: when it would wait for a figure that a warm-up does not log, or learn the ranges of a
                backbone that changes to the end, or shares out what is to be left as it is.
        """
        wanted, limit = sum(stage.epochs for stage in self.stages), self.trainer.max_epochs or 0
        if 0 < limit < wanted:
            warnings.warn(
                f"trainer.max_epochs is {limit}, and the stages of the recipe last {wanted} passes: the run ends "
                "before they do.",
                stacklevel=1,
            )
        warms = any(map(self._prepares, self.stages))
        for callback in self.trainer.callbacks:
            stops = isinstance(callback, EarlyStopping) and callback.strict
            if warms and stops and callback.monitor.startswith("val/"):
                raise UserError(
                    f"EarlyStopping waits for {callback.monitor}, which a stage with answer: head, or one that "
                    "trains backbone layers for later stages, has not yet: give it strict: false."
                )
        backbone = self.audio_backbone
        if self.ranges is not None and backbone is not None and not (backbone.frozen or self.hears_later):
            raise UserError(
                "model.speaker_range is about what the backbone says in the end, and its layers are trained until "
                "then: take a frozen one or a last stage with train_backbone: false, or leave it out."
            )
        if self.hears_later and self.shared_out:
            raise UserError(
                "model.stages: train_backbone: false needs every process to hold all weights, which "
                "trainer.strategy sharded shares out among them: take ddp."
            )
        super().on_fit_start()

    @property
    def hears_later(self) -> bool:
        """Whether trained backbone layers are left as they are from some stage on."""
        trained = self.audio_backbone is not None and not self.audio_backbone.frozen
        return trained and bool(self.stages) and not self.stages[-1].train_backbone

    def forget_training_part(self) -> None:
        """Begin as if the training part had not been heard yet, with a backbone that is trained again."""
        backbone = self.audio_backbone
        assert backbone is not None
        backbone.hold(False)
        if self.ranges is not None:
            self.ranges.forget()

    def metric_prefix(self, part: str) -> str:
        """The figures of stages that only prepare stand apart, so that they never choose the best model."""
        return "warm" if self._present is not None and self._prepares(self._present) else part

    def _prepares(self, stage: Stage) -> bool:
        """Whether a head answers, or the ranges and votes are missing of a backbone that is still trained."""
        return stage.answer == "head" or (self.hears_later and stage.train_backbone)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Train what this epoch's stage trains; a run resumed within an epoch has no start of epoch."""
        index = stage_at(self.stages, self.current_epoch)
        if self.stages and index != self._stage:
            self._stage = index
            self._enter(self.stages[index])
        super().on_train_batch_start(batch, batch_idx)  # last, for hearing draws random numbers too

    def _enter(self, stage: Stage) -> None:
        """Let those weights be trained that a stage trains."""
        if self.shared_out:  # there a weight is trained for ever, or never: its gradients are dropped
            return
        for name, parameter in self.named_parameters():
            if name in self._adapter_names:
                parameter.requires_grad_(stage.train_adapter)
        backbone = self.audio_backbone
        if backbone is None or backbone.frozen or backbone.held == (not stage.train_backbone):
            return
        backbone.hold(not stage.train_backbone)
        if backbone.held:
            self.hear_training_part()

    def optimizer_step(self, epoch: int, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Take a step, and the weights after it into the mean, where the stage keeps one.

        Here and not in a later hook, so that a checkpoint written after the step has the mean of that step.
        """
        super().optimizer_step(epoch, batch_idx, *args, **kwargs)
        index = stage_at(self.stages, epoch)
        share = self.stages[index].average if self.stages else 0.0
        done = epoch + batch_idx / self.trainer.num_training_batches
        if share and progress(self.stages, done) >= 1 - share:
            self.average.add(index, self._trained())

    def on_validation_start(self) -> None:
        """Validate the mean of the weights, which then is what the best checkpoint holds."""
        if self._fits and self.average.stage == stage_at(self.stages, self.current_epoch):
            self.average.put_in(self._trained())

    def on_validation_end(self) -> None:
        """Go on with the weights themselves; checkpoints are written before."""
        if self._fits:
            self.average.take_out(self._trained())

    def on_train_end(self) -> None:
        """End with the mean, where the stage that was trained last keeps one."""
        if self._stage is not None and self.average.stage == self._stage:
            self.average.end(self._trained())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the mean beside the weights, for a run that is resumed, whatever is in the model just now.

        A mean of an earlier stage is of no more use.
        """
        super().on_save_checkpoint(checkpoint)
        if "optimizer_states" in checkpoint and self.average.stage == stage_at(self.stages, self.current_epoch):
            checkpoint["average"] = self.average.state()
            checkpoint["state_dict"].update(self.average.own)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the mean that was begun."""
        super().on_load_checkpoint(checkpoint)
        if "average" in checkpoint:
            self.average.load(checkpoint["average"])

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, weight) for name, weight in self.named_parameters() if weight.requires_grad)

    def all_trained_names(self) -> set[str]:
        """Weights of adapter and trained backbone layers belong to the checkpoint in every stage."""
        return self.trained_names() | self._adapter_names | self._backbone_names
