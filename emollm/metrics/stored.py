"""The numbers again, from a file of stored predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from emollm.errors import UserError
from emollm.metrics.metric import EmotionMetrics
from emollm.metrics.results import Results

_PREFIX = "p_"
_NUMBERS = ("confidence", "duration")
# File names are bytes; those that are no UTF-8 are written, and read again, as they are.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}


@dataclass(frozen=True)
class Counted:
    """The rows of a table of predictions that count, checked, and as numbers.

    Attributes:
        labels: the K labels.
        rows: the N rows that count, numbered from 0.
        probabilities: (N, K) float32, the precision they were computed in and every figure is taken of.
        targets: (N,) label index.
        answers: (N,) label index, -1 for an answer that could not be read.
        corpora: (N,) names; the empty string where a row names none.
    """

    labels: list[str]
    rows: pd.DataFrame
    probabilities: np.ndarray
    targets: np.ndarray
    answers: np.ndarray
    corpora: np.ndarray


def from_predictions(source: str | Path | pd.DataFrame, labels: Sequence[str] | None = None) -> Results:
    """Measure stored predictions, as ``emollm test`` writes them into ``predictions.csv``.

    A row counts when it has a target and probabilities: recordings that could not be read have none. A row with
    both and no label is an answer that could not be read. Figures are exact to the file's rounding.

    Args:
        source: a CSV or JSONL file, or a DataFrame, with the columns ``target``, ``label`` (the answer), one
            ``p_LABEL`` a label, and, if there is more than one corpus, ``corpus``.
        labels: the label set in the wanted order; the order of the ``p_`` columns where left out.

    Raises:
        UserError: when a column is missing, a label is unknown, or no row counts.
    """
    frame, name = (source, "The table") if isinstance(source, pd.DataFrame) else (read(source), str(source))
    counted = count(frame, labels, name)
    metric = EmotionMetrics(counted.labels, gathers=False)  # every process has the whole table
    metric.update(
        torch.tensor(counted.probabilities),
        torch.tensor(counted.targets),
        list(counted.corpora),
        torch.tensor(counted.answers),
    )
    return metric.compute()


def count(frame: pd.DataFrame, labels: Sequence[str] | None = None, name: str = "The table") -> Counted:
    """Check a table of predictions and take the rows that count; arguments and errors as in ``from_predictions``.

    Args:
        frame: the table.
        labels: the label set in the wanted order; the order of the ``p_`` columns where left out.
        name: what errors call the table.
    """
    if labels is None:
        labels = [str(column)[len(_PREFIX) :] for column in frame.columns if str(column).startswith(_PREFIX)]
    chances = [f"{_PREFIX}{label}" for label in labels]
    absent = [column for column in ("target", "label", *chances) if column not in frame.columns]
    if absent or not chances:
        raise UserError(f"{name} has no column '{(absent or ['p_LABEL'])[0]}': give predictions of emollm test.")
    rows = frame[frame["target"].notna() & frame[chances].notna().all(axis=1)].reset_index(drop=True)
    if rows.empty:
        raise UserError(f"{name} has no row with both a target and probabilities, so nothing can be measured.")
    index = {label: position for position, label in enumerate(labels)}
    for column in ("target", "label"):
        strangers = sorted(set(rows[column].dropna()) - set(index), key=str)
        if strangers:
            raise UserError(
                f"{name}, column '{column}': '{strangers[0]}' is not one of the labels {', '.join(labels)}."
            )
    corpora = rows["corpus"].fillna("").astype(str) if "corpus" in rows.columns else [""] * len(rows)
    return Counted(
        labels=list(labels),
        rows=rows,
        probabilities=rows[chances].to_numpy(dtype=np.float32),
        targets=rows["target"].map(index).to_numpy(dtype=np.int64),
        answers=rows["label"].map(index).astype(float).fillna(-1).to_numpy(dtype=np.int64),
        corpora=np.asarray(corpora, dtype=object),
    )


def read(file: str | Path) -> pd.DataFrame:
    """Read a file of predictions, CSV or JSONL.

    Returns:
        A table in which probabilities, ``confidence`` and ``duration`` are floats (NaN where missing), exact to
        the last bit, and all else is text (None where missing): a speaker ``01`` stays ``01``.

    Raises:
        UserError: when there is no such file, it is no table, or text stands where a number belongs.
    """
    file = Path(file)
    if not file.is_file():
        raise UserError(f"There is no file {file}: name the predictions.csv that emollm test wrote.")
    try:
        frame = _read_jsonl(file) if file.suffix.lower() == ".jsonl" else _read_csv(file)
    except ValueError as error:  # also what pandas and json raise
        raise UserError(f"{file} is no table of predictions ({error}): write it anew with emollm test.") from error
    return typed(frame, str(file))


def typed(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The same table with the types that ``read`` gives, whatever the version of pandas made of it."""
    return pd.DataFrame({column: _typed(frame[column], name) for column in frame.columns}, index=frame.index)


def _typed(values: pd.Series, name: str) -> pd.Series:
    if values.name in _NUMBERS or str(values.name).startswith(_PREFIX):
        try:
            return values.astype(float)
        except ValueError as error:
            raise UserError(f"{name}, column '{values.name}': {error}; put a number there.") from error
    known = values.notna() & (values != "")
    texts = [str(value) if there else None for value, there in zip(values, known, strict=True)]
    return pd.Series(texts, index=values.index, dtype=object)


def _read_csv(file: Path) -> pd.DataFrame:
    # Only an empty field is missing: a transcript may well be "null" or "nan".
    return pd.read_csv(
        file,
        dtype=object,
        keep_default_na=False,
        na_values=[""],
        encoding=_TEXT["encoding"],
        encoding_errors=_TEXT["errors"],
    )


def _read_jsonl(file: Path) -> pd.DataFrame:
    # Not splitlines(): a transcript may hold a line separator of Unicode.
    lines = file.read_text(**_TEXT).split("\n")
    rows = [json.loads(line) for line in lines if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("not every line is an object")
    return pd.DataFrame(rows, dtype=object)
