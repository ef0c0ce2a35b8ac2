"""The cheapest interface: mean and deviation over time, turned into a few embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emollm.models.interfaces.base import Interface, check_numbers
from emollm.models.pooling import Standardize, mean_and_deviation


class StatisticsInterface(Interface):
    """Statistics over time through an MLP, for small corpora and small machines (emollm's own).

    With a thousand clips, mean and deviation of a few middle layers are hard to beat, and few embeddings keep the
    LLM's passes short. Each statistic is standardised by the last training batches (a running mean): a layer norm
    in its place learns far more slowly.

    Args:
        input_dim: width of the backbone.
        output_dim: width of the LLM's embeddings.
        tokens: embeddings an utterance, whatever its length.
        hidden: width of the hidden layer.
        dropout: on the statistics and after the hidden layer.
    """

    def __init__(
        self, input_dim: int, output_dim: int, *, tokens: int = 4, hidden: int = 256, dropout: float = 0.3
    ) -> None:
        super().__init__(input_dim, output_dim)
        check_numbers("StatisticsInterface", dropout, tokens=tokens, hidden=hidden)
        self.tokens = tokens
        self.layers = nn.Sequential(
            Standardize(2 * input_dim),
            nn.Dropout(dropout),
            nn.Linear(2 * input_dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, tokens * output_dim),
        )

    def embed(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) → (B, tokens, H)."""
        return self.embed_statistics(self.pool(features, mask))

    def pool(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) → (B, 2 D) mean and deviation over time: no row's depends on another row."""
        return torch.cat(mean_and_deviation(features, mask), dim=-1)

    def embed_statistics(self, statistics: Tensor) -> Tensor:
        """(B, 2 D) → (B, tokens, H)."""
        return self.layers(statistics).unflatten(1, (self.tokens, self.output_dim))

    def out_lengths(self, lengths: Tensor) -> Tensor:
        """Always ``tokens``, for any number of frames but none."""
        return (lengths > 0) * self.tokens
