"""Ends a run that was asked to end, as a scheduler or ``docker stop`` asks."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException


class StopOnSignal(Callback):
    """Heeds SIGTERM between two batches of a prediction, as Lightning itself does in training and evaluation."""

    def on_predict_batch_start(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Stop, all rows of the batches before being written."""
        if trainer.received_sigterm:
            raise SIGTERMException
