"""Statistics of training utterances, brought to mean 0 and deviation 1."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_and_scale(statistics: Tensor) -> tuple[Tensor, Tensor]:
    """(N, F) → (F,) means and (F,) deviations to divide by.

    A statistic that never changes stays near zero; dividing by its rounding noise would make it shout.
    """
    deviation = statistics.std(0, correction=0)
    return statistics.mean(0), torch.where(deviation > 1e-6, deviation, 1.0)
