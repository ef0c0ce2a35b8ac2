"""The table of predictions: one row an utterance, in memory as in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emollm import prediction as predicted
from emollm.files import write_bytes
from emollm.metrics.stored import read, typed
from emollm.prediction import Prediction

__all__ = ["columns", "read", "scored", "to_frame", "write"]


def columns(labels: Sequence[str]) -> list[str]:
    """Names of the columns, in their order."""
    path, *shown = predicted.columns(list(labels))
    return ["id", path, "corpus", "speaker", "language", "target", *shown]


def to_frame(predictions: Sequence[Prediction], labels: Sequence[str]) -> pd.DataFrame:
    """Predictions as a table with the columns of ``columns``, in the same order, whatever there is in them.

    Probabilities keep nine significant digits, by which every float32 is told from its neighbours, where the
    files of ``emollm predict`` show six: the figures of a table, of the file written from it and of the model
    that made it are the same.

    Args:
        predictions: of one model; broken recordings have an ``error`` and no probabilities.
        labels: the K labels, one probability column each.

    Returns:
        Types as ``read`` gives them: what is read from a written table equals the table.
    """
    rows = [_row(prediction) for prediction in predictions]
    return typed(pd.DataFrame(rows, columns=columns(labels), dtype=object), "The predictions")


def scored(frame: pd.DataFrame, labels: Sequence[str]) -> pd.Series:
    """Which rows have probabilities, as recordings that could not be read have not."""
    return frame[[f"p_{label}" for label in labels]].notna().all(axis=1)


def write(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV at one stroke: a run that is killed leaves the old file or the new one, never half."""
    # Lines end as RFC 4180 has it: only then does the csv module of every Python quote a carriage return.
    text = frame.to_csv(index=False, lineterminator="\r\n")
    write_bytes(Path(path), text.encode("utf-8", errors="surrogateescape"))


def _row(prediction: Prediction) -> dict[str, Any]:
    utterance = prediction.utterance
    return {
        **prediction.row(),
        "id": utterance.key,
        "corpus": utterance.corpus,
        "speaker": utterance.speaker,
        "language": utterance.language,
        "target": utterance.label,
        "confidence": _exact(prediction.confidence),
        **{f"p_{label}": _exact(value) for label, value in prediction.probabilities.items()},
    }


def _exact(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.9g}")
