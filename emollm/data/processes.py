"""What several processes that work on one job have to agree on; a single one agrees with itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch.distributed as dist

_T = TypeVar("_T")


def mine(rows: Sequence[_T]) -> list[_T]:
    """The share of this process: every n-th of n processes."""
    return list(rows[dist.get_rank() :: dist.get_world_size()]) if _several() else list(rows)


def gather(value: _T) -> list[_T]:
    """The value of each process, in all of them; each waits for the last one."""
    if not _several():
        return [value]
    values: list[_T] = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def say(text: str) -> None:
    """Print a line, in the first process alone."""
    if not _several() or dist.get_rank() == 0:
        print(text)
