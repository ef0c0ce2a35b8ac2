"""Hears every speaker of a folder before he is labelled, so that his own range is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from emollm.data.processes import gather, say
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.models.ranges import Sums
from emollm.modules.base import EmotionModule
from emollm.modules.speaker_range import add, emotions_by_speaker, merged
from emollm.prediction import Prediction


class SpeakerListener(Callback):
    """Passes that write nothing: what the ranges are, and how mixed the emotions of all and of each speaker seem.

    The first pass hears every recording and labels it as it is, the second one, where the range of all recordings
    is safe, in that. Memory grows with the number of speakers, not of recordings.

    Args:
        module: trained with ``model.speaker_range``.

    Attributes:
        done: whether the module has ranges to label with, and no further pass is needed.

    Raises:
        UserError: when it was trained without.
    """

    def __init__(self, module: EmotionModule) -> None:
        if module.ranges is None:
            raise UserError(
                f"{module.name} knows features as they are only: train with model.speaker_range, or leave "
                "--speaker_range out."
            )
        self.done = False
        self._heard: dict[str, Sums] | None = None
        self._corpora: dict[str, Sums] = {}
        self._said: dict[str, list[int]] = {}

    def on_predict_start(self, trainer: Trainer, module: EmotionModule) -> None:
        """Begin to listen, or to ask again."""
        if not module.ranges.learned:
            raise UserError(
                f"{module.name} is of a stage in which backbone layers are still trained, and knows no ranges "
                "yet: take a checkpoint of a later stage, or leave --speaker_range out."
            )
        self._said = {}
        if self._heard is None:
            module.ranges.listen()

    def on_predict_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: list[Prediction], *_: Any
    ) -> None:
        """Count what the model says of each speaker."""
        add(self._said, emotions_by_speaker(((one.utterance, one.label) for one in outputs), module.labels))

    def on_predict_end(self, trainer: Trainer, module: EmotionModule) -> None:
        """First use the range of all recordings, where it is safe; then that of each speaker, where it is too."""
        said: dict[str, list[int]] = {}
        for part in gather(self._said):
            add(said, part)
        guard = module.speaker_range
        if self._heard is None:
            self._heard = merged(module.ranges.stop())
            self._corpora = guard.usable_corpora(self._heard, said)
            module.view = "own"
            if self._corpora:
                module.ranges.use({}, self._corpora)
                return
        usable = guard.usable(self._heard, said)
        module.ranges.use(usable, self._corpora)
        self.done = True
        if self._corpora:
            others = "in the range of all recordings"
        else:
            others = "as they are, as all recordings together seem to show too few emotions too, or are too few"
        say(
            f"Speakers' own ranges: {len(usable)} of {len(self._heard)} speakers; the others are heard in fewer "
            f"than {guard.clips} recordings, or seem to show too few emotions, and are taken {others}."
        )


def by_folder(table: UtteranceTable) -> UtteranceTable:
    """A table in which a recording without a named speaker is of the speaker that its folder is named after."""
    return UtteranceTable(_named(table))


def _named(table: UtteranceTable) -> Iterator[Utterance]:
    for row in table:
        unnamed = row.speaker is None and row.path is not None
        yield replace(row, speaker=str(row.path.parent)) if unnamed else row
