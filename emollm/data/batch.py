"""A batch of utterances, and the dataset and collation that make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from emollm.data import audio
from emollm.data.augment import Augmentation, play
from emollm.data.features import FeatureStore, pad_features
from emollm.data.sounds import State, state_of
from emollm.data.utterance import Utterance, UtteranceTable

if TYPE_CHECKING:
    from emollm.data.transcripts import Transcripts


@dataclass
class Item:
    """One utterance with its decoded sound or its stored features, or with the reason why it has none."""

    utterance: Utterance
    waveform: Tensor | None = None
    features: Tensor | None = None
    error: str | None = None
    state: State | None = None
    """Of the sound file before it was opened."""


@dataclass
class Batch:
    """What a LightningModule is given.

    Attributes:
        utterances: the B utterances that could be read.
        waveforms: (B, S) float32 at 16 kHz, zeros behind each end; None for text-only work.
        lengths: (B,) true samples; empty where there are no waveforms.
        features: (B, L, T, D) float16 hidden states of the frozen backbone, where they were stored; or None.
        mask: (B, T) bool, True where a frame of ``features`` is real.
        targets: (B,) index into the label set, -1 where an utterance has no label.
        broken: utterances that could not be read, each with its reason: reported, never silently lost.
        states: for each utterance the state of its sound file before it was opened, or None; empty where nobody
            looked.
    """

    utterances: list[Utterance]
    waveforms: Tensor | None
    lengths: Tensor
    targets: Tensor
    features: Tensor | None = None
    mask: Tensor | None = None
    broken: list[tuple[Utterance, str]] = field(default_factory=list)
    states: list[State | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def transcripts(self) -> list[str | None]:
        """One transcript, or None, for each utterance."""
        return [utterance.transcript for utterance in self.utterances]

    def without(self, faults: Mapping[int, str]) -> Batch:
        """The batch without some of its rows, which are broken for the reasons given."""
        keep = [row for row in range(len(self)) if row not in faults]
        broken = [(self.utterances[row], reason) for row, reason in faults.items()]
        kept = self._each(lambda tensor: tensor[keep] if len(tensor) else tensor)
        states = [self.states[row] for row in keep] if self.states else []
        return replace(
            kept, utterances=[self.utterances[row] for row in keep], broken=[*self.broken, *broken], states=states
        )

    def to(self, device: Any, non_blocking: bool = False) -> Batch:
        """The same batch with its tensors on another device."""
        return self._each(lambda tensor: tensor.to(device=device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in pinned memory, from which a GPU copies faster."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        names = ("waveforms", "lengths", "targets", "features", "mask")
        tensors = {name: getattr(self, name) for name in names}
        return replace(self, **{name: change(t) for name, t in tensors.items() if t is not None})


class UtteranceDataset(Dataset[Item]):
    """Decodes utterances; what cannot be decoded becomes an item with its reason, never an exception.

    Args:
        table: the utterances, in order.
        decode: whether sound is wanted at all.
        min_seconds: shorter recordings are broken.
        max_seconds: longer recordings are broken (told from the header, not decoded).
        augmentation: changes of the waveform, in training only.
        seed: with ``epoch`` and the index it determines every random change, so a resumed run repeats them.
        store: features to take instead of decoding, where it has them.
        transcripts: where to look up those that the table lacks; the sound of the others is decoded, so that they
            can be written.
        faults: utterances, by key, that are known to be broken, with their reasons.
    """

    def __init__(
        self,
        table: UtteranceTable,
        decode: bool = True,
        min_seconds: float = audio.SHORTEST,
        max_seconds: float = audio.LONGEST,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        store: FeatureStore | None = None,
        transcripts: Transcripts | None = None,
        faults: Mapping[str, str] | None = None,
    ) -> None:
        self.table = table
        self.decode = decode
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.augmentation = augmentation if augmentation and augmentation.changes_waveform else None
        self.seed = seed
        self.store = store
        self.transcripts = transcripts
        self.faults = faults or {}

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int | tuple[int, int]) -> Item:
        return self._item(index, self.decode, self.store)

    def __getitems__(self, indices: Sequence[int | tuple[int, int]]) -> list[Item]:
        """The items of one batch: all of them with features, all of them with sound, or none with either.

        Stored features may vanish while a run goes on (someone clears the cache); what a batch then lacks is
        encoded anew, together with the rest of the batch.
        """
        items = [self[index] for index in indices]
        if len({(item.features is None, item.waveform is None) for item in items if item.error is None}) > 1:
            if not self.decode:  # some were decoded to be transcribed; the others' sound nobody asks for
                return [_mute(item) for item in items]
            return [self._item(index, True, None) for index in indices]
        return items

    def _item(self, index: int | tuple[int, int], decode: bool, store: FeatureStore | None) -> Item:
        epoch, index = index if isinstance(index, tuple) else (0, index)
        utterance = self.table[index]
        if utterance.key in self.faults:
            return Item(utterance, error=self.faults[utterance.key])
        to_write = False
        if self.transcripts is not None:
            utterance = self.transcripts.recall(utterance)
            to_write = utterance.transcript is None
        if not decode and not to_write:
            return Item(utterance)
        if utterance.path is None:
            return Item(utterance, error="no sound file is named")
        features = store.read(utterance) if store is not None and not to_write else None
        if features is not None:
            return Item(utterance, features=features)
        state = state_of(utterance.path)
        try:
            samples = audio.load(
                utterance.path, utterance.start, utterance.end, self.min_seconds, self.max_seconds
            )
        except audio.AudioError as error:
            return Item(utterance, error=str(error))
        waveform = play(torch.from_numpy(np.ascontiguousarray(samples)), utterance.speed)
        if self.augmentation is not None:
            generator = torch.Generator().manual_seed(hash((self.seed, epoch, index)) % 2**63)
            waveform = self.augmentation.apply_waveform(waveform, generator)
        return Item(utterance, waveform, state=state)


def _mute(item: Item) -> Item:
    """An item that stands among others with sound; one that has none gets a recording of no length."""
    has_sound = item.error is not None or item.waveform is not None
    return item if has_sound else replace(item, waveform=torch.zeros(0))


class BatchDataset(Dataset[list[Item]]):
    """The same utterances, asked for by whole batches: for samplers that yield batches."""

    def __init__(self, utterances: UtteranceDataset) -> None:
        self.utterances = utterances

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, indices: int | Sequence[int | tuple[int, int]]) -> list[Item]:
        # Lightning's overfit_batches puts a sampler of single utterances in the place of ours.
        return self.utterances.__getitems__([indices] if isinstance(indices, int) else indices)


@dataclass(frozen=True)
class Collate:
    """Pads items into a batch.

    Args:
        index: label to position in the label set.
    """

    index: dict[str, int]

    def __call__(self, items: Sequence[Item]) -> Batch:
        """Items → batch; broken items are set aside with their reasons."""
        good = [item for item in items if item.error is None]
        waves = [item.waveform for item in good if item.waveform is not None]
        stored = [item.features for item in good if item.features is not None]
        features, mask = pad_features(stored) if stored else (None, None)
        return Batch(
            utterances=[item.utterance for item in good],
            waveforms=torch.nn.utils.rnn.pad_sequence(waves, batch_first=True) if waves else None,
            lengths=torch.tensor([len(wave) for wave in waves], dtype=torch.long),
            targets=torch.tensor([self.index.get(i.utterance.label or "", -1) for i in good], dtype=torch.long),
            features=features,
            mask=mask,
            broken=[(item.utterance, item.error) for item in items if item.error is not None],
            states=[item.state for item in good],
        )
