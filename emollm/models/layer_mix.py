"""One sequence from many layers: the learned weighted sum of SUPERB."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Softmax-weighted sum of hidden layers (SUPERB, Yang et al. 2021, section 3.1; s3prl's ``Featurizer``).

    All layers weigh the same at first. A mix of one layer has nothing to learn.

    Args:
        n_layers: L, how many layers come in.
        normalize: bring every frame of every layer to zero mean and unit variance first (a layer norm without
            parameters), so that a weight says how much a layer matters and not how large its values are.
    """

    def __init__(self, n_layers: int, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize
        self.logits = nn.Parameter(torch.zeros(n_layers), requires_grad=n_layers > 1)

    def weights(self) -> Tensor:
        """(L,) share of each layer; they sum to one."""
        return self.logits.softmax(-1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, T, D) hidden states → (B, T, D)."""
        if self.normalize:
            hidden = nn.functional.layer_norm(hidden, hidden.shape[-1:])
        return torch.einsum("l,bltd->btd", self.weights().to(hidden.dtype), hidden)


class LayerConcat(nn.Module):
    """Hidden layers side by side.

    Args:
        normalize: bring every frame of every layer to zero mean and unit variance first.
    """

    def __init__(self, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, T, D) hidden states → (B, T, L D)."""
        if self.normalize:
            hidden = nn.functional.layer_norm(hidden, hidden.shape[-1:])
        return hidden.transpose(1, 2).flatten(2)
