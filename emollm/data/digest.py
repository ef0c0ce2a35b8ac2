"""A name for what a table says, by which work that was begun knows its data again."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from emollm.data.utterance import UtteranceTable


def digest(table: UtteranceTable) -> str:
    """Of every row and its place, but for the folder that the sound lies in."""
    total = hashlib.sha256()
    for row in table:
        total.update(repr(replace(row, path=None)).encode("utf-8", "surrogateescape"))
    return total.hexdigest()[:16]
