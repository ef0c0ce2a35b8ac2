"""Keeps what a module says of the validation or the test part, until somebody measures it."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from emollm.data.sounds import SoundIndex
from emollm.modules.base import EmotionModule
from emollm.prediction import Prediction, with_durations


class Collector(Callback):
    """Collects the predictions of one pass, those of all processes, each utterance once.

    Attributes:
        predictions: in the order of the table, once the pass has ended.
    """

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []

    def on_validation_start(self, trainer: Trainer, module: EmotionModule) -> None:
        """Forget the last pass."""
        self.predictions = []

    def on_test_start(self, trainer: Trainer, module: EmotionModule) -> None:
        """Forget the last pass."""
        self.predictions = []

    def on_validation_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: list[Prediction], *_: Any
    ) -> None:
        """Keep the predictions of a batch."""
        self.predictions += outputs

    def on_test_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: list[Prediction], *_: Any
    ) -> None:
        """Keep the predictions of a batch."""
        self.predictions += outputs

    def on_validation_end(self, trainer: Trainer, module: EmotionModule) -> None:
        """Put them in order."""
        self._gather([row.key for row in trainer.datamodule.parts.validation], trainer.datamodule.sounds)

    def on_test_end(self, trainer: Trainer, module: EmotionModule) -> None:
        """Put them in order."""
        self._gather([row.key for row in trainer.datamodule.parts.test], trainer.datamodule.sounds)

    def _gather(self, keys: list[str], sounds: SoundIndex) -> None:
        found = self.predictions
        if dist.is_available() and dist.is_initialized():
            shards: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(shards, found)
            found = [prediction for shard in shards for prediction in shard]
        place = {key: index for index, key in enumerate(keys)}
        # Processes are given equal numbers of utterances, so that one may have been scored twice.
        once = {prediction.utterance.key: prediction for prediction in found}
        self.predictions = sorted(once.values(), key=lambda prediction: place[prediction.utterance.key])
        self.predictions = with_durations(self.predictions, sounds)
