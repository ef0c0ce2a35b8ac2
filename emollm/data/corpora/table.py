"""A table of utterances: CSV, TSV, JSON or JSON lines, in any common encoding, with its own column names."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from emollm.data.corpora.base import Corpus, locate, unique_ids
from emollm.data.corpora.columns import fields_of, kind_of, read_value
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.rows import read_cells
from emollm.data.corpora.text import read_text, tell_foreign
from emollm.data.labels import canonical
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.wording import seconds

_BINARY = {".xlsx": "spreadsheet", ".xls": "spreadsheet", ".ods": "spreadsheet", ".parquet": "Parquet file"}
_NAMED = ("label", "speaker", "session", "sentence", "dialogue")
"""Fields whose numbers are names."""


class Table(Corpus):
    """Utterances from a table with one row each; columns are found by their names.

    Among others ``path``, ``file`` or ``wav``; ``label`` or ``emotion``; ``transcript`` or ``text``; ``speaker``;
    ``split``; ``start`` and ``end`` in seconds (``emollm.data.corpora.columns`` lists all). Further columns are
    kept in ``extra`` under their own names. A cell without content says nothing.

    Args:
        file: the table: ``.csv``, ``.tsv``, ``.json`` (a list of objects) or ``.jsonl``.
        root: the folder that relative paths count from; by default the table's own.
        columns: field to column where the names do not tell, as ``{label: annotator_2}``.
        labels: the table's own codes and what they mean, as ``{A: angry}``.
        language: ISO 639-1 code, where there is no such column.
        name: of this corpus in tables and reports; by default the file's own.
    """

    def __init__(
        self,
        file: str,
        root: str | None = None,
        columns: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        language: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(root or "")
        self.file = file
        self.columns = columns or {}
        self.labels = {str(code): word for code, word in (labels or {}).items()}
        self.language = language
        self.is_named = name is not None
        self.name = name or Path(file).stem

    def read(self) -> UtteranceTable:
        """Every row, in the order of the table.

        Raises:
            UserError: when the table cannot be read, has no rows, or neither paths nor transcripts; with every
                cell that should be a number, and every line that cannot be taken apart.
        """
        file = locate(self.file)
        root = locate(self.root) if self.root else file.parent
        faults = Faults()
        foreign: list[str] = []
        rows = list(_rows(file, faults, foreign))
        if not rows:
            faults.check()
            raise UserError(f"{file} has no rows.")
        tell_foreign(foreign)
        return self._utterances({f"{file}, line {line}": row for line, row in rows}, str(file), root, faults)

    def read_frame(self, frame: pd.DataFrame) -> UtteranceTable:
        """The rows of a DataFrame, as if it were the table's file; relative paths count from the current folder.

        Raises:
            UserError: as ``read``, and for a row with neither a path nor a transcript.
        """
        if not len(frame):
            raise UserError("The table has no rows.")
        rows = {f"Row {n} of the table": _plain_row(row) for n, row in enumerate(frame.to_dict("records"))}
        faults = Faults()
        table = self._utterances(rows, "The table", Path(), faults)
        for where, row in zip(rows, table, strict=True):
            if row.path is None and row.transcript is None:
                faults.add(f"{where} has no path: fill it in, or drop it.")
        faults.check()
        return with_unique_ids(table)

    def _utterances(
        self, rows: dict[str, dict[str, Any]], source: str, root: Path, faults: Faults
    ) -> UtteranceTable:
        """From rows, by their places."""
        header = dict.fromkeys(column for row in rows.values() for column in row)
        fields = fields_of(header, self.columns, source)
        if "path" not in fields and "transcript" not in fields:
            raise UserError(
                f"{source} has neither a column of paths nor one of transcripts (its columns are "
                f"{', '.join(header)}): name it, as in columns: {{path: {next(iter(header))}}}."
            )
        for column in {fields[field] for field in _NAMED if field in fields}:
            _without_points(column, rows.values())
        utterances = [self._utterance(where, root, row, fields, faults) for where, row in rows.items()]
        faults.check()
        return UtteranceTable(_with_ids(utterances))

    def _utterance(
        self, where: str, root: Path, row: dict[str, Any], fields: dict[str, str], faults: Faults
    ) -> Utterance:
        values: dict[str, Any] = {}
        for field, column in fields.items():
            try:
                values[field] = read_value(field, row.get(column))
            except ValueError:
                faults.add(f"{where}: column '{column}' holds {row[column]!r}, which is no {kind_of(field)}.")
        start, end = values.get("start"), values.get("end")
        if end is not None and end <= (start or 0.0):
            faults.add(
                f"{where}: the stretch ends at {end:g} s and begins at {start or 0.0:g} s: correct one of them."
            )
        code = str(row.get(fields.get("label", ""), "")).strip()
        if code in self.labels:
            values["label"] = canonical(self.labels[code])
        if values.get("path") is not None:
            values["path"] = _path(root, values["path"])
        taken = set(fields.values())
        return Utterance(
            **(
                {"language": self.language}
                | values
                | {"id": values.get("id") or "", "corpus": self.name}
                | {"extra": {column: _cell(value) for column, value in row.items() if column not in taken}}
            )
        )


def with_unique_ids(table: UtteranceTable) -> UtteranceTable:
    """Rows with the number of their place where several have one id: nobody promises that ids tell rows apart."""
    ids = Counter(row.id for row in table)
    return UtteranceTable(
        replace(row, id=f"{row.id}, row {number}") if ids[row.id] > 1 else row for number, row in enumerate(table)
    )


def _without_points(column: str, rows: Collection[dict[str, Any]]) -> None:
    """Write numbers that are names, as of speakers, as they were before pandas met an empty cell (``1.0``)."""
    cells = ["" if row.get(column) is None else str(row[column]).strip() for row in rows]
    written = [cell for cell in cells if cell]
    if written and all(cell.endswith(".0") and cell.removesuffix(".0").isdecimal() for cell in written):
        for row, cell in zip(rows, cells, strict=True):
            row[column] = cell.removesuffix(".0")


def _cell(value: Any) -> Any:
    """Of a column that no field claims; None for an empty one."""
    return None if isinstance(value, str) and not value.strip() else value


def _rows(file: Path, faults: Faults, foreign: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and cells of each row."""
    suffix = file.suffix.lower()
    if suffix in _BINARY:
        raise UserError(f"{file} is a {_BINARY[suffix]}: save it as CSV (UTF-8).")
    text = read_text(file, foreign=foreign)
    if suffix in (".jsonl", ".ndjson"):
        for line, content in enumerate(text.split("\n"), 1):
            with faults.gather():
                if content.strip():
                    yield line, _object(_json(content, file, line), file, line)
    elif suffix == ".json":
        content = _json(text, file, None)
        if not isinstance(content, list):
            raise UserError(f"{file} must hold a list of objects, one an utterance.")
        for number, item in enumerate(content, 1):
            with faults.gather():
                yield number, _object(item, file, number)
    else:
        lines = read_cells(text, file, faults)
        _, header = next(lines, (1, []))
        for line, cells in lines:
            # A column without a name, as pandas writes its index, says nothing.
            yield line, {name: cell for name, cell in zip(header, cells, strict=False) if name}


