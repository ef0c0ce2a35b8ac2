"""One table of what many runs have come to, computed anew from the predictions they stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emollm.errors import UserError
from emollm.evaluation.differences import Difference, differences
from emollm.evaluation.frame import read, scored
from emollm.evaluation.intervals import bootstrap
from emollm.metrics import Result, from_predictions

_REPORT = "metrics.json"
_MODEL = "predictions.csv"


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
    """

    run: Path
    what: str
    corpus: str
    result: Result
    ua: tuple[float, float]
    weighted_f1: tuple[float, float]
    over: str
    against: Difference | None

    def values(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        result = self.result
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
        }


def lines(folder: Path, faults: list[str] | None = None) -> list[Line]:
    """The rows of every report in a folder and below it; folds of a cross-validation count as one run.

    Args:
        folder: of runs, or of one.
        faults: takes a sentence for each run that cannot be read; None lets the first one end all.

    Raises:
        UserError: when there is no report.
    """
    found, broken = [], 0
    for run in _runs(folder):
        try:
            found += _lines_of(run)
        except UserError as error:
            if faults is None:
                raise
            faults.append(str(error))
            broken += 1
    if not found and not broken:
        raise UserError(
            f"{folder} holds no report: name a folder that emollm test or crossval wrote, or one above."
        )
    return found


def _runs(folder: Path) -> Iterator[Path]:
    """Folders with a report, in order; not those inside of a folder with a report."""
    if (folder / _REPORT).is_file():
        yield folder
        return
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from _runs(below)


def _lines_of(run: Path) -> list[Line]:
    try:
        return list(_of(run))
    except UserError as error:
        raise error if str(run) in str(error) else UserError(f"{run}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{run / _REPORT} is no report of emollm, or a table beside it none of its own "
            f"({type(error).__name__}: {error}): test anew, or move it away."
        ) from error


def _of(run: Path) -> Iterator[Line]:
    content = json.loads((run / _REPORT).read_text(encoding="utf-8"))
    labels, rows = content["labels"], content["rows"]
    if not any(row["result"] for row in rows):  # a run that only transcribes
        return
    model = read(run / _MODEL)
    seeded = "seed" in model and bool(model["seed"].notna().any())
    for row in rows:
        if row["result"] is None:
            continue
        is_model = row["kind"] == "model"
        frame = model if is_model else _table(run, f"{row['kind']}s/{row['name']}.csv", seeded)
        if (n := from_predictions(frame, labels).overall.n) != row["result"]["n"]:
            raise UserError(
                f"{run}: '{row['title']}' has {n} scored predictions, and its report speaks of "
                f"{row['result']['n']}: test anew."
            )
        for corpus, part in _parts(frame).items():
            if corpus != "all" and not (scored(part, labels) & part["target"].notna()).any():
                continue  # of this corpus alone nothing could be measured
            interval = bootstrap(part, labels)
            yield Line(
                run=run,
                what=f"model: {row['title']}" if is_model else row["title"],
                corpus=corpus,
                result=from_predictions(part, labels).overall,
                ua=interval.ua,
                weighted_f1=interval.weighted_f1,
                over=interval.over,
                against=None if is_model else differences(_parts(model)[corpus], part, labels)["ua"],
            )


def _parts(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All rows, and, where there are several corpora, those of each."""
    corpora = sorted(frame["corpus"].dropna().unique())
    if len(corpora) < 2:
        return {corpora[0] if corpora else "all": frame}
    return {"all": frame, **{corpus: frame[frame["corpus"] == corpus] for corpus in corpora}}


def _table(run: Path, name: str, seeded: bool) -> pd.DataFrame:
    """The predictions of a row: of the run itself, or of its folds."""
    if (run / name).is_file():
        return read(run / name)
    # A fold without a report is being tested still.
    folds = [
        file
        for folder in sorted(run.glob("fold_*/test/version_*"))
        if (folder / _REPORT).is_file() and (file := folder / name).is_file()
    ]
    with_seed = [file for file in folds if "_seed_" in file.relative_to(run).parts[0]]
    if 0 < len(with_seed) < len(folds):  # two cross-validations in one folder, of which the later is reported
        folds = with_seed if seeded else [file for file in folds if file not in with_seed]
    if not folds:
        raise UserError(f"{run / name} is missing, which {run / _REPORT} speaks of: test anew.")
    return pd.concat([_marked(file) for file in folds], ignore_index=True)


def _marked(file: Path) -> pd.DataFrame:
    """A fold's table with the columns that tell folds and seeds apart in the pooled one."""
    fold, version = file.parent.parent.parent.parent.name, file.parent.parent
    names = json.loads((version / _REPORT).read_text(encoding="utf-8"))["protocol"]["folds"]
    _, _, seed = fold.partition("_seed_")
    # A protocol without folds has one, which crossval calls 1.
    return read(file).assign(fold=names[0] if names else "1", seed=seed or None)
