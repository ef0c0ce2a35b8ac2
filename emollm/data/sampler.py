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
    """

    def __init__(
        self,
        size: int,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        place: Callable[[], tuple[int, int]] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.size = size
        self.seed = seed
        self.weights = weights
        self.place = place
        self.rank = rank
        self.world_size = world_size
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
        mine = order[self.rank :: self.world_size][: len(self)]
        return iter([(self.epoch, int(index)) for index in mine[skip:]])
