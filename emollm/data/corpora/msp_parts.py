"""MSP-Podcast: which official partition each segment is in, from ``Partitions.txt``."""

from __future__ import annotations

import re
from pathlib import Path

from emollm.data.corpora.files import stem_of
from emollm.data.corpora.rows import keep_first, tell_contradictions
from emollm.data.corpora.text import read_text

_LINE = re.compile(r"\s*(?P<part>\w+)\s*[;,\t]\s*(?P<file>\S+)\s*")  # Train; MSP-PODCAST_0023_0048.wav


def read_parts(file: Path) -> dict[str, str]:
    """Partition by segment in lower case; the first of two lines counts, and the other is told.

    Other lines are passed over: a segment that lacks its part for one is named where its row is read.

    Args:
        file: ``Partitions.txt``, as it lies beside the labels.
    """
    parts: dict[str, str] = {}
    contradicted = []
    for number, line in enumerate(read_text(file).split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match and not keep_first(parts, stem_of(Path(match["file"])).casefold(), match["part"]):
            contradicted.append(f"{file}, line {number}")
    tell_contradictions(contradicted, "msp_podcast")
    return parts
