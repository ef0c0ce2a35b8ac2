"""The paper's interface: queries that read the frames inside a transformer encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emollm.models.interfaces.base import Interface, check_heads, check_numbers


class QPMapper(Interface):
    """Query Pooling Mapper (EmoSLLM, arXiv 2508.14130, after DePALM, Vallaeys et al. 2024, arXiv 2403.13499).

    Learned queries are appended to the projected frames, all attend to all, and only the queries are kept. As in
    DePALM's code: norm after each half of a layer (eps 1e-4), a feed-forward part no wider than the layer, queries
    drawn from N(0, 1), and no positions, which the backbone's features carry already. Masking padded frames is
    added here: DePALM's images all have one size.

    Args:
        input_dim: width of the backbone.
        output_dim: width of the LLM's embeddings.
        queries: number of embeddings that every utterance becomes.
        layers: transformer layers.
        heads: attention heads.
        dim: width of the layers.
        feedforward: width of their feed-forward part.
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
        feedforward: int = 768,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(input_dim, output_dim)
        check_numbers(
            "QPMapper", dropout, queries=queries, layers=layers, heads=heads, dim=dim, feedforward=feedforward
        )
        check_heads("QPMapper", dim, heads)
        self.input = nn.Linear(input_dim, dim)
        self.queries = nn.Parameter(torch.randn(queries, dim))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, heads, feedforward, dropout, activation="gelu", layer_norm_eps=1e-4, batch_first=True
            )
            for _ in range(layers)
        )
        self.output = nn.Linear(dim, output_dim)

    def embed(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) → (B, queries, H)."""
        count = len(self.queries)
        tokens = torch.cat([self.input(features), self.queries.expand(len(features), -1, -1)], dim=1)
        padding = nn.functional.pad(~mask, (0, count), value=False)
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=padding)
        return self.output(tokens[:, -count:])

    def out_lengths(self, lengths: Tensor) -> Tensor:
        """As many as there are queries, whatever the length; none for no frames."""
        return (lengths > 0).long() * len(self.queries)
