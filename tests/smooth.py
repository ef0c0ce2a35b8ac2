"""A callback that keeps AdamW's steps as near to each other as the gradients they are made of."""

from lightning.pytorch.callbacks import Callback


class Smooth(Callback):
    """Sets AdamW's epsilon, by default 1e-8, to 1e-2.

    AdamW divides a gradient by its own usual size. One that is nothing but rounding thus makes a whole step, in a
    direction which the order of a sum decides: one process and two would end at different weights, both right.
    """

    def on_train_start(self, trainer, module):
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["eps"] = 1e-2
