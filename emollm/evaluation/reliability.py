"""Whether confidence tells the truth: how often answers are right, by how sure the model was of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from emollm.metrics.measure import CALIBRATION_BINS
from emollm.metrics.stored import count


def reliability(frame: pd.DataFrame, bins: int = CALIBRATION_BINS) -> list[dict[str, float]]:
    """Confidence and accuracy in equally wide bins of confidence (Guo et al., ICML 2017, section 2).

    Like ECE, they judge the most probable label, which exists even where the answer could not be read. Bins hold
    their lower edge, the last one both.

    Args:
        frame: predictions with the columns ``target``, ``label`` and ``p_LABEL``.
        bins: how many.

    Returns:
        For each bin that is not empty: its edges ``low`` and ``high``, how many rows ``n`` fall into it, and
        their mean ``confidence`` and ``accuracy``.

    Raises:
        UserError: when a column is missing, a label is unknown, or no row counts.
    """
    counted = count(frame)
    top = counted.probabilities.max(1).astype(float).clip(0, 1)
    right = counted.probabilities.argmax(1) == counted.targets
    place = np.digitize(top, np.linspace(0, 1, bins + 1)[1:-1])
    number = np.bincount(place, minlength=bins)
    confidence, accuracy = np.bincount(place, top, bins), np.bincount(place, right, bins)
    return [
        {
            "low": index / bins,
            "high": (index + 1) / bins,
            "n": int(number[index]),
            "confidence": float(confidence[index] / number[index]),
            "accuracy": float(accuracy[index] / number[index]),
        }
        for index in np.flatnonzero(number).tolist()
    ]
