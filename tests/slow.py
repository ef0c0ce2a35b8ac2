"""A callback that gives a test the time to kill a run."""

import time

from lightning.pytorch.callbacks import Callback


class Slow(Callback):
    """Waits a little after every step."""

    def on_train_batch_end(self, *args):
        time.sleep(0.3)
