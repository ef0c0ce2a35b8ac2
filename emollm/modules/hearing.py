"""What reaches the trained parts from a frozen backbone: stored or fresh, in whose range, and augmented."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from emollm.data.augment import Augmentation
from emollm.data.batch import Batch
from emollm.data.features import as_stored
from emollm.errors import UserError
from emollm.models.backbones import Backbone
from emollm.models.ranges import SpeakerRanges
from emollm.modules.speaker_range import (
    SpeakerRange,
    View,
    emotions_by_speaker,
    merged,
    nameless,
    show,
    speaker_of,
)


class HearingModule(LightningModule, ABC):
    """A module with an audio backbone, in batches whose features may have been stored.

    Args:
        speaker_range: trains on features in other ranges too; None takes them as they are.
    """

    draws_views = True
    """Whether training shows each utterance in a range that is drawn."""

    def __init__(self, speaker_range: SpeakerRange | None) -> None:
        super().__init__()
        self.speaker_range = speaker_range
        self.ranges: SpeakerRanges | None = None
        self.view: View = "plain"
        """In whose range utterances are shown where they are not drawn; set by who measures or predicts so."""

    @property
    @abstractmethod
    def audio_backbone(self) -> Backbone | None:
        """The audio encoder, if the model hears."""

    def feature_settings(self) -> str:
        """What stored features depend on beside the sound."""
        backbone = self.audio_backbone
        assert backbone is not None
        return f"{backbone.content}|{backbone.layers}|{backbone.dtype}|{backbone.setting}"

    def make_ranges(self) -> None:
        """Make room for the range of the training speakers, where the model hears and is to know it."""
        backbone = self.audio_backbone
        if self.speaker_range is not None and backbone is not None:
            self.ranges = SpeakerRanges(len(backbone.layers), backbone.width, self.speaker_range.shrinkage)

    @property
    def hears_later(self) -> bool:
        """Whether the backbone is trained first, and what it says of the training part learned afterwards."""
        return False

    def on_fit_start(self) -> None:
        """Hear the training part, where the backbone already speaks as it will in the end.

        Raises:
            UserError: when there are ranges to learn, and no speakers.
        """
        if self.ranges is not None:
            _refuse_nameless(map(speaker_of, self.trainer.datamodule.training))
        if not self.hears_later:
            self.hear_training_part()

    @torch.no_grad()
    def hear_training_part(self) -> None:
        """Hear every training speaker once, and learn all their ranges.

        Raises:
            UserError: when no recording of a speaker who is named can be read.
        """
        if self.ranges is None:
            return
        data = self.trainer.datamodule
        self.ranges.listen()
        for batch in data.heard_dataloader(data.training):
            if len(batch):
                self.hidden_states(batch.to(self.device))
        heard = merged(self.ranges.stop())
        _refuse_nameless(heard)
        self.ranges.learn(heard.values())
        known = emotions_by_speaker(((row, row.label) for row in data.training), self.labels)
        self.ranges.use(self.speaker_range.usable(heard, known))

    def encoded(self, batch: Batch) -> Batch:
        """The batch with the backbone's hidden states as its features, as it is where it brings stored ones.

        A frozen backbone's states pass through float16 either way, so that a run scores the same with and
        without the store.
        """
        if batch.features is not None:
            return batch
        backbone = self.audio_backbone
        assert backbone is not None
        # Its own dtype alone decides how a backbone that is not trained now computes, as where it fills the store.
        trained = torch.is_grad_enabled() and not (backbone.frozen or backbone.held)
        with nullcontext() if trained else torch.autocast(self.device.type, enabled=False):
            hidden, mask = backbone(batch.waveforms, batch.lengths)
        return replace(batch, features=hidden if hidden.requires_grad else as_stored(hidden), mask=mask)

    def hidden_states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Hidden states of the backbone, in the ranges in which the utterances are shown, and augmented.

        Returns:
            (B, L, T, D) float32 and the (B, T) mask.
        """
        batch = self.encoded(batch)
        assert batch.features is not None
        assert batch.mask is not None
        hidden, mask = batch.features.float(), batch.mask
        hidden = self._in_range(hidden, mask, *self.ranges_of(batch))
        augmentation = self.augmentation
        if augmentation is None or not augmentation.changes_features:
            return hidden, mask
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        frames = augmentation.apply_features(hidden.transpose(1, 2).flatten(2), mask, generator)
        return frames.unflatten(2, (hidden.shape[1], -1)).transpose(1, 2), mask

    def hidden_state_of(
        self, batch: Batch, row: int, speaker: str | None = None, voice: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """What ``hidden_states`` gives of one row of stored features, without augmentation and padding.

        Args:
            batch: has them.
            row: which one.
            speaker: in whose range it is, as ``ranges_of`` says.
            voice: in whose it is put.

        Returns:
            (1, L, T, D) float32 and the (1, T) mask.
        """
        assert batch.features is not None
        assert batch.mask is not None
        one, frames = slice(row, row + 1), int(batch.mask[row].sum())
        hidden, mask = batch.features[one, :, :frames].float(), batch.mask[one, :frames]
        return self._in_range(hidden, mask, [speaker], [voice]), mask

    def _in_range(
        self, hidden: Tensor, mask: Tensor, speakers: list[str | None], voices: list[str | None]
    ) -> Tensor:
        if self.ranges is None:
            return hidden
        # How loud a whole frame is in its layer says little of emotion, and much of the recording.
        return self.ranges(nn.functional.layer_norm(hidden, hidden.shape[-1:]), mask, speakers, voices)

    def ranges_of(self, batch: Batch) -> tuple[list[str | None], list[str | None]]:
        """Of each utterance the speaker in whose range it is, and whose it is put in; in training drawn anew.

        None stands for all training speakers, and where the model knows no ranges. While speakers are listened to,
        each utterance is its own speaker's.
        """
        if self.ranges is None or self.speaker_range is None:
            return [None] * len(batch), [None] * len(batch)
        names = [speaker_of(utterance) for utterance in batch.utterances]
        if self.ranges.listens:
            return names, [None] * len(names)
        draws = self.training and self.draws_views
        views = self.speaker_range.draw(len(names)) if draws else [self.view] * len(names)
        return show(names, views, self.ranges.speakers)

    @contextmanager
    def shown_as(self, view: View) -> Iterator[None]:
        """Every utterance in one range and without random changes, as where a model measures, for a while."""
        before = self.training, self.view
        self.training, self.view = False, view  # of this module alone: its parts stay in the mode they are in
        try:
            yield
        finally:
            self.training, self.view = before

    @property
    def augmentation(self) -> Augmentation | None:
        """Random changes of the training features; None outside of training."""
        if not self.training or self._trainer is None:
            return None
        return getattr(self.trainer.datamodule, "augmentation", None)


def _refuse_nameless(speakers: Iterable[str]) -> None:
    """Refuse to learn ranges where nobody is named; names are as ``speaker_of`` makes them."""
    if all(nameless(speaker) for speaker in speakers):
        raise UserError("model.speaker_range needs speakers, and the training part names none: leave it out.")
