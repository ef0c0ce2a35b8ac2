"""From a table to batches: how long utterances are to the model, how often labels are drawn, and the loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch.utils.data import DataLoader

from emollm.data.batch import BatchDataset, Collate, Item, UtteranceDataset
from emollm.data.sampler import EpochSampler, OrderedSampler
from emollm.data.sounds import SoundIndex
from emollm.data.utterance import Utterance, UtteranceTable

_TOKENS_A_SECOND = 10.0  # of the LLM, for a second of sound: about one embedding in a tenth of a second
_LETTERS_A_TOKEN = 4.0


def lengths_of(table: UtteranceTable, hears: bool, index: SoundIndex) -> Callable[[Sequence[int]], list[float]]:
    """How long utterances are to the model: about its LLM's tokens, which grow with the encoder's frames.

    Args:
        table: the utterances.
        hears: whether their sound counts.
        index: what is known of sound files; headers are read where that is nothing.

    Returns:
        Indices → lengths.
    """

    def ask(indices: Sequence[int]) -> list[float]:
        rows = [table[index] for index in indices]
        seconds = index.all_seconds(rows) if hears else [0.0] * len(rows)
        return [
            _TOKENS_A_SECOND * s + _letters(row) / _LETTERS_A_TOKEN for s, row in zip(seconds, rows, strict=True)
        ]

    return ask


def loader(
    utterances: UtteranceDataset,
    sampler: EpochSampler | OrderedSampler,
    labels: Sequence[str],
    workers: int,
    pin_memory: bool,
) -> DataLoader[list[Item]]:
    """Batches of utterances.

    Args:
        utterances: what to decode.
        sampler: yields batches.
        labels: the label set, which targets point into.
        workers: processes that decode.
        pin_memory: for a GPU, which then copies faster.
    """
    workers = min(workers, len(sampler))
    return DataLoader(
        BatchDataset(utterances),
        batch_size=None,  # the sampler makes the batches
        sampler=sampler,
        num_workers=workers,
        collate_fn=Collate({name: index for index, name in enumerate(labels)}),
        persistent_workers=workers > 0 and isinstance(sampler, EpochSampler),
        pin_memory=pin_memory,
    )


def _letters(row: Utterance) -> int:
    return len(row.transcript or "") + sum(len(turn) for turn in row.context or ())
