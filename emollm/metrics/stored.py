"""The numbers again, from a file of stored predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from emollm.errors import UserError
from emollm.metrics.metric import EmotionMetrics
from emollm.metrics.results import Results

_PREFIX = "p_"


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
    frame, name = (source, "The table") if isinstance(source, pd.DataFrame) else (_read(Path(source)), str(source))
    if labels is None:
        labels = [str(column)[len(_PREFIX) :] for column in frame.columns if str(column).startswith(_PREFIX)]
    chances = [f"{_PREFIX}{label}" for label in labels]
    absent = [column for column in ("target", "label", *chances) if column not in frame.columns]
    if absent or not chances:
        raise UserError(f"{name} has no column '{(absent or ['p_LABEL'])[0]}': give predictions of emollm test.")
    frame = frame[frame["target"].notna() & frame[chances].notna().all(axis=1)]
    if frame.empty:
        raise UserError(f"{name} has no row with both a target and probabilities, so nothing can be measured.")
    index = {label: position for position, label in enumerate(labels)}
    for column in ("target", "label"):
        strangers = sorted(set(frame[column].dropna()) - set(index))
        if strangers:
            raise UserError(
                f"{name}, column '{column}': '{strangers[0]}' is not one of the labels {', '.join(labels)}."
            )
    corpora = frame["corpus"].fillna("").astype(str) if "corpus" in frame.columns else [""] * len(frame)
    metric = EmotionMetrics(labels)
    metric.update(
        torch.tensor(frame[chances].to_numpy(dtype=float)),
        torch.tensor([index[target] for target in frame["target"]]),
        list(corpora),
        torch.tensor([-1 if pd.isna(label) else index[label] for label in frame["label"]]),
    )
    return metric.compute()


def _read(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise UserError(f"There is no file {file}: name the predictions.csv that emollm test wrote.")
    if file.suffix.lower() == ".jsonl":
        return pd.read_json(file, lines=True)
    # Only an empty field is missing: a transcript may well be "null" or "nan".
    return pd.read_csv(file, keep_default_na=False, na_values=[""])
