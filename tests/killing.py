"""A callback that kills its own process, as a scheduler or a power cut would."""

import os
import signal

from lightning.pytorch.callbacks import Callback


class Kill(Callback):
    """A signal, SIGKILL by default, after an optimiser step, before that step's checkpoint is written."""

    def __init__(self, step: int, number: int = signal.SIGKILL) -> None:
        self.step = step
        self.number = number

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)
