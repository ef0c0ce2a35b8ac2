"""Hears every speaker of a folder before he is labelled, so that his own range is known."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from emollm.modules.base import EmotionModule
from emollm.modules.listener import Listener
from emollm.prediction import Prediction


class SpeakerListener(Callback):
    """Lets a listener hear a run of predictions that writes nothing."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def on_predict_start(self, trainer: Trainer, module: EmotionModule) -> None:
        """Begin a pass."""
        self.listener.begin()

    def on_predict_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: list[Prediction], *_: Any
    ) -> None:
        """Tell what the model says."""
        self.listener.add(outputs)

    def on_predict_end(self, trainer: Trainer, module: EmotionModule) -> None:
        """End a pass."""
        self.listener.end()
