"""Which utterances make a batch, in which order, and which process takes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch
from torch.utils.data import DistributedSampler

from emollm.errors import UserError

Lengths = Callable[[Sequence[int]], Sequence[float]]
"""Indices of utterances → their lengths, in any unit."""

_WINDOW = 1600
"""Neighbours among which batches of tokens are formed where their order matters."""

_STEP = 1.1
"""Lengths that differ by less than this factor are taken for one."""


def usual_batch_size(device: str) -> int:
    """Utterances a batch where nobody asks for another number: 8 do not keep a GPU busy."""
    return 32 if device == "cuda" else 8


# Both are DistributedSamplers so that Lightning sees that the processes' shares are taken care of.
class EpochSampler(DistributedSampler[list[tuple[int, int]]]):
    """Shuffles anew each epoch and yields batches of (epoch, index), from which all randomness of data follows.

    The order is a function of seed and epoch alone, so that a resumed run repeats it exactly. Batches of all
    processes together are those of a single process with as many utterances a batch.

    Args:
        size: number of utterances.
        batch_size: utterances a batch and process.
        seed: of the whole run.
        weights: chance of each utterance to be drawn, with replacement; None visits each one once.
        lengths: of each utterance, in any unit: batches are then formed of utterances of about one length.
        place: tells, when the first epoch begins, which epoch that is and how many of its batches this process
            consumed before the run was interrupted; Lightning knows this only after it has asked for the loader.
        rank: of this process.
        world_size: number of processes; each gets as many utterances, so that a few may be left out of an epoch.
        tokens: of a batch and process, padding counted, in the place of ``batch_size``; lengths are then in
            tokens. Every epoch has as many batches, and with ``weights`` not quite as many utterances.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        lengths: Sequence[float] | None = None,
        place: Callable[[], tuple[int, int]] | None = None,
        rank: int = 0,
        world_size: int = 1,
        tokens: int | None = None,
    ) -> None:
        if size < world_size:
            raise UserError(
                f"{size} training utterances are too few for {world_size} processes: use fewer devices."
            )
        super().__init__(range(size), world_size, rank, seed=seed)
        self.size = size
        self.batch_size = batch_size
        self.weights = weights
        self.lengths = lengths
        self.place = place
        self.tokens = tokens
        self._batches = -(-(size // world_size) // batch_size)
        if tokens:
            self._batches = len(self._by_tokens(self._typical()))

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        skip = 0
        if self.place is not None:
            self.epoch, skip = self.place()
            self.place = None
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        batches = self._of_tokens(generator) if self.tokens else self._of_utterances(generator)
        for batch in batches[skip:]:
            share = len(batch) // self.num_replicas
            if share:
                yield [(self.epoch, index) for index in batch[self.rank :: self.num_replicas][:share]]

    def _draw(self, generator: torch.Generator) -> list[int]:
        """The utterances of an epoch in random order, as many for each process."""
        if self.weights is None:
            # Left out are others in each epoch, and not the longest, which would stand last.
            return torch.randperm(self.size, generator=generator).tolist()[
                : self.size // self.num_replicas * self.num_replicas
            ]
        weights = torch.tensor(self.weights, dtype=torch.double)
        return torch.multinomial(weights, self.size, replacement=True, generator=generator).tolist()

    def _typical(self) -> list[int]:
        """An epoch to count batches by: no other needs more of them, but where utterances are drawn by weights."""
        if self.weights is not None:
            return self._draw(torch.Generator().manual_seed(self.seed))
        longest = sorted(range(self.size), key=lambda index: -self.lengths[index])
        return longest[: self.size // self.num_replicas * self.num_replicas]

    def _of_utterances(self, generator: torch.Generator) -> list[list[int]]:
        """An epoch in batches of so many utterances, all processes' together."""
        size = self.batch_size * self.num_replicas
        lengths_of = None if self.lengths is None else self._lengths_of
        batches = list(in_batches(self._draw(generator), size, lengths_of))
        if self.lengths is not None:
            # Only the last batch of a window may be unfilled, and only the last window has one.
            full = len(batches) - (len(batches[-1]) < size)
            shuffle = torch.randperm(full, generator=generator).tolist()
            batches = [batches[number] for number in shuffle] + batches[full:]
        return batches

    def _of_tokens(self, generator: torch.Generator) -> list[list[int]]:
        """An epoch in batches of so many tokens, all processes' together, and as many of them as in any epoch."""
        batches = self._by_tokens(self._draw(generator))
        while len(batches) < len(self):  # other utterances were drawn, or left out: half a batch is one too
            longest = max(range(len(batches)), key=lambda number: len(batches[number]))
            half = len(batches[longest]) // (2 * self.num_replicas) * self.num_replicas
            if not half:
                break
            batches.append(batches[longest][half:])
            batches[longest] = batches[longest][:half]
        return [batches[number] for number in torch.randperm(len(batches), generator=generator)[: len(self)]]

    def _by_tokens(self, order: Sequence[int]) -> list[list[int]]:
        assert self.tokens is not None
        batches = in_batches_of_tokens(order, self._lengths_of, self.tokens * self.num_replicas, self.num_replicas)
        return [batch for batch in batches if len(batch) >= self.num_replicas]

    def _lengths_of(self, indices: Sequence[int]) -> list[float]:
        assert self.lengths is not None
        return [self.lengths[index] for index in indices]


class OrderedSampler(DistributedSampler[list[int]]):
    """Yields batches in the order of the table but for their lengths, each utterance once.

    Batches are dealt out to the processes in turn; where they do not come out even, the last ones get an empty
    batch, as DDP waits for every process. The batches are the same for any number of processes, and so are the
    scores, to the last bit.

    Args:
        size: number of utterances.
        batch_size: utterances a batch.
        lengths: where given, batches are formed of utterances of about one length; it is asked window by window,
            so that the first batch of a long table need not wait.
        rank: of this process.
        world_size: number of processes.
        tokens: of a batch, padding counted, in the place of ``batch_size``; lengths are then in tokens, and are
            all asked for at once.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        lengths: Lengths | None = None,
        rank: int = 0,
        world_size: int = 1,
        tokens: int | None = None,
    ) -> None:
        super().__init__(range(size), world_size, rank, shuffle=False)
        self.size = size
        self.batch_size = batch_size
        self.lengths = lengths
        self._of_tokens: list[list[int]] | None = None
        if tokens:
            assert lengths is not None
            windows = (range(size)[start : start + _WINDOW] for start in range(0, size, _WINDOW))
            self._of_tokens = [b for part in windows for b in in_batches_of_tokens(part, lengths, tokens)]

    def __len__(self) -> int:
        if self._of_tokens is not None:
            return -(-len(self._of_tokens) // self.num_replicas)
        return -(-self.size // (self.batch_size * self.num_replicas))

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._of_tokens
        if batches is None:
            batches = in_batches(range(self.size), self.batch_size, self.lengths)
        batches = chain(batches, iter(list, None))
        for number in range(len(self) * self.num_replicas):
            batch = next(batches)
            if number % self.num_replicas == self.rank:
                yield batch


def in_batches(
    order: Sequence[int], batch_size: int, lengths: Lengths | None = None, window: int = 50
) -> Iterator[list[int]]:
    """An order cut into batches; with lengths, into batches of about one length, so that little is padded.

    Args:
        order: indices of utterances.
        batch_size: utterances a batch; the last batch may be smaller.
        lengths: of utterances.
        window: batches' worth of neighbours that are sorted together: longer windows pad less, shorter ones keep
            more of the order.
    """
    for start in range(0, len(order), window * batch_size):
        part = list(order[start : start + window * batch_size])
        if lengths is not None:
            length_of = dict(zip(part, lengths(part), strict=True))
            part.sort(key=length_of.__getitem__)
        for first in range(0, len(part), batch_size):
            yield part[first : first + batch_size]


def in_batches_of_tokens(
    order: Sequence[int], lengths: Lengths, tokens: int, multiple: int = 1
) -> list[list[int]]:
    """An order cut into batches of so many tokens, whatever number of utterances that is.

    Utterances of about one length keep their order among themselves, so that batches change from epoch to epoch;
    their number does not.

    Args:
        order: indices of utterances.
        lengths: of utterances, in tokens.
        tokens: of a batch, padding counted. A longer utterance has a batch of its own.
        multiple: utterances of a batch are a multiple of this, but for those of the last one.

    Returns:
        Batches, those of short utterances first.
    """
    steps = [math.ceil(math.log(max(length, 1.0), _STEP)) for length in lengths(order)]
    ordered = sorted(zip(steps, order, strict=True), key=lambda pair: pair[0])
    batches: list[list[int]] = []
    for start in range(0, len(ordered), multiple):
        group = ordered[start : start + multiple]
        longest = _STEP ** group[-1][0]
        if not batches or (len(batches[-1]) + len(group)) * longest > tokens:
            batches.append([])
        batches[-1] += [index for _, index in group]
    return batches
