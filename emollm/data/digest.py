"""A name for what a table says, by which work that was begun knows its data again."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from emollm.data.utterance import UtteranceTable

_SAMPLE = 4096  # bytes of each file that are looked at: corpora are too large to be read for this
_THREADS = 16


def digest(table: UtteranceTable) -> str:
    """Of every row and its place, and of a piece of its sound, but not of the folder that the sound lies in."""
    total = hashlib.sha256()
    for row in table:
        total.update(repr(replace(row, path=None)).encode("utf-8", "surrogateescape"))
    files = dict.fromkeys(row.path for row in table if row.path is not None)
    with ThreadPoolExecutor(_THREADS) as pool:
        for piece in pool.map(_piece, files):
            total.update(piece)
    return total.hexdigest()[:16]


def _piece(path: Path) -> bytes:
    """Size and middle of a file; nothing of one that cannot be read, which is for the validator to name."""
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, (size - _SAMPLE) // 2))
            return b"%d:" % size + stream.read(_SAMPLE)
    except OSError:
        return b"-"
