"""Statistics over time that do not see padding."""

from __future__ import annotations

from torch import Tensor, nn


def mean_and_deviation(frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the real frames.

    Args:
        frames: (B, T, D).
        mask: (B, T) bool, True where a frame is real.

    Returns:
        Two times (B, D); a row without frames gives a mean of zero and almost no deviation.
    """
    padded, count = ~mask[..., None], mask.sum(1, keepdim=True).clamp(min=1)
    mean = frames.masked_fill(padded, 0).sum(1) / count
    distances = (frames - mean[:, None]).masked_fill_(padded, 0)
    # In place, which is faster than all the rest together; a gradient would need what was there.
    squares = distances.square() if distances.requires_grad else distances.square_()
    variance = squares.sum(1) / count
    # The small constant keeps the gradient of the root finite.
    return mean, (variance + 1e-6).sqrt()


class Standardize(nn.BatchNorm1d):
    """Centres and scales each feature, out of training by a running mean and deviation of the last batches."""

    def __init__(self, size: int) -> None:
        super().__init__(size, affine=False)

    def forward(self, input: Tensor) -> Tensor:
        """(B, F) → (B, F); a training batch of one has no deviation of its own and takes the running one."""
        if self.training and len(input) == 1:
            return nn.functional.batch_norm(input, self.running_mean, self.running_var, eps=self.eps)
        return super().forward(input)
