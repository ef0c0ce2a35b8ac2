"""What is kept of a training run: its best weights and its last state."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from emollm.calibrate import calibrate, file_beside, read_beside, tell_fault
from emollm.errors import UserError
from emollm.files import write_bytes
from emollm.metrics import FIGURES

MONITORS = {f"val/{name}" for name in FIGURES}
"""Figures that the validation of every model that answers with a label gives."""


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside the one that is there, then puts it in its place.

    Lightning's own writes below the system's scratch folder and moves: from another file system that is a copy,
    and a run killed meanwhile, or a full disk, takes the last good state with it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write to a local path at one stroke; to a place with a protocol (s3://…) as Lightning does."""
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getvalue())


class Checkpoint(ModelCheckpoint):
    """One file, whole at any time."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Choose how files are written, unless the user has chosen."""
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = WholeFiles()
        super().setup(trainer, pl_module, stage)


class BestCheckpoint(Checkpoint):
    """Keeps the weights that did best on the validation part, as ``checkpoints/best.ckpt``.

    The temperature that fits their confidences to the validation part lies beside, in ``best.calibration.json``.

    Args:
        monitor: validation figure to go by.
        mode: whether more or less of it is better.
    """

    def __init__(self, monitor: str = "val/ua", mode: Literal["max", "min"] = "max") -> None:
        super().__init__(
            filename="best",
            monitor=monitor,
            mode=mode,
            save_weights_only=True,
            # As validation ends, while the weights that were validated, a mean of steps maybe, are still in the
            # module; by default Lightning waits until the epoch has ended, as figures of training have to.
            save_on_train_epoch_end=False if monitor.startswith("val/") else None,
            enable_version_counter=False,
        )

    def _save_topk_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        # A stage that warms up the interface has no figure of the LLM to go by yet.
        if self.monitor in monitor_candidates:
            super()._save_topk_checkpoint(trainer, monitor_candidates)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, if it is the best; and tell of a figure that there is not, before training if it is checked then.

        Raises:
            UserError: when validation gives figures, and the one to go by is none of them.
        """
        # A warm-up's figures are called warm/…, and the LLM will have those of the same names.
        figures = (name.partition("/") for name in trainer.callback_metrics)
        known = {f"val/{name}" for part, _, name in figures if part in ("val", "warm")}
        # A model that only transcribes gives word errors, and no best of what the monitor is by default.
        if known and self.monitor.startswith("val/") and self.monitor not in known | MONITORS:
            raise UserError(
                f"best.monitor is {self.monitor}, and validation gives none of that name: choose one of "
                f"{', '.join(sorted(known))}."
            )
        super().on_validation_end(trainer, pl_module)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        calibration, beside = calibrate(trainer.lightning_module, trainer.datamodule.parts.name), None
        if trainer.is_global_zero:
            beside = file_beside(Path(filepath))
            # A run that is killed between the two leaves no weights with the temperature of others.
            beside.unlink(missing_ok=True)
        super()._save_checkpoint(trainer, filepath)
        if beside is not None and calibration is not None:
            calibration.write(beside)

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Tell of confidences that could not be calibrated, once, for the weights that are kept."""
        if not trainer.is_global_zero or not self.best_model_path:
            return
        calibration = read_beside(Path(self.best_model_path))
        if calibration is not None:
            tell_fault(calibration, file_beside(Path(self.best_model_path)))


class LastCheckpoint(Checkpoint):
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

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Save after so many steps; the last one of an epoch waits for its end.

        A state that was saved before the epoch's validation would be resumed without it, and without its best.
        """
        if not trainer.is_last_batch:
            super().on_train_batch_end(trainer, *args)
