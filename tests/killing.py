"""A callback that kills its own process, as a scheduler or a power cut would."""

import os
import shutil
import signal
from pathlib import Path

from lightning.pytorch.callbacks import Callback


class Kill(Callback):
    """A signal, SIGKILL by default, after an optimiser step, before that step's checkpoint is written."""

    def __init__(self, step: int, number: int = int(signal.SIGKILL)) -> None:
        self.step = step
        self.number = number

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


class Ask(Callback):
    """SIGTERM after the first batch of a prediction or a test, as ``docker stop`` sends it."""

    def _ask(self, batch: int) -> None:
        if batch == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_predict_batch_end(self, trainer, module, outputs, batch, number, *args):
        self._ask(number)

    def on_test_batch_end(self, trainer, module, outputs, batch, number, *args):
        self._ask(number)


class Keep(Callback):
    """Keeps ``last.ckpt`` as a kill after an optimiser step would leave it."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *args):
        folder = Path(trainer.log_dir) / "checkpoints"  # all processes ask, as they tell each other
        if trainer.global_step == self.step and trainer.is_global_zero:
            shutil.copy(folder / "last.ckpt", folder / "kept.ckpt")
