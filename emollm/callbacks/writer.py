"""Writes predictions as they come, so that nothing is lost and a second run goes on where the first stopped."""

from __future__ import annotations

import csv
import hashlib
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
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.files import hold
from emollm.prediction import Prediction, columns, name_of, with_durations
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
        together: all recordings of the call, where the answer to each depends on all of them: rows are then done
            only as long as nothing was added, taken away or changed.
    """

    def __init__(
        self,
        output: Path,
        labels: list[str],
        model: str,
        restart: bool = False,
        settings: Settings | None = None,
        together: UtteranceTable | None = None,
    ) -> None:
        self.output = output.expanduser()
        self.columns = columns(labels)
        self.model = model
        self.restart = restart
        self.settings = settings or {}
        self.jsonl = self.output / "predictions.jsonl"
        self.csv = self.output / "predictions.csv"
        self._stream: IO[str] | None = None
        self._lock: int | None = None
        self._stamps: dict[str, str | None] = {}
        self._together = None if together is None else _digest(sorted(map(repr, map(stamp, together))))

    # -- in a run -------------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Let every process know what is left to do, which the first one finds out.

        Raises:
            UserError: in every process, when the files hold predictions of another model, or made otherwise.
        """
        data, outcome = trainer.datamodule, None
        if trainer.is_global_zero:
            try:
                self._hold()
                done = self.start(data.table)
                if done:
                    text = f"{len(done)} of {len(data.table)} recordings were done before; going on."
                    print(text, file=sys.stderr)
                outcome = data.table.where(lambda row: name_of(row) not in done)
            except UserError as error:
                outcome = str(error)
            except OSError as error:  # else the other processes would wait for ever
                outcome = f"{error.filename or self.output} cannot be used: {error.strerror}."
        outcome = trainer.strategy.broadcast(outcome)
        if isinstance(outcome, str):
            raise UserError(outcome)
        # Not each process's own list: files may come and go between one listing and the next.
        data.table = outcome
        # As they are given: a transcriber fills in texts later.
        self._stamps = {name_of(row): self._stamp(row) for row in outcome}
        self.open(trainer.global_rank)

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: list[Prediction], batch: Any, *_: Any
    ) -> None:
        """Append the rows of a batch."""
        if trainer.datamodule.keeps_features:
            read = [one for one in outputs if one.probabilities or one.error is None]
            broken = [one for one in outputs if not (one.probabilities or one.error is None)]
            outputs = with_durations(read, trainer.datamodule.sounds) + broken
        rows = (prediction.row() for prediction in outputs)
        self.append(row | {"stamp": self._stamps.get(row["path"])} for row in rows)

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Wait until every process has written its rows; what is left is to merge them, before others come."""
        self._close_stream()
        trainer.strategy.barrier("predictions are written")

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """Let others work in the folder; Lightning tears down no callbacks then."""
        self.close()

    # -- files ----------------------------------------------------------------------------------------------

    def start(self, table: UtteranceTable | None = None) -> set[str]:
        """Put the files in order, what a killed run left behind included, and tell which recordings are done.

        Of the recordings in the table those with an error are forgotten, so that a mended file is tried again, and
        those whose sound or text has changed since; a row cut off by a kill too. Rows of other recordings stay.

        Args:
            table: what is to be labelled; None takes every row there is for a part of it.

        Raises:
            UserError: when the files hold predictions of another model, or made in another way.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        places, done = self._kept(table)
        self._rewrite(Rows(list(places.values())))
        return done

    def check(self) -> None:
        """Refuse at once what ``start`` would refuse after a long time of listening.

        Raises:
            UserError: as ``start``.
        """
        self._kept(None)

    def _kept(self, table: UtteranceTable | None) -> tuple[dict[str, Place], set[str]]:
        """Where the rows to keep lie, and which recordings of the table are done."""
        asked = {name_of(row): row for row in table or ()}
        places: dict[str, Place] = {}
        done: set[str] = set()
        strangers: set[str] = set()
        others: list[Settings] = []
        for row, place in scan([] if self.restart else [self.jsonl, *self._shards()]):
            name, failed = row["path"], bool(row.get("error"))
            places.pop(name, None)
            done.discard(name)
            if table is not None and name not in asked:
                places[name] = place
            elif not failed and (table is None or _same(row.get("stamp"), self._stamp(asked[name]))):
                places[name] = place
                done.add(name)
            if not failed:
                strangers |= {str(row.get("model"))} - {self.model}
                made = row.get("settings") or {}  # an earlier version did not tell
                if made not in others:
                    others.append(made)
        wrong = [f"of another model ({', '.join(sorted(strangers))}, not {self.model})"] if strangers else []
        wrong += [f"made with {difference}" for difference in differences(self.settings, others)]
        if wrong:
            raise UserError(
                f"{self.jsonl} holds predictions {' and '.join(wrong)}: give another --output, or --restart true "
                "to begin anew."
            )
        return places, done

    def _stamp(self, row: Utterance) -> str | None:
        own = stamp(row)
        return own if own is None or self._together is None else f"{own}-{self._together}"

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
        """Close the file, and let others work in the folder."""
        self._close_stream()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def finish(self, table: UtteranceTable, console: Console | None = None) -> None:
        """Merge what all processes wrote, in the order of the table, write the CSV, and say what was done.

        Raises:
            UserError: when not one of the recordings could be labelled, so that a script notices.
        """
        self._close_stream()
        self._hold()
        try:
            self._finish(table, console or Console())
        finally:
            self.close()

    def _hold(self) -> None:
        """Two at once would replace what the other one appends to."""
        self.output.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = hold(self.output, "Another emollm predict")

    def _finish(self, table: UtteranceTable, console: Console) -> None:
        places = {row["path"]: place for row, place in scan([self.jsonl, *self._shards()])}
        order = {name_of(row): index for index, row in enumerate(table)}
        names = sorted(places, key=lambda name: order.get(name, len(order)))
        self._rewrite(Rows([places[name] for name in names]))
        written = [(row["path"] in order, bool(row.get("error")), place) for row, place in scan([self.jsonl])]
        rows = Rows([place for mine, _, place in written if mine])
        errors, before = sum(failed for mine, failed, _ in written if mine), len(written) - len(rows)
        console.print(predictions_table(rows))
        more = f"; {before} of earlier calls, of other recordings, stand behind them" if before else ""
        console.print(f"{len(rows)} recordings, {errors} with an error{more}. Written:", highlight=False)
        console.print(f"  {self.csv}\n  {self.jsonl}", highlight=False, markup=False, soft_wrap=True)
        if errors and errors == len(rows):
            raise UserError(
                f"None of the recordings could be labelled: the column 'error' of {self.csv} says why."
            )

    def _shard(self, rank: int) -> Path:
        return self.output / f"predictions.rank{rank}.jsonl"

    def _shards(self) -> list[Path]:
        return sorted(self.output.glob("predictions.rank*.jsonl"))

    def _rewrite(self, rows: Rows) -> None:
        """Replace both files, each at one stroke, by rows from anywhere; the shards are not needed then.

        A kill in between leaves rows twice, in the JSONL and in a shard: the next run reads them as one.
        """
        lines, table = self.jsonl.with_suffix(".jsonl.part"), self.csv.with_suffix(".csv.part")
        with lines.open("w", **TEXT) as stream, table.open("w", newline="", **TEXT) as cells:
            writer = csv.DictWriter(cells, self.columns, restval="", extrasaction="ignore")
            writer.writeheader()
            for row in rows:
                stream.write(line_of(row))
                writer.writerow(row)
        os.replace(lines, self.jsonl)
        os.replace(table, self.csv)
        for shard in self._shards():
            shard.unlink()


def _same(made: str | None, now: str | None) -> bool:
    """Whether a row is of what is there now; what cannot be seen, a share that is away, has not changed."""
    return made is None or now is None or made == now


def stamp(utterance: Utterance) -> str | None:
    """A digest of what a row depends on beside its name: size and change of the file, and the given texts.

    None where the file cannot be seen.
    """
    state: tuple[int, ...] = ()
    if utterance.path is not None:
        try:
            found = utterance.path.stat()
        except OSError:
            return None
        state = (found.st_size, found.st_mtime_ns)
    told = (utterance.transcript, utterance.context, utterance.language)
    # Of them only what is known counts, so that rows of an earlier version stay what they are.
    told += tuple(known for known in (utterance.speaker, utterance.cues) if known is not None)
    return _digest((state, told))


def _digest(values: object) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "backslashreplace")).hexdigest()[:12]
