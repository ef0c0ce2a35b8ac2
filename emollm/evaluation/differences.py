"""How much better one table of predictions is than another of the same utterances, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emollm.errors import UserError
from emollm.evaluation.counts import FIGURES_OF_COUNTS, confusions, figures
from emollm.evaluation.intervals import LEVEL, clusters_of, draw, in_words
from emollm.metrics.stored import Counted, count

Difference = tuple[float, float, float]
"""A figure less the other one, and the 95 % interval (low, high) of that."""


def differences(
    frame: pd.DataFrame, other: pd.DataFrame, labels: Sequence[str], draws: int = 2000, seed: int = 0
) -> dict[str, Difference]:
    """The paired cluster bootstrap: every draw of speakers is taken from both tables.

    What two models have in common (hard speakers, rare labels) cancels out, so that a difference is told which the
    intervals of the two figures, held side by side, would hide. Who is drawn is as in ``bootstrap``.

    Args:
        frame: predictions.
        other: predictions of the same utterances; those that one table lacks are left out.
        labels: the K labels.
        draws: how often to draw.
        seed: of the draws.

    Returns:
        ``wa``, ``ua``, ``macro_f1`` and ``weighted_f1``, as shares between -1 and 1.

    Raises:
        UserError: when a column is missing, a label is unknown, no row counts, or an utterance has two targets.
    """
    mine, theirs = _paired(frame, other, labels)
    if (mine.targets != theirs.targets).any():
        one = mine.rows.loc[mine.targets != theirs.targets, "id"].iloc[0]
        raise UserError(f"The two tables have other targets for '{one}': they are not of the same labels.")
    groups, number, _ = clusters_of(mine)
    alone = groups < 0
    groups = np.where(alone, number + np.cumsum(alone) - 1, groups)
    number += int(alone.sum())
    size = len(labels) * (len(labels) + 1)
    units = np.concatenate(
        [confusions(table, groups, number).reshape(number, size) for table in (mine, theirs)], axis=1
    )

    def measured(counts: np.ndarray) -> dict[str, np.ndarray]:
        of = [figures(half.reshape(-1, len(labels), len(labels) + 1)) for half in np.split(counts, 2, axis=1)]
        return {name: of[0][name] - of[1][name] for name in FIGURES_OF_COUNTS}

    drawn = draw(units, np.ones(number), draws, np.random.default_rng(seed))
    whole, each, tail = measured(units.sum(0, keepdims=True)), measured(drawn), (1 - LEVEL) / 2
    return {
        name: (float(whole[name][0]), *np.quantile(each[name], [tail, 1 - tail]).tolist())
        for name in FIGURES_OF_COUNTS
    }


def shared(frame: pd.DataFrame, other: pd.DataFrame, labels: Sequence[str]) -> tuple[int, str]:
    """How many predictions are paired, and what their interval is drawn over, in words.

    Arguments and errors as in ``differences``.
    """
    mine = count(frame, labels)
    places = _pairs(mine, count(other, labels))["mine"]
    if not len(places):
        return 0, ""
    mine = count(mine.rows.iloc[places], labels)
    groups, number, speakers = clusters_of(mine)
    return len(mine.rows), in_words(speakers, number - speakers + int((groups < 0).sum()))


def _paired(frame: pd.DataFrame, other: pd.DataFrame, labels: Sequence[str]) -> tuple[Counted, Counted]:
    """What both tables have, in the same order."""
    mine, theirs = count(frame, labels), count(other, labels)
    both = _pairs(mine, theirs)
    return count(mine.rows.iloc[both["mine"]], labels), count(theirs.rows.iloc[both["theirs"]], labels)


def _pairs(mine: Counted, theirs: Counted) -> pd.DataFrame:
    """Places of each prediction of an utterance (mine) and of each one in the other table (theirs).

    Where an utterance is predicted repeatedly, predictions of one fold and of one seed go together, if both tables
    have folds, or seeds, in common.
    """
    names, tables = ["corpus", "id"], (mine.rows, theirs.rows)
    if any(table.duplicated(names).any() for table in tables):
        told = [name for name in ("fold", "seed") if all(name in table for table in tables)]
        names += [name for name in told if set.intersection(*(set(_text(table[name])) for table in tables))]
    here, there = (table[names].apply(_text) for table in tables)
    return here.assign(mine=range(len(here))).merge(there.assign(theirs=range(len(there))), on=names)


def _text(values: pd.Series) -> pd.Series:
    return values.astype(object).where(values.notna(), "").astype(str)
