"""One table of what many runs have come to, computed anew from the predictions they stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emollm.errors import UserError
from emollm.evaluation.differences import Difference, differences, shared
from emollm.evaluation.frame import scored
from emollm.evaluation.intervals import bootstrap
from emollm.evaluation.stored_run import StoredRow, StoredRun, by_corpus, runs_below
from emollm.metrics import Result, from_predictions

_VIEWS = ("model", "range")
"""Kinds of rows that are a run's own model: those that another run's model is held against."""


@dataclass(frozen=True)
class Ahead:
    """How far a run is ahead of another one on the utterances that both have.

    Attributes:
        n: how many predictions are paired.
        ua: the run's UA less the other's, and the 95 % interval of that.
        weighted_f1: the same of weighted-F1.
        over: what the intervals are drawn over.
    """

    n: int
    ua: Difference
    weighted_f1: Difference
    over: str


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        run: folder of the run.
        what: the model, an ablation, a baseline, or a speaker range.
        corpus: ``all``, or one of several corpora.
        result: every figure.
        ua: 95 % interval of UA.
        weighted_f1: 95 % interval of weighted-F1.
        over: what the intervals are drawn over.
        against: the model's UA less this row's, and its 95 % interval; None for the model itself.
        ahead: of the run that all are held against, in the same view (one clip at a time, or in a range); None
            where there is none, or it has no such row or no such utterance.
    """

    run: Path
    what: str
    corpus: str
    result: Result
    ua: tuple[float, float]
    weighted_f1: tuple[float, float]
    over: str
    against: Difference | None
    ahead: Ahead | None

    def values(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        result, ahead = self.result, self.ahead
        return {
            "run": str(self.run),
            "what": self.what,
            "corpus": self.corpus,
            "n": result.n,
            **{name: getattr(result, name) for name in ("wa", "ua", "macro_f1", "weighted_f1", "ece")},
            "ua_interval": list(self.ua),
            "weighted_f1_interval": list(self.weighted_f1),
            "over": self.over,
            "model_less_this_ua": None if self.against is None else list(self.against),
            "less_other_run": None
            if ahead is None
            else {
                "n": ahead.n,
                "ua": list(ahead.ua),
                "weighted_f1": list(ahead.weighted_f1),
                "over": ahead.over,
            },
        }


def lines(folder: Path, faults: list[str] | None = None, other: StoredRun | None = None) -> list[Line]:
    """The rows of every report in a folder and below it; folds of a cross-validation count as one run.

    Args:
        folder: of runs, or of one.
        faults: takes a sentence for each run that cannot be read; None lets the first one end all.
        other: a run that all others are held against.

    Raises:
        UserError: when there is no report.
    """
    found, broken = [], 0
    for run in runs_below(folder):
        try:
            found += _lines_of(StoredRun.read(run), other)
        except UserError as error:
            named = error if str(run) in str(error) else UserError(f"{run}: {error}")
            if faults is None:
                raise named from error
            faults.append(str(named))
            broken += 1
    if not found and not broken:
        raise UserError(
            f"{folder} holds no report: name a folder that emollm test or emollm crossval wrote, or one above."
        )
    return found


def other_run(folder: Path) -> StoredRun:
    """The one run in a folder or below it, to hold others against.

    Raises:
        UserError: when there is none or there are several, or it measured nothing.
    """
    runs = list(runs_below(folder)) if folder.is_dir() else []
    if len(runs) != 1:
        raise UserError(
            f"--against {folder} holds {len(runs) or 'no'} report{'s' * (len(runs) > 1)}: name the folder of one "
            "run, which emollm test or emollm crossval wrote."
        )
    run = StoredRun.read(runs[0])
    if not run.rows:
        raise UserError(f"--against {folder}: that run labelled nothing, so nothing is held against it.")
    return run


def _lines_of(run: StoredRun, other: StoredRun | None) -> Iterator[Line]:
    if not run.rows:
        return
    labels = run.labels
    model = by_corpus(next(row.frame for row in run.rows if row.kind == "model"))
    for row in run.rows:
        is_model = row.kind == "model"
        rival = _rival(run, row, other)
        for corpus, part in by_corpus(row.frame).items():
            if corpus != "all" and not (scored(part, labels) & part["target"].notna()).any():
                continue  # of this corpus alone nothing could be measured
            interval = bootstrap(part, labels)
            yield Line(
                run=run.folder,
                what=f"model: {row.title}" if is_model else row.title,
                corpus=corpus,
                result=from_predictions(part, labels).overall,
                ua=interval.ua,
                weighted_f1=interval.weighted_f1,
                over=interval.over,
                against=None if is_model else differences(model[corpus], part, labels)["ua"],
                ahead=_ahead(part, rival, labels),
            )


def _rival(run: StoredRun, row: StoredRow, other: StoredRun | None) -> pd.DataFrame | None:
    """The other run's predictions in the same view, if it is another one with the same labels."""
    if other is None or other.folder.samefile(run.folder) or set(other.labels) != set(run.labels):
        return None
    view = [one for one in other.rows if one.kind == row.kind and (one.kind == "model" or one.name == row.name)]
    return view[0].frame if view and row.kind in _VIEWS else None


def _ahead(frame: pd.DataFrame, rival: pd.DataFrame | None, labels: list[str]) -> Ahead | None:
    if rival is None:
        return None
    number, over = shared(frame, rival, labels)
    if not number:
        return None
    found = differences(frame, rival, labels)
    return Ahead(number, found["ua"], found["weighted_f1"], over)
