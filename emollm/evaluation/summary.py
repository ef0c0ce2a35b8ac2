"""All that a report says of one table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from emollm.evaluation.counts import confusions, figures
from emollm.evaluation.intervals import bootstrap
from emollm.evaluation.reliability import reliability
from emollm.metrics import Result, from_predictions
from emollm.metrics.stored import Counted, count

WORST = 10
_OF_AN_ERROR = ("id", "path", "corpus", "speaker", "target", "label", "confidence", "transcript")


def summarise(frame: pd.DataFrame, labels: Sequence[str], draws: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Figures, intervals, corpora, speakers, reliability, the worst errors and the broken recordings.

    Args:
        frame: predictions, with the columns of ``emollm.evaluation.columns``.
        labels: the K labels.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        Plain values, ready for JSON:
        ``result`` (see ``emollm.metrics.Result``); ``intervals`` and ``intervals_over`` (see ``Intervals``);
        ``corpora``, by name, with the same three; ``speakers``, each with corpus, speaker, n, wa and ua;
        ``reliability``; ``errors``, the ten of which the model was most sure; ``broken``, path and error of
        recordings that have no prediction.

    Raises:
        UserError: when a column is missing, a label is unknown, or no row counts.
    """
    counted, results = count(frame, labels), from_predictions(frame, labels)
    return {
        **_measured(results.overall, frame, labels, draws, seed),
        "corpora": {
            name: _measured(result, counted.rows[counted.corpora == name], labels, draws, seed)
            for name, result in results.corpora.items()
        },
        "speakers": _speakers(counted),
        "reliability": reliability(frame),
        "errors": _errors(counted.rows),
        "broken": _broken(frame, labels),
    }


def _measured(result: Result, frame: pd.DataFrame, labels: Sequence[str], draws: int, seed: int) -> dict[str, Any]:
    intervals = bootstrap(frame, labels, draws, seed)
    return {"result": asdict(result), "intervals": intervals.to_dict(), "intervals_over": intervals.over}


def _speakers(counted: Counted) -> list[dict[str, Any]]:
    """One entry a known speaker, in the order of corpus and name; also those that no interval is drawn over."""
    if "speaker" not in counted.rows.columns:
        return []
    table = pd.DataFrame({"corpus": counted.corpora, "speaker": counted.rows["speaker"]})
    known = table.dropna(subset="speaker").groupby(["corpus", "speaker"])
    names = list(known.size().index)
    groups = known.ngroup().reindex(table.index, fill_value=-1)
    matrices = confusions(counted, groups.to_numpy(dtype=np.int64), len(names))
    of = figures(matrices)
    return [
        {"corpus": corpus, "speaker": str(speaker), "n": int(matrix.sum()), "wa": float(wa), "ua": float(ua)}
        for (corpus, speaker), matrix, wa, ua in zip(names, matrices, of["wa"], of["ua"], strict=True)
    ]


def _errors(rows: pd.DataFrame) -> list[dict[str, Any]]:
    wrong = rows[rows["label"].notna() & (rows["label"] != rows["target"])]
    # Several models may err alike on one utterance, which is one error to look at.
    wrong = wrong.reindex(columns=_OF_AN_ERROR).sort_values("confidence", ascending=False, kind="stable")
    wrong = wrong[~wrong.duplicated(["corpus", "id", "label"]) | wrong["id"].isna()]
    # Of equally sure ones the first rows, so that two runs show the same.
    return _plain(wrong.head(WORST))


def _broken(frame: pd.DataFrame, labels: Sequence[str]) -> list[dict[str, Any]]:
    silent = frame[[f"p_{label}" for label in labels]].isna().all(axis=1)
    table = frame.reindex(columns=("path", "error"))
    return _plain(table[silent & table["error"].notna()])


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries, None where a value is missing."""
    return [
        {key: None if pd.isna(value) else value for key, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]
