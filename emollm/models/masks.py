"""Right-padded sequences: from lengths to masks."""

import torch
from torch import Tensor


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """(B,) lengths → (B, size) bool, True where a position is real."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]
