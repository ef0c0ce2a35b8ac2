"""Queries that read the frames by cross-attention, over the whole utterance or window by window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emollm.models.interfaces.base import Interface, check_heads, check_numbers


class QFormer(Interface):
    """Q-Former (BLIP-2, Li et al. 2023, section 3.1), with SALMONN's windows (Tang et al. 2024, section 3.1).

    Learned queries attend to each other and then to the frames, layer by layer. Over the whole utterance they
    give as many embeddings as there are queries; with a window, as many for each window, in order of time.
    SALMONN drops what is left over after the last whole window; here it makes a window of its own.

    Args:
        input_dim: width of the backbone.
        output_dim: width of the LLM's embeddings.
        queries: number of embeddings, of the utterance or of each window.
        layers: transformer layers.
        heads: attention heads.
        dim: width of the layers.
        feedforward: width of their feed-forward part.
        window: frames in a window; null reads the whole utterance at once. SALMONN: 17 frames (a third of a
            second) and 1 query.
        dropout: in the layers.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        *,
        queries: int = 32,
        layers: int = 2,
        heads: int = 8,
        dim: int = 768,
        feedforward: int = 3072,
        window: int | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(input_dim, output_dim)
        sizes = {"queries": queries, "layers": layers, "heads": heads, "dim": dim, "feedforward": feedforward}
        check_numbers("QFormer", dropout, **sizes, window=1 if window is None else window)
        check_heads("QFormer", dim, heads)
        self.window = window
        self.input = nn.Sequential(nn.Linear(input_dim, dim), nn.LayerNorm(dim))
        self.queries = nn.Parameter(torch.randn(queries, dim) * dim**-0.5)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(dim, heads, feedforward, dropout, activation="gelu", batch_first=True)
            for _ in range(layers)
        )
        self.output = nn.Linear(dim, output_dim)

    def embed(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) → (B, windows × queries, H)."""
        batch, frames, _ = features.shape
        window = self.window or frames
        padding = -frames % window
        features = nn.functional.pad(self.input(features), (0, 0, 0, padding)).unflatten(1, (-1, window))
        keys = nn.functional.pad(mask, (0, padding)).unflatten(1, (-1, window))
        features, unused = features.flatten(0, 1), ~keys.flatten(0, 1)
        # A window of padding alone reads its first frame: attention over nothing is 0 / 0 in some kernels.
        unused[:, 0] = False
        hidden = self.queries.expand(len(features), -1, -1)
        for layer in self.layers:
            hidden = layer(hidden, features, memory_key_padding_mask=unused)
        return self.output(hidden).unflatten(0, (batch, -1)).flatten(1, 2)

    def out_lengths(self, lengths: Tensor) -> Tensor:
        """Queries of every window that holds a frame."""
        windows = (lengths > 0).long() if self.window is None else (lengths + self.window - 1) // self.window
        return windows * len(self.queries)
