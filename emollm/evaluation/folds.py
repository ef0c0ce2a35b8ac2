"""Figures over the folds of a cross-validation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emollm.errors import UserError
from emollm.evaluation.counts import FIGURES_OF_COUNTS
from emollm.metrics import from_predictions


def over_folds(frames: Mapping[str, pd.DataFrame], labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation over folds, each fold counting once however large it is.

    Args:
        frames: predictions by the name of the fold.
        labels: the K labels.

    Returns:
        For ``wa``, ``ua``, ``macro_f1`` and ``weighted_f1``: ``mean``, ``sd`` (the sample's, N - 1; None for one
        fold) and ``values`` by fold; under ``n`` how many predictions are counted in each fold.

    Raises:
        UserError: when there are no folds, or one cannot be measured; the sentence names it.
    """
    if not frames:
        raise UserError("There are no folds to take a mean over: test one at least.")
    results = {}
    for fold, frame in frames.items():
        try:
            results[fold] = from_predictions(frame, labels).overall
        except UserError as error:
            raise UserError(f"Fold {fold}: {error}") from error
    figures = {
        name: _over({fold: getattr(result, name) for fold, result in results.items()})
        for name in FIGURES_OF_COUNTS
    }
    return {**figures, "n": {fold: result.n for fold, result in results.items()}}


def _over(values: dict[str, float]) -> dict[str, Any]:
    return {
        "mean": statistics.fmean(values.values()),
        "sd": statistics.stdev(values.values()) if len(values) > 1 else None,
        "values": values,
    }
