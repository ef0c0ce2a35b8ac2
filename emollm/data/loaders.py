"""From a table to batches: how long utterances are to the model, and the loaders of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch.utils.data import DataLoader

from emollm.data.batch import BatchDataset, Collate, Item, UtteranceDataset
from emollm.data.sampler import EpochSampler, Lengths, OrderedSampler
from emollm.data.sounds import SoundIndex
from emollm.data.utterance import Utterance, UtteranceTable

Loader = DataLoader[list[Item]]

_TOKENS_A_SECOND = 10.0  # of the LLM, for a second of sound: about one embedding in a tenth of a second
_LETTERS_A_TOKEN = 4.0


@dataclass(frozen=True)
class Loaders:
    """Makes the loaders of a run.

    Attributes:
        labels: the label set, which targets point into.
        index: what is known of sound files.
        size: utterances a batch.
        tokens: of a batch, in the place of ``size``.
        bucket: whether batches are of about one length.
        letters: of what every prompt has beside the utterance's own.
        window: seconds; sound that is encoded is padded to a multiple of it.
        workers: processes that decode.
        rank: of this process.
        world_size: number of processes.
        pin_memory: for a GPU, which then copies faster.
    """

    labels: Sequence[str]
    index: SoundIndex
    size: int
    tokens: int | None
    bucket: bool
    letters: int
    window: float | None
    workers: int
    rank: int
    world_size: int
    pin_memory: bool

    def shuffled(
        self,
        utterances: UtteranceDataset,
        seed: int,
        weights: Sequence[float] | None,
        place: Callable[[], tuple[int, int]],
    ) -> Loader:
        """Utterances in another order each epoch, see ``EpochSampler``."""
        lengths, number = self._lengths(utterances), len(utterances)
        known = None if lengths is None else lengths(range(number))
        ranks = (self.rank, self.world_size)
        return self._loader(
            utterances, EpochSampler(number, self.size, seed, weights, known, place, *ranks, self.tokens)
        )

    def in_order(self, utterances: UtteranceDataset) -> Loader:
        """Each utterance once over all processes."""
        ranks = (self.rank, self.world_size)
        lengths = self._lengths(utterances)
        return self._loader(utterances, OrderedSampler(len(utterances), self.size, lengths, *ranks, self.tokens))

    def _lengths(self, utterances: UtteranceDataset) -> Lengths | None:
        if not self.bucket:
            return None
        window = None if utterances.store is not None else self.window
        return lengths_of(utterances.table, utterances.decode, self.index, self.letters, window)

    def _loader(self, utterances: UtteranceDataset, sampler: EpochSampler | OrderedSampler) -> Loader:
        workers = min(self.workers, len(sampler))
        return DataLoader(
            BatchDataset(utterances),
            batch_size=None,  # the sampler makes the batches
            sampler=sampler,
            num_workers=workers,
            collate_fn=Collate({name: index for index, name in enumerate(self.labels)}),
            persistent_workers=workers > 0 and isinstance(sampler, EpochSampler),
            pin_memory=self.pin_memory,
        )


def lengths_of(
    table: UtteranceTable, hears: bool, index: SoundIndex, letters: int = 0, window: float | None = None
) -> Lengths:
    """How long utterances are to the model: about its LLM's tokens, which grow with the encoder's frames.

    Args:
        table: the utterances.
        hears: whether their sound counts.
        index: what is known of sound files; headers are read where that is nothing.
        letters: of what every prompt has beside.
        window: seconds; sound is padded to a multiple of it.

    Returns:
        Indices → lengths.
    """

    def ask(indices: Sequence[int]) -> list[float]:
        rows = [table[index] for index in indices]
        seconds = heard_seconds(rows, index) if hears else [0.0] * len(rows)
        if window is not None:
            seconds = [window * math.ceil(s / window) for s in seconds]
        return [
            _TOKENS_A_SECOND * s + (letters + _letters(row)) / _LETTERS_A_TOKEN
            for s, row in zip(seconds, rows, strict=True)
        ]

    return ask


def heard_seconds(rows: Iterable[Utterance], index: SoundIndex) -> list[float]:
    """Length of each utterance at the speed at which it is played."""
    rows = list(rows)
    return [seconds / row.speed for seconds, row in zip(index.all_seconds(rows), rows, strict=True)]


def _letters(row: Utterance) -> int:
    return len(row.transcript or "") + sum(len(turn) for turn in row.context or ())
