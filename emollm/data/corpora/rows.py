"""Tables beside the recordings, the owners' or anybody's: CSV or TSV, in any common encoding."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import tell_left_out
from emollm.data.corpora.text import Fallback, read_text, tell_foreign
from emollm.errors import UserError

_DELIMITERS = (",", ";", "\t", "|")
# Windows-1252 puts curly quotes where Latin-1 and Unicode have control characters that no text contains.
_FREE = "\x81\x8d\x8f\x90\x9d"
_QUOTES = {code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if chr(code) not in _FREE}
# Two or three letters that are one of Latin or of typography, each byte of it read as a letter.
_BROKEN = re.compile(r"[\u00c2-\u00c5][^\x00-\x7f]|\u00e2\u20ac[^\x00-\x7f]")

_CURLY = "\u201c\u201d\u201e"

Cells = tuple[int, list[str]]
"""The line that a row begins at, counted from 1, and its cells."""


def read_rows(
    file: Path, required: Sequence[str], faults: Faults, fallback: str | Fallback = "cp1252"
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table with a header, columns in lower case: owners change the case between releases.

    Args:
        file: the table; its delimiter is the one its header holds most of.
        required: columns that must be there, in lower case.
        faults: is told of rows that have more cells than there are columns; they are left out.
        fallback: the encoding of what is no UTF-8, which is told.

    Returns:
        Line number and cells by column.

    Raises:
        UserError: naming the columns that are missing, or when the table is empty or cannot be read at all.
    """
    known = len(faults.found)
    foreign: list[str] = []
    lines = read_cells(read_text(file, fallback, foreign), file, faults)
    tell_foreign(foreign)
    _, names = next(lines, (1, []))
    if not names:
        raise UserError(f"{file} is empty: take the table as the corpus's owners distribute it.")
    header = [name.casefold() for name in names]
    missing = [f"'{name}'" for name in required if name not in header]
    if missing:
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)} (its columns are {', '.join(header)}): take "
            "the table as the corpus's owners distribute it."
        )
    rows = [
        (line, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))) for line, cells in lines
    ]
    if not rows and len(faults.found) == known:
        raise UserError(f"{file} has no rows: take the table as the corpus's owners distribute it.")
    return rows


def read_cells(text: str, file: Path, faults: Faults) -> Iterator[Cells]:
    """The lines of a CSV or TSV that are not empty, the header first; no line has more cells than the header.

    Args:
        text: the table, with any of , ; | and tabs between cells; a first line ``sep=;``, as of Excel, counts.
        file: where it is from, for messages.
        faults: is told of lines with too many cells, or with a quote that is not closed; they are left out.

    Raises:
        UserError: when it cannot be taken apart, or two columns have one name.
    """
    delimiter, skipped, body = _delimiter(text)
    body = _straight(body, delimiter)
    plain_quotes = {"quoting": csv.QUOTE_NONE} if delimiter == "\t" else {}
    strict = True
    try:
        lines = list(_parse(body, delimiter, strict=True))
        if delimiter == "\t" and any("\t" in cell and "\n" in cell for _, _, cells in lines for cell in cells):
            raise _Unreadable(1, "a quotation that goes on in other rows")
    except _Unreadable:
        # In a TSV quotes are often plain characters; in a CSV they are at times not doubled.
        strict = False
        try:
            lines = list(_parse(body, delimiter, **plain_quotes))
        except _Unreadable as error:
            raise UserError(f"{file}, line {error.line + skipped}: {error}.") from error
    width = None
    for first, last, cells in lines:
        if not any(cells):
            continue
        where = f"{file}, line {first + skipped}"
        if width is None:
            width = len(cells)
            twice = [name for name, count in Counter(map(str.casefold, cells)).items() if name and count > 1]
            if twice:
                raise UserError(f"{where}: two columns are called '{twice[0]}': rename or remove one of them.")
        if not strict and (last > first or (last == lines[-1][1] and not plain_quotes and _open(body, delimiter))):
            faults.add(f"{where}: a quote is opened here and not closed: write a quote within a cell twice.")
        elif any(cells[width:]):
            faults.add(
                f"{where}: {len(cells)} cells for {width} columns; put quotes around cells that hold a "
                f"'{delimiter}'."
            )
        else:
            yield first + skipped, cells[:width]