def _plain_row(row: dict[Any, Any]) -> dict[str, Any]:
    """Cells of a DataFrame as those of a file: no NaN, and whole numbers whole, though a gap made them floats."""
    plain = {}
    for name, value in row.items():
        whole = isinstance(value, float) and value.is_integer()
        value = int(value) if whole else str(value) if isinstance(value, Path) else value
        plain[str(name)] = None if pd.api.types.is_scalar(value) and pd.isna(value) else value
    return plain


def _json(text: str, file: Path, line: int | None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{file}, line {line or error.lineno}: not JSON ({error.msg}).") from error


def _object(item: Any, file: Path, line: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise UserError(f"{file}, line {line}: an utterance is an object with named values, not {item!r:.40}.")
    return item


def _path(root: Path, written: str) -> Path:
    """A path of the table; also one written on Windows, or with accents that another system writes otherwise."""
    path = root / os.path.expanduser(written)
    plain = written.replace("\\", "/")
    spellings = (plain, *(unicodedata.normalize(form, plain) for form in ("NFC", "NFD")))
    if not os.path.exists(path):
        path = next((place for name in spellings if os.path.exists(place := root / name)), root / plain)
    return path


def _with_ids(rows: list[Utterance]) -> Iterator[Utterance]:
    """Give rows without an id the name of their file, with as much of path and stretch as tells them apart."""
    paths = [_absolute(row.path) for row in rows if row.path is not None]
    top = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    names = iter(unique_ids(list(dict.fromkeys(paths)), top))
    name_of = {path: next(names) for path in dict.fromkeys(paths)}
    uses = Counter(paths)
    ids = Counter(row.id for row in rows)
    for number, row in enumerate(rows, 1):
        if row.id and ids[row.id] > 1 and row.dialogue:  # counted anew in each dialogue, as MELD does
            yield replace(row, id=f"{row.dialogue}/{row.id}")
        elif row.id:
            yield row
        elif row.path is None:
            yield replace(row, id=f"row {number}")
        elif uses[place := _absolute(row.path)] > 1 and (row.start, row.end) != (None, None):
            end = "" if row.end is None else seconds(row.end)
            yield replace(row, id=f"{name_of[place]}@{seconds(row.start or 0.0)}-{end}")
        else:
            yield replace(row, id=name_of[place])


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # a table may name one file so, and another below the current folder
