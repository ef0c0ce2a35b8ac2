"""The owners' own tables beside the recordings: CSV or TSV, in any common encoding."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from emollm.data.corpora.text import read_text
from emollm.errors import UserError

# Windows-1252 puts curly quotes where Latin-1 and Unicode have control characters that no text contains.
_QUOTES = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


def find_files(folder: Path, *names: str) -> list[Path]:
    """Every file below a folder that has one of the names, in any case; hidden ones are passed over."""
    wanted = {name.casefold() for name in names}
    files = (path for path in sorted(folder.rglob("*")) if path.name.casefold() in wanted and path.is_file())
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def read_rows(file: Path, required: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table with a header, columns in lower case: owners change the case between releases.

    Args:
        file: the table; its delimiter is the one its header holds most of.
        required: columns that must be there, in lower case.

    Raises:
        UserError: naming the column that is missing, or the line that has more cells than there are columns.
    """
    text = read_text(file).lstrip("\ufeff")
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max((",", "\t", ";"), key=head.count))
    header = [name.strip().casefold() for name in next(reader, [])]
    missing = [name for name in required if name not in header]
    if missing:
        raise UserError(
            f"{file} has no column '{missing[0]}' (its columns are {', '.join(header)}): take the table as the "
            "corpus's owners distribute it."
        )
    rows = []
    try:
        for cells in reader:
            if len(cells) > len(header):
                raise UserError(f"{file}, line {reader.line_num}: {len(cells)} cells for {len(header)} columns.")
            if any(cell.strip() for cell in cells):
                padded = cells + [""] * (len(header) - len(cells))
                rows.append({name: cell.strip() for name, cell in zip(header, padded, strict=True)})
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num}: {error}.") from error
    return rows


def mend(text: str) -> str:
    """A text with the quotes, dashes and accents that its writer meant, and single blanks.

    Two faults are common: Windows-1252 read as Latin-1 (an apostrophe is U+0092), and UTF-8 read as Windows-1252
    (an apostrophe is three odd letters).
    """
    text = text.translate(_QUOTES)
    if any(mark in text for mark in ("\u00e2\u20ac", "\u00c3")):
        with contextlib.suppress(UnicodeError):  # a real \u00c3, or a mixture: better left than guessed at
            text = text.encode("cp1252").decode("utf-8")
    return " ".join(text.split())