def _straight(text: str, delimiter: str) -> str:
    """With straight quotes around cells, where a word processor has made them curly, as the header shows."""
    if not text.lstrip().startswith(tuple(_CURLY)):
        return text
    cell, curly = re.escape(delimiter), f"[{_CURLY}]"
    return re.sub(rf"(?m)(^|{cell})([ ]*){curly}|{curly}(?=[ ]*(?:{cell}|$))", r'\1\2"', text)


def _open(text: str, delimiter: str) -> bool:
    """Whether the last line ends within a quote, which takes in what ought to be other cells."""
    last = text.rstrip("\n").rpartition("\n")[2]
    try:
        list(_parse(last, delimiter, strict=True))
    except _Unreadable as error:
        return "unexpected end" in str(error)
    return False


def _delimiter(text: str) -> tuple[str, int, str]:
    """What stands between cells, how many lines go before the header, and the rest."""
    lines = text.split("\n")
    skipped, told = 0, None
    while skipped < len(lines) and (not lines[skipped].strip() or lines[skipped].lower().startswith("sep=")):
        told = lines[skipped][4:5] or told
        skipped += 1
    head = lines[skipped] if skipped < len(lines) else ""
    return told or max(_DELIMITERS, key=head.count), skipped, "\n".join(lines[skipped:])


class _Unreadable(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _parse(text: str, delimiter: str, **options: Any) -> Iterator[tuple[int, int, list[str]]]:
    """First line, last line and cells of each row."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, **options)
    before = 0
    try:
        for cells in reader:
            yield before + 1, reader.line_num, [cell.strip() for cell in cells]
            before = reader.line_num
    except csv.Error as error:
        raise _Unreadable(before + 1, str(error)) from error


def keep_first(found: dict[Any, Any], key: Any, value: Any) -> bool:
    """Enter what a row says, unless an earlier one has its key; False where that one says something else."""
    return bool(found.setdefault(key, value) == value)


def tell_contradictions(places: Sequence[str], corpus: str) -> None:
    """Warn of rows that say something else than earlier ones of the same key, as ``keep_first`` finds them."""
    tell_left_out(
        places, f"{corpus}: rows contradict earlier ones of the same name, which count", "remove one of the two"
    )


def read_number(text: str) -> float | None:
    """A number with a point or a comma; None for an empty cell, or what pandas writes for one.

    Raises:
        ValueError: for what is no number, or not finite.
    """
    if text.casefold() in ("", "nan"):
        return None
    number = float(text.replace(",", "."))
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def mend(text: str) -> str:
    """A text with the quotes, dashes and accents that its writer meant, and single blanks.

    Two faults are common: Windows-1252 read as Latin-1 (an apostrophe is U+0092), and UTF-8 read as Windows-1252
    (an apostrophe is three odd letters). Of a text that holds both right and broken letters the broken ones that
    are certain are mended.
    """
    text = text.replace("\ufeff", "").translate(_QUOTES)  # files that were joined leave their marks within
    if any(mark in text for mark in ("\u00e2\u20ac", "\u00c3")):
        text = _as_utf8(text) or _BROKEN.sub(lambda match: _as_utf8(match[0]) or match[0], text)
    return " ".join(text.split())


def _as_utf8(text: str) -> str | None:
    """What was meant by UTF-8 that was read as Windows-1252; None if it was not."""
    try:
        return b"".join(_byte(letter) for letter in text).decode()
    except UnicodeError:
        return None


def _byte(letter: str) -> bytes:
    # The five codes that Windows-1252 leaves free pass as they are, as in all browsers.
    return letter.encode("latin-1" if letter in _FREE else "cp1252")
