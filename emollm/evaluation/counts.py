"""Confusion matrices of many sets of utterances at once, and their figures."""

from __future__ import annotations

import numpy as np

from emollm.metrics.stored import Counted

FIGURES_OF_COUNTS = ("wa", "ua", "macro_f1", "weighted_f1")
"""Those of ``emollm.metrics.FIGURES`` that a confusion matrix gives."""


def cells(counted: Counted) -> np.ndarray:
    """(N,) index into the flattened confusion matrix (K, K + 1); its last column holds unread answers."""
    number = len(counted.labels)
    return counted.targets * (number + 1) + np.where(counted.answers < 0, number, counted.answers)


def confusions(counted: Counted, groups: np.ndarray, number: int) -> np.ndarray:
    """One confusion matrix a group.

    Args:
        counted: N utterances.
        groups: (N,) group of each, 0 to number - 1; -1 for an utterance of no group.
        number: how many groups, G.

    Returns:
        (G, K, K + 1) counts; rows are targets, the last column holds answers that could not be read.
    """
    count, inside = len(counted.labels), groups >= 0
    size = count * (count + 1)
    flat = np.bincount(groups[inside] * size + cells(counted)[inside], minlength=number * size)
    return flat.reshape(number, count, count + 1)


def figures(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """WA, UA, macro-F1 and weighted-F1 of each confusion matrix, as ``emollm.metrics.measure`` defines them.

    Args:
        matrices: (..., K, K + 1) counts, at least one utterance in each.

    Returns:
        ``wa``, ``ua``, ``macro_f1`` and ``weighted_f1``, each (...).
    """
    right = np.diagonal(matrices, axis1=-2, axis2=-1).astype(float)
    support, answered = matrices.sum(-1), matrices[..., :-1].sum(-2)
    total = support.sum(-1)
    recall, f1 = _share(right, support), _share(2 * right, support + answered)
    return {
        "wa": right.sum(-1) / total,
        "ua": recall.sum(-1) / (support > 0).sum(-1),
        "macro_f1": f1.sum(-1) / (support + answered > 0).sum(-1),
        "weighted_f1": (f1 * support).sum(-1) / total,
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, 0 where ``whole`` is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
