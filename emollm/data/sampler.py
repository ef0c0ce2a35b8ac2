"""The order of training: a function of seed and epoch alone, so that a resumed run repeats it exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Shuffles anew each epoch and yields (epoch, index), from which the dataset derives its randomness.

    Args:
        size: number of utterances.
        seed: of the whole run.
        weights: chance of each utterance to be drawn, with replacement; None visits each one once.
        place: tells, when the first epoch begins, which epoch that is and how many of its utterances were consumed
            before the run was interrupted; Lightning knows this only after it has asked for the loader.
        rank: of this process.
        world_size: number of processes; each gets an equal share.
        lengths: of each utterance, in any unit: batches are then formed of utterances of about one length.
        batch_size: utterances a batch and process; needed with ``lengths``.
    """

    def __init__(
        self,
        size: int,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        place: Callable[[], tuple[int, int]] | None = None,
        rank: int = 0,
        world_size: int = 1,
        lengths: Sequence[float] | None = None,
        batch_size: int = 1,
    ) -> None:
        self.size = size
        self.seed = seed
        self.weights = weights
        self.place = place
        self.rank = rank
        self.world_size = world_size
        self.lengths = lengths
        self.batch_size = batch_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return max(1, self.size // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        skip = 0
        if self.place is not None:
            self.epoch, skip = self.place()
            self.place = None
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.weights is None:
            order = torch.randperm(self.size, generator=generator)
        else:
            weights = torch.tensor(self.weights, dtype=torch.double)
            order = torch.multinomial(weights, self.size, replacement=True, generator=generator)
        places = order.tolist()
        if self.lengths is not None:
            size = self.batch_size * self.world_size
            batches = bucketed(places, self.lengths, size)
            # A batch that is not full must stay the last one, as the loader cuts the order into equal pieces.
            full = [batch for batch in batches if len(batch) == size]
            rest = [index for batch in batches if len(batch) < size for index in batch]
            shuffle = torch.randperm(len(full), generator=generator).tolist()
            places = [index for number in shuffle for index in full[number]] + rest
        mine = places[self.rank :: self.world_size][: len(self)]
        return iter([(self.epoch, index) for index in mine[skip:]])


def bucketed(order: Sequence[int], lengths: Sequence[float], batch_size: int, window: int = 50) -> list[list[int]]:
    """An order cut into batches of about one length each, so that little is padded.

    Args:
        order: indices of utterances.
        lengths: of every utterance, by index.
        batch_size: utterances a batch; the last batch may be smaller.
        window: batches' worth of neighbours that are sorted together: longer windows pad less, shorter ones keep
            more of the order.
    """
    batches = []
    for start in range(0, len(order), window * batch_size):
        part = sorted(order[start : start + window * batch_size], key=lambda index: lengths[index])
        batches += [part[first : first + batch_size] for first in range(0, len(part), batch_size)]
    return batches
