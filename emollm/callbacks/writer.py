"""Writes predictions as they come, so that nothing is lost and a second run goes on where the first stopped."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from emollm.callbacks.rows import TEXT, Place, Row, Rows, line_of, scan
from emollm.callbacks.settings import Settings, differences
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from emollm.prediction import Prediction, columns, name_of
from emollm.report.tables import predictions_table


class PredictionWriter(Callback):
    """One CSV and one JSONL with the same rows.

    The JSONL is appended to row by row and is the record that a later run goes by; the CSV is written from it.
    Of several processes the first one appends to the JSONL itself, each other one to a shard of its own, which the
    first one merges at the end; shards that a killed run left behind are merged by the next one.

    Args:
        output: folder of the two files.
        labels: the label set, one probability column each.
        model: name of the model, written into every row.
        restart: begin anew instead of going on where a run stopped.
        settings: how the rows are made, written into every row of the JSONL; see ``settings_of``.
    """

    def __init__(
        self,
        output: Path,
        labels: list[str],
        model: str,
        restart: bool = False,
        settings: Settings | None = None,
    ) -> None:
        self.output = output.expanduser()
        self.columns = columns(labels)
        self.model = model
        self.restart = restart
        self.settings = settings or {}
        self.jsonl = self.output / "predictions.jsonl"
        self.csv = self.output / "predictions.csv"
        self._stream: IO[str] | None = None

    # -- in a run -------------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Let every process know what is left to do, which the first one finds out.

        Raises:
            UserError: in every process, when the files hold predictions of another model, or made otherwise.
        """
        data, outcome = trainer.datamodule, None
        if trainer.is_global_zero:
            try:
                done = self.start()
                if done:
                    text = f"{len(done)} of {len(data.table)} recordings were done before; going on."
                    print(text, file=sys.stderr)
                outcome = data.table.where(lambda row: name_of(row) not in done)
            except UserError as error:
                outcome = str(error)
            except OSError as error:  # else the other processes would wait for ever
                outcome = f"The output cannot be written ({error}): choose another folder in --output."
        outcome = trainer.strategy.broadcast(outcome)
        if isinstance(outcome, str):
            raise UserError(outcome)
        # Not each process's own list: files may come and go between one listing and the next.
        data.table = outcome
        self.open(trainer.global_rank)

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: list[Prediction], batch: Any, *_: Any
    ) -> None:
        """Append the rows of a batch."""
        self.append(prediction.row() for prediction in outputs)

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Wait until every process has written its rows."""
        self.close()
        trainer.strategy.barrier("predictions are written")

    # -- files ----------------------------------------------------------------------------------------------

    def start(self) -> set[str]:
        """Put the files in order, what a killed run left behind included, and tell which recordings are done.

        Rows with an error are forgotten, so that a mended file is tried again; a row cut off by a kill too.

        Raises:
            UserError: when the files hold predictions of another model, or made in another way.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        places: dict[str, Place] = {}
        strangers: set[str] = set()
        others: list[Settings] = []
        for row, place in scan([] if self.restart else [self.jsonl, *self._shards()]):
            places.pop(row["path"], None)
            if not row.get("error"):
                places[row["path"]] = place
                strangers |= {str(row.get("model"))} - {self.model}
                made = row.get("settings") or {}  # an earlier version did not tell
                if made not in others:
                    others.append(made)
        wrong = [f"of another model ({', '.join(sorted(strangers))})"] if strangers else []
        wrong += [f"made with {difference}" for difference in differences(self.settings, others)]
        if wrong:
            raise UserError(
                f"{self.jsonl} holds predictions {' and '.join(wrong)}: give another --output, or --restart true "
                "to begin anew."
            )
        self._rewrite(Rows(list(places.values())))
        return set(places)

    def open(self, rank: int = 0) -> None:
        """Open the file that a process appends to."""
        self._stream = (self.jsonl if rank == 0 else self._shard(rank)).open("a", **TEXT)

    def append(self, rows: Iterable[Row]) -> None:
        """Append rows and hand them to the operating system at once."""
        assert self._stream is not None, "open() opens the file"
        for row in rows:
            self._stream.write(line_of({**row, "settings": self.settings}))
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def finish(self, table: UtteranceTable, console: Console | None = None) -> None:
        """Merge what all processes wrote, in the order of the table, write the CSV, and say what was done."""
        self.close()
        places = {row["path"]: place for row, place in scan([self.jsonl, *self._shards()])}
        order = {name_of(row): index for index, row in enumerate(table)}
        names = sorted(places, key=lambda name: order.get(name, len(order)))
        errors = self._rewrite(Rows([places[name] for name in names]))
        rows = Rows([place for _, place in scan([self.jsonl])])
        console = console or Console()
        console.print(predictions_table(rows))
        console.print(f"{len(rows)} recordings, {errors} with an error. Written:", highlight=False)
        console.print(f"  {self.csv}\n  {self.jsonl}", highlight=False, soft_wrap=True)

    def _shard(self, rank: int) -> Path:
        return self.output / f"predictions.rank{rank}.jsonl"

    def _shards(self) -> list[Path]:
        return sorted(self.output.glob("predictions.rank*.jsonl"))

    def _rewrite(self, rows: Rows) -> int:
        """Replace both files, each at one stroke, by rows from anywhere; the shards are not needed then.

        A kill in between leaves rows twice, in the JSONL and in a shard: the next run reads them as one.

        Returns:
            How many rows have an error.
        """
        errors = 0
        lines, table = self.jsonl.with_suffix(".jsonl.part"), self.csv.with_suffix(".csv.part")
        with lines.open("w", **TEXT) as stream, table.open("w", newline="", **TEXT) as cells:
            writer = csv.DictWriter(cells, self.columns, restval="", extrasaction="ignore")
            writer.writeheader()
            for row in rows:
                stream.write(line_of(row))
                writer.writerow(row)
                errors += bool(row.get("error"))
        os.replace(lines, self.jsonl)
        os.replace(table, self.csv)
        for shard in self._shards():
            shard.unlink()
        return errors
