"""Joins token embeddings and speech embeddings into the one sequence that the LLM reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

PaddingSide = Literal["left", "right"]


@dataclass
class Row:
    """What one utterance puts into the sequence: tokens, speech, tokens."""

    before: list[int]
    after: list[int]
    audio: Tensor | None = None
    """(N, H): only the real embeddings, no padding."""

    def __len__(self) -> int:
        return len(self.before) + len(self.after) + (0 if self.audio is None else len(self.audio))


@dataclass
class Fused:
    """A padded batch of rows.

    Attributes:
        embeddings: (B, S, H) in the dtype of the LLM's embeddings.
        mask: (B, S) bool, True where there is something to read.
        start: (B,) column of each row's first real position.
        lengths: (B,) number of real positions.
    """

    embeddings: Tensor
    mask: Tensor
    start: Tensor
    lengths: Tensor

    @property
    def positions(self) -> Tensor:
        """(B, S) position ids that count real positions only, so padding never moves a token."""
        return (self.mask.long().cumsum(1) - 1).clamp(min=0)


def fuse(embed: nn.Module, rows: Sequence[Row], side: PaddingSide = "left") -> Fused:
    """Embed and join the rows, then pad them to one length.

    Args:
        embed: the LLM's input embedding, (T,) ids → (T, H).
        rows: one a batch element.
        side: where the padding goes; neither side changes what the LLM computes for real positions.
    """
    weight = next(embed.parameters())
    ids = [torch.tensor(part, dtype=torch.long) for row in rows for part in (row.before, row.after)]
    tokens = embed(torch.cat(ids).to(weight.device))
    parts = tokens.split([len(part) for part in ids])
    joined = [
        torch.cat(
            [parts[2 * i], *([row.audio.to(tokens.dtype)] if row.audio is not None else []), parts[2 * i + 1]]
        )
        for i, row in enumerate(rows)
    ]
    sizes = [len(part) for part in joined]
    width, lengths = max(sizes), torch.tensor(sizes, device=tokens.device)
    start = width - lengths if side == "left" else torch.zeros_like(lengths)
    embeddings = nn.utils.rnn.pad_sequence(joined, batch_first=True, padding_side=side)
    columns = torch.arange(width, device=tokens.device)
    mask = (columns >= start[:, None]) & (columns < (start + lengths)[:, None])
    return Fused(embeddings, mask, start, lengths)
