"""What a user wants labelled, in any of the ways to say it: a folder, a file, a list, a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from emollm.data.audio import SOUND_SUFFIXES, find_sound_files
from emollm.data.corpora import Table
from emollm.data.corpora.table import with_unique_ids
from emollm.data.corpora.text import read_text
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.prediction import name_of

# Of the last ones the table's reader says what to do.
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".xlsx", ".xls", ".ods", ".parquet")


def recordings(source: str | Path | pd.DataFrame | Iterable[str | Path]) -> UtteranceTable:
    """Utterances to predict on.

    Args:
        source: a folder (read recursively), a sound file, a text file with one path a line, a table (CSV, TSV,
            JSONL) with at least a column of paths, a list of paths, or a DataFrame like the table. What a text
            file or a table names twice, and says the same of, is one utterance; a list and a DataFrame have a row
            for each.

    Raises:
        UserError: when there is nothing of the kind, or a table says different things of one recording.
    """
    if isinstance(source, pd.DataFrame):
        return Table("table").read_frame(source)
    if not isinstance(source, (str, Path)):
        return UtteranceTable(Utterance(id=str(path), path=Path(path).expanduser()) for path in source)
    if not str(source).strip():
        raise UserError(
            "The source is an empty word, as of a variable that nobody set: name a folder (. is this one)."
        )
    path = Path(source).expanduser()
    if path.is_dir():
        files = find_sound_files(path)
        if not files:
            raise UserError(f"{path} holds no sound files ({', '.join(sorted(SOUND_SUFFIXES))}).")
        return _from_paths(files)
    if not path.exists():
        raise UserError(f"There is no file or folder {path}: name a folder, a sound file, a list or a table.")
    if path.suffix.lower() in _TABLES:
        return _once(with_unique_ids(Table(str(path)).read()), path)
    if path.suffix.lower() in (".txt", ".lst"):
        lines = [line.strip() for line in read_text(path).split("\n") if line.strip()]
        if not lines:
            raise UserError(f"{path} is an empty list: write one path a line.")
        return _from_paths([_beside(path, line) for line in lines])
    return _from_paths([path])


def _once(table: UtteranceTable, file: Path) -> UtteranceTable:
    """A table without rows that repeat another one, word for word.

    Raises:
        UserError: when rows of one recording, or of one stretch of it, say different things.
    """
    first: dict[str, Utterance] = {}
    for row in table:
        known = first.setdefault(name_of(row), row)
        if known is not row and _told(known) != _told(row):
            raise UserError(
                f"{file}: {name_of(row)} has two rows that say different things of it ({known.id} and {row.id}): "
                "keep one of them."
            )
    return UtteranceTable(first.values())


def _told(row: Utterance) -> tuple[str | None, ...]:
    return row.transcript, row.context, row.language, row.speaker


def _beside(listing: Path, line: str) -> Path:
    """A path of a list counts from the current folder or, if it is not there, from the list's own."""
    path = Path(line).expanduser()
    beside = listing.parent / path
    return beside if not path.is_absolute() and not path.exists() and beside.exists() else path


def _from_paths(paths: list[Path]) -> UtteranceTable:
    return UtteranceTable(Utterance(id=str(path), path=path) for path in dict.fromkeys(paths))
