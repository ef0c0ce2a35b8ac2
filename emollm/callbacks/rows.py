"""Rows of predictions in files of JSON lines, found by the recording's name and never all in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

Row = dict[str, Any]

# File names are bytes; where those are no UTF-8 they are written out, so that any program reads the rows.
TEXT = {"encoding": "utf-8", "errors": "backslashreplace"}
_READ = {"encoding": "utf-8", "errors": "surrogateescape"}  # earlier versions wrote them as they were


class Place(NamedTuple):
    """Where a row lies."""

    file: Path
    offset: int
    """In bytes."""
    size: int
    """In bytes, the end of the line included."""


def scan(files: Iterable[Path]) -> Iterator[tuple[Row, Place]]:
    """Every whole row of some files and its place; files that are not there, and torn lines, are passed over."""
    for file in files:
        if not file.is_file():
            continue
        offset = 0
        with file.open("rb") as stream:
            # Lines of bytes end at a line feed alone: a transcript may hold a line separator of Unicode.
            for line in stream:
                row = _parse(line)
                if row is not None:
                    yield row, Place(file, offset, len(line))
                offset += len(line)


def line_of(row: Row) -> str:
    """A row as a line of a file."""
    return json.dumps(row, ensure_ascii=False) + "\n"


class Rows(Sequence[Row]):
    """Rows that are read from their places when they are asked for."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Row]:
        with ExitStack() as stack:
            streams = {
                file: stack.enter_context(file.open("rb")) for file in {place.file for place in self.places}
            }
            for place in self.places:
                yield _read(streams[place.file], place)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        place = self.places[index]
        with place.file.open("rb") as stream:
            return _read(stream, place)


def _read(stream: IO[bytes], place: Place) -> Row:
    stream.seek(place.offset)
    return json.loads(stream.read(place.size).decode(**_READ))


def _parse(line: bytes) -> Row | None:
    """A row, or None for a line that was being written when the run was killed."""
    try:
        row = json.loads(line.decode(**_READ))
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) and "path" in row else None
