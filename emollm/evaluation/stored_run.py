"""What a test or a cross-validation left in its folder: the rows of its report, with their predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emollm.errors import UserError
from emollm.evaluation.frame import read
from emollm.metrics import from_predictions

_REPORT = "metrics.json"
_MODEL = "predictions.csv"


@dataclass(frozen=True)
class StoredRow:
    """The model in one of its views, or an ablation or a baseline of it.

    Attributes:
        kind: ``model``, ``range``, ``ablation`` or ``baseline``.
        name: tells rows of one kind apart.
        title: the name that readers see.
        frame: the predictions of all folds.
    """

    kind: str
    name: str
    title: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class StoredRun:
    """A run.

    Attributes:
        folder: where it is.
        labels: the K labels.
        rows: those that were measured, as the report has them; none where a model only transcribes.
    """

    folder: Path
    labels: list[str]
    rows: list[StoredRow]

    @classmethod
    def read(cls, folder: Path) -> StoredRun:
        """Read a run; folds of a cross-validation count as one.

        Raises:
            UserError: when the report or a table is broken or missing, or they speak of other utterances.
        """
        with _readable(folder):
            content = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
            labels, rows = content["labels"], content["rows"]
            if not any(row["result"] for row in rows):
                return cls(folder, labels, [])
            model = read(folder / _MODEL)
            seeded = "seed" in model and bool(model["seed"].notna().any())
            found = []
            for row in rows:
                if row["result"] is None:
                    continue
                frame = model if row["kind"] == "model" else _table(folder, row, seeded)
                if (n := from_predictions(frame, labels).overall.n) != row["result"]["n"]:
                    raise UserError(
                        f"{folder}: '{row['title']}' has {n} scored predictions, and its report speaks of "
                        f"{row['result']['n']}: test anew."
                    )
                if lacking := {"corpus", "id"} - set(frame):
                    raise KeyError(min(lacking))
                found.append(StoredRow(row["kind"], row["name"], row["title"], frame))
            return cls(folder, labels, found)


def runs_below(folder: Path) -> Iterator[Path]:
    """Folders with a report, in order; not those inside of a folder with a report."""
    if (folder / _REPORT).is_file():
        yield folder
        return
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from runs_below(below)


def by_corpus(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All rows, and, where there are several corpora, those of each."""
    corpora = sorted(frame["corpus"].dropna().unique())
    if len(corpora) < 2:
        return {corpora[0] if corpora else "all": frame}
    return {"all": frame, **{corpus: frame[frame["corpus"] == corpus] for corpus in corpora}}


@contextmanager
def _readable(run: Path) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise error if str(run) in str(error) else UserError(f"{run}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{run / _REPORT} is no report of emollm, or a table beside it none of its own "
            f"({type(error).__name__}: {error}): test anew, or move it away."
        ) from error


def _table(run: Path, row: dict[str, Any], seeded: bool) -> pd.DataFrame:
    """The predictions of a row: of the run itself, or of its folds."""
    name = f"{row['kind']}s/{row['name']}.csv"
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
