"""Writes predictions as they come, so that nothing is lost and a second run goes on where the first stopped."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from emollm.prediction import Prediction, columns, name_of
from emollm.report.tables import predictions_table

Row = dict[str, Any]

# File names are bytes; those that are no UTF-8 are written as they are.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}


class PredictionWriter(Callback):
    """One CSV and one JSONL with the same rows.

    The JSONL is appended to row by row and is the record that a later run goes by; the CSV is written from it.

    Args:
        output: folder of the two files.
        labels: the label set, one probability column each.
        model: name of the model, written into every row.
    """

    def __init__(self, output: Path, labels: list[str], model: str) -> None:
        self.output = output.expanduser()
        self.columns = columns(labels)
        self.model = model
        self.jsonl = self.output / "predictions.jsonl"
        self.csv = self.output / "predictions.csv"
        self._stream: IO[str] | None = None

    def start(self, restart: bool = False) -> set[str]:
        """Open the files and tell which recordings are done.

        Rows with an error are forgotten, so that a mended file is tried again; a row cut off by a kill too.

        Raises:
            UserError: when the files hold predictions of another model.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        rows = [] if restart else [row for row in self._read() if not row.get("error")]
        strangers = {str(row.get("model")) for row in rows} - {self.model}
        if strangers:
            raise UserError(
                f"{self.jsonl} holds predictions of another model ({', '.join(sorted(strangers))}): "
                "give another --output, or --restart true to begin anew."
            )
        self._rewrite(rows)
        self._stream = self.jsonl.open("a", **_TEXT)
        return {row["path"] for row in rows}

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: list[Prediction], batch: Any, *_: Any
    ) -> None:
        """Append the rows of a batch."""
        self.append(prediction.row() for prediction in outputs)

    def append(self, rows: Iterable[Row]) -> None:
        """Append rows and hand them to the operating system at once."""
        assert self._stream is not None, "start() opens the files"
        for row in rows:
            self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._stream.flush()

    def finish(self, table: UtteranceTable, console: Console | None = None) -> list[Row]:
        """Put the rows into the order of the table, write the CSV, and say what was done."""
        if self._stream is not None:
            self._stream.close()
        place = {name_of(row): index for index, row in enumerate(table)}
        rows = sorted(self._read(), key=lambda row: place.get(row["path"], len(place)))
        self._rewrite(rows)
        console = console or Console()
        console.print(predictions_table(rows))
        errors = sum(bool(row["error"]) for row in rows)
        console.print(f"{len(rows)} recordings, {errors} with an error. Written:", highlight=False)
        console.print(f"  {self.csv}\n  {self.jsonl}", highlight=False, soft_wrap=True)
        return rows

    def _read(self) -> list[Row]:
        if not self.jsonl.is_file():
            return []
        rows: dict[str, Row] = {}
        # Not splitlines(): a transcript may hold a line separator of Unicode.
        for line in self.jsonl.read_text(**_TEXT).split("\n"):
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that was being written when the run was killed
            if isinstance(row, dict) and "path" in row:
                rows[row["path"]] = row
        return list(rows.values())

    def _rewrite(self, rows: list[Row]) -> None:
        """Replace both files, each at one stroke."""
        scratch = self.jsonl.with_suffix(".jsonl.part")
        scratch.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), **_TEXT)
        os.replace(scratch, self.jsonl)
        scratch = self.csv.with_suffix(".csv.part")
        with scratch.open("w", newline="", **_TEXT) as stream:
            writer = csv.DictWriter(stream, self.columns, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(scratch, self.csv)
