"""What is kept of a training run: its best weights and its last state."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from emollm.calibrate import calibrate, file_beside, read_beside, tell_fault


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights that did best on the validation part, as ``checkpoints/best.ckpt``.

    The temperature that fits their confidences to the validation part lies beside, in ``best.calibration.json``.

    Args:
        monitor: validation figure to go by.
        mode: whether more or less of it is better.
    """

    def __init__(self, monitor: str = "val/ua", mode: Literal["max", "min"] = "max") -> None:
        super().__init__(
            filename="best", monitor=monitor, mode=mode, save_weights_only=True, enable_version_counter=False
        )

    def _save_topk_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        # A stage that warms up the interface has no figure of the LLM to go by yet.
        if self.monitor in monitor_candidates:
            super()._save_topk_checkpoint(trainer, monitor_candidates)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        calibration = calibrate(trainer.lightning_module, trainer.datamodule.parts.name)
        if trainer.is_global_zero and calibration is not None:
            calibration.write(file_beside(Path(filepath)))

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Tell of confidences that could not be calibrated, once, for the weights that are kept."""
        if not trainer.is_global_zero or not self.best_model_path:
            return
        calibration = read_beside(Path(self.best_model_path))
        if calibration is not None:
            tell_fault(calibration, file_beside(Path(self.best_model_path)))


class LastCheckpoint(ModelCheckpoint):
    """Keeps the state to resume from, as ``checkpoints/last.ckpt``.

    Args:
        every_n_steps: optimiser steps between two writes; the end of an epoch writes as well.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        super().__init__(
            filename="last",
            every_n_train_steps=every_n_steps,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        # The constructor takes steps or epochs; the hooks go by both.
        self._every_n_epochs = 1
