"""Statistics over time that do not see padding."""

from __future__ import annotations

from torch import Tensor


def mean_and_deviation(frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the real frames.

    Args:
        frames: (B, T, D).
        mask: (B, T) bool, True where a frame is real.

    Returns:
        Two times (B, D); a row without frames gives a mean of zero and almost no deviation.
    """
    weights = mask[..., None].to(frames.dtype)
    count = weights.sum(1).clamp(min=1)
    mean = (frames * weights).sum(1) / count
    variance = ((frames - mean[:, None]).square() * weights).sum(1) / count
    # The small constant keeps the gradient of the root finite.
    return mean, (variance + 1e-6).sqrt()
