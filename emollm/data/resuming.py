"""Where a run that was interrupted goes on, and with which batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer

from emollm.errors import UserError

if TYPE_CHECKING:
    from emollm.data.datamodule import EmotionData


def place_of(trainer: Trainer) -> tuple[int, int]:
    """Epoch that a run begins with, and how many of its batches this process consumed before an interruption."""
    epochs = trainer.fit_loop.epoch_progress.current
    batches = trainer.fit_loop.epoch_loop.batch_progress
    if epochs.ready == epochs.processed:
        return epochs.processed, 0
    if batches.is_last_batch:
        return epochs.processed + 1, 0
    return epochs.processed, batches.current.ready


def batches_of(data: EmotionData) -> dict[str, Any]:
    """What the batches of an epoch depend on beside the training part, by the names of options."""
    return {
        "data.batch_size": data.size,
        "data.batch_tokens": data.batch_tokens,
        "data.bucket": data.bucket,
        "data.seed": data.seed,
        "data.augmentation.speed": list(data.augmentation.speed),
        "data.mixing": asdict(data.mixing),
        "trainer.devices": data.trainer.world_size,
    }


def refuse_other_batches(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Hold what batches depend on against what it was when a run was interrupted within an epoch.

    Of other batches it would pass over other utterances than those that it was trained on, without a word.

    Args:
        then: as ``batches_of``; what it does not name is not compared.
        now: of the run that goes on.

    Raises:
        UserError: when something differs.
    """
    for name, value in then.items():
        if name in now and now[name] != value:
            raise UserError(
                f"{name} is {now[name]}, and was {value} when this run was interrupted within an epoch, of which "
                "batches are still to come: give that until the epoch has ended."
            )
