"""Recordings of two tables that are the same file, byte for byte, or overlapping stretches of one."""

from __future__ import annotations

import hashlib
import math
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from emollm.data.utterance import Utterance, UtteranceTable

_SHARED = 0.1  # seconds: what neighbouring stretches may share, their ends being set by hand


def copies_and_overlaps(
    first: UtteranceTable, second: UtteranceTable
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of ids, the first table's before the second's.

    Only files of equal size are read: what differs in size cannot be a copy. Files that are not there are passed
    over.

    Returns:
        Pairs of the same stretch of the same file, and pairs of stretches that overlap.
    """
    sizes = {path: size for path in _paths(first, second) if (size := _size(path)) is not None}
    both = {sizes.get(path) for path in _paths(first)} & {sizes.get(path) for path in _paths(second)} - {None}
    digests = {path: made for path, size in sizes.items() if size in both and (made := _digest(path)) is not None}
    known: dict[str, list[Utterance]] = defaultdict(list)
    for row in first:
        if row.path in digests:
            known[digests[row.path]].append(row)
    stretches = {digest: _Stretches(rows) for digest, rows in known.items()}
    copies, overlapping = [], []
    for row in second:
        others = stretches.get(digests.get(row.path))
        if others is None:
            continue
        if (same := others.same.get((row.start, row.end))) is not None:
            copies.append((same.key, row.key))
        elif (crossed := others.crossing(row)) is not None:
            overlapping.append((crossed.key, row.key))
    return copies, overlapping


def unread(table: UtteranceTable) -> int:
    """How many utterances have a sound file that cannot be opened."""
    files = {path: os.access(path, os.R_OK) for path in _paths(table)}
    return sum(row.path is not None and not files[row.path] for row in table)


class _Stretches:
    """Those of one file in the first table, in order: thousands are not looked through for each of the second."""

    def __init__(self, rows: list[Utterance]) -> None:
        self.same = {(row.start, row.end): row for row in reversed(rows)}
        self.rows = sorted(rows, key=lambda row: row.start or 0.0)
        self.starts = [row.start or 0.0 for row in self.rows]
        # Of all that begin no later than each, the one that lasts longest.
        self.lasting = list(accumulate(self.rows, lambda one, other: max(one, other, key=_end)))

    def crossing(self, row: Utterance) -> Utterance | None:
        """One that has more in common with a stretch than its very end or beginning."""
        last = bisect_left(self.starts, _end(row) - _SHARED)
        other = self.lasting[last - 1] if last else None
        return other if other is not None and _end(other) - (row.start or 0.0) > _SHARED else None


def _end(row: Utterance) -> float:
    return math.inf if row.end is None else row.end


def _paths(*tables: Iterable[Utterance]) -> dict[Path, None]:
    return dict.fromkeys(row.path for table in tables for row in table if row.path is not None)


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
