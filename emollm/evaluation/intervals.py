"""How far a figure might have come out otherwise with other speakers: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emollm.evaluation.counts import FIGURES_OF_COUNTS, cells, confusions, figures
from emollm.metrics.stored import Counted, count

LEVEL = 0.95
_ENTRIES = 20_000_000  # of the matrix of draws, which bounds its memory to 160 MB


@dataclass(frozen=True)
class Intervals:
    """95 % intervals, each (low, high) and a share between 0 and 1.

    Attributes:
        wa: of accuracy.
        ua: of balanced accuracy.
        macro_f1: of mean F1.
        weighted_f1: of mean F1 weighted by support.
        over: what was drawn, in words: "24 speakers", "2610 utterances", "24 speakers and 300 utterances".
    """

    wa: tuple[float, float]
    ua: tuple[float, float]
    macro_f1: tuple[float, float]
    weighted_f1: tuple[float, float]
    over: str

    def to_dict(self) -> dict[str, list[float]]:
        """The four intervals as lists, ready for JSON."""
        return {name: list(getattr(self, name)) for name in FIGURES_OF_COUNTS}


def bootstrap(frame: pd.DataFrame, labels: Sequence[str], draws: int = 2000, seed: int = 0) -> Intervals:
    """Percentile intervals by the cluster bootstrap (Field and Welsh, JRSS B 2007).

    Utterances of one speaker resemble each other, so whole speakers are drawn with replacement, as many as there
    are, from all corpora pooled. An utterance whose speaker is not known, or is the only one that its corpus
    names, is drawn for itself, with all predictions of it; such an interval is too narrow where speakers differ.

    Every draw is measured by the definitions of the figures themselves. UA is therefore the mean recall over the
    labels that occur in the targets of that draw, and macro-F1 the mean over those in its targets or answers: a
    rare label that no drawn speaker has is left out, since to count it as a recall of 0 would pull the whole
    interval below the figure. The intervals describe a fixed model met by new speakers, not a model trained
    anew. With few speakers they are still too narrow: where speakers differ much, simulated intervals over 12 to
    50 of them held the true accuracy 91 to 93 times in a hundred, those over four 81 times.

    Args:
        frame: predictions; rows that count are those of ``emollm.metrics.from_predictions``.
        labels: the K labels.
        draws: how often to draw.
        seed: of the draws; the order of the rows plays no part.

    Raises:
        UserError: when a column is missing, a label is unknown, or no row counts.
    """
    counted = count(frame, labels)
    groups, number, speakers = clusters_of(counted)
    size = len(counted.labels) * (len(counted.labels) + 1)
    # Single utterances with the same target and answer are alike: one unit, drawn as often as all of them.
    alone = np.bincount(cells(counted)[groups < 0], minlength=size)
    units = np.concatenate([confusions(counted, groups, number).reshape(number, size), np.eye(size)[alone > 0]])
    weights = np.concatenate([np.ones(number), alone[alone > 0]])
    drawn = draw(units, weights, draws, np.random.default_rng(seed))
    tail = (1 - LEVEL) / 2
    bounds = {
        name: tuple(np.quantile(values, [tail, 1 - tail]).tolist())
        for name, values in figures(drawn.reshape(draws, len(counted.labels), -1)).items()
    }
    return Intervals(**bounds, over=in_words(speakers, number - speakers + int(alone.sum())))


def clusters_of(counted: Counted) -> tuple[np.ndarray, int, int]:
    """Which rows are drawn together.

    Speakers are told apart by corpus and name, and numbered in that order. Where speakers are not known, the
    predictions of one utterance, by models of several seeds or folds, are one cluster too.

    Returns:
        (N,) number of the cluster, -1 for a row by itself; how many clusters there are; how many are speakers.
    """
    names = ("speaker", "id")
    table = counted.rows.reindex(columns=names).assign(corpus=counted.corpora)
    speakers = table.groupby("corpus")["speaker"]
    known = table["speaker"].notna() & (speakers.transform("nunique") >= 2)
    repeated = ~known & table["id"].notna() & table.duplicated(["corpus", "id"], keep=False)
    groups, number, counts = pd.Series(-1, index=table.index), 0, []
    for rows, name in ((known, "speaker"), (repeated, "id")):
        groups[rows] = table[rows].groupby(["corpus", name]).ngroup() + number
        number = max(number, int(groups.max()) + 1)
        counts.append(number)
    return groups.to_numpy(dtype=np.int64), number, counts[0]


def draw(units: np.ndarray, weights: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws, cells) counts of as many clusters as ``weights`` sums to, each time drawn anew from the units."""
    clusters, step = int(weights.sum()), max(1, _ENTRIES // len(weights))
    units = units.astype(np.float64)  # whole numbers are multiplied many times slower
    parts = [
        rng.multinomial(clusters, weights / clusters, size=min(step, draws - start)).astype(np.float64) @ units
        for start in range(0, draws, step)
    ]
    return np.concatenate(parts)


def in_words(speakers: int, utterances: int) -> str:
    """What is drawn, for a reader."""
    parts = ((speakers, "speaker"), (utterances, "utterance"))
    return " and ".join(f"{number} {name}{'' if number == 1 else 's'}" for number, name in parts if number)
