"""A table of utterances: CSV, TSV, JSON or JSON lines, in any common encoding, with its own column names."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any

from emollm.data.corpora.base import Corpus, locate, unique_ids
from emollm.data.corpora.columns import fields_of, read_value
from emollm.data.corpora.text import read_text
from emollm.data.labels import canonical
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_DELIMITERS = (",", ";", "\t", "|")


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
        self.name = name or Path(file).stem

    def read(self) -> UtteranceTable:
        """Every row, in the order of the table.

        Raises:
            UserError: when the table cannot be read, has no rows, or neither paths nor transcripts; for a cell
                that should be a number; naming the line.
        """
        file = locate(self.file)
        root = locate(self.root) if self.root else file.parent
        rows = list(_rows(file))
        if not rows:
            raise UserError(f"{file} has no rows.")
        header = dict.fromkeys(column for _, row in rows for column in row)
        fields = fields_of(header, self.columns, str(file))
        if "path" not in fields and "transcript" not in fields:
            raise UserError(
                f"{file} has neither a column of paths nor one of transcripts (its columns are "
                f"{', '.join(header)}): name it, as in columns: {{path: {next(iter(header))}}}."
            )
        return UtteranceTable(_with_ids([self._utterance(file, root, line, row, fields) for line, row in rows]))

    def _utterance(
        self, file: Path, root: Path, line: int, row: dict[str, Any], fields: dict[str, str]
    ) -> Utterance:
        values: dict[str, Any] = {}
        for field, column in fields.items():
            try:
                values[field] = read_value(field, row.get(column))
            except ValueError:
                raise UserError(
                    f"{file}, line {line}: column '{column}' holds {row[column]!r}, which is no "
                    f"{'mapping of emotion to count' if field == 'votes' else 'number'}."
                ) from None
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
                | {"extra": {column: value for column, value in row.items() if column not in taken}}
            )
        )


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and cells of each row."""
    text = read_text(file).lstrip("\ufeff")
    suffix = file.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        for line, content in enumerate(text.split("\n"), 1):
            if content.strip():
                yield line, _object(_json(content, file, line), file, line)
    elif suffix == ".json":
        content = _json(text, file, None)
        if not isinstance(content, list):
            raise UserError(f"{file} must hold a list of objects, one an utterance.")
        for number, item in enumerate(content, 1):
            yield number, _object(item, file, number)
    else:
        yield from _csv_rows(text, file)


def _csv_rows(text: str, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    head = text.partition("\n")[0]
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                raise UserError(
                    f"{file}, line {reader.line_num}: {len(cells)} cells for {len(header)} columns; put quotes "
                    f"around cells that hold a '{delimiter}'."
                )
            # A column without a name, as pandas writes its index, says nothing.
            yield reader.line_num, {name: cell for name, cell in zip(header, cells, strict=False) if name}
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num}: {error}.") from error


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
    """A path of the table; one written on Windows too."""
    path = root / (Path(written).expanduser() if written.startswith("~/") else written)
    if "\\" in written and not path.exists():
        return root / PureWindowsPath(written).as_posix()
    return path


def _with_ids(rows: list[Utterance]) -> Iterator[Utterance]:
    """Give rows without an id the name of their file, with as much of path and stretch as tells them apart."""
    paths = [row.path for row in rows if row.path is not None]
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
        elif uses[row.path] > 1 and (row.start, row.end) != (None, None):
            end = "" if row.end is None else f"{row.end:g}"
            yield replace(row, id=f"{name_of[row.path]}@{row.start or 0:g}-{end}")
        else:
            yield replace(row, id=name_of[row.path])
