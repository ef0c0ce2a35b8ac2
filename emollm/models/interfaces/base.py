"""The contract of an interface."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from emollm.errors import UserError
from emollm.models.masks import length_mask


class Interface(nn.Module, ABC):
    """Makes speech embeddings from backbone features.

    A subclass writes ``embed`` and ``out_lengths`` and takes ``(input_dim, output_dim)`` first; its own arguments
    are keywords with defaults, so that a recipe can name the class and nothing else.

    Args:
        input_dim: D, width of the backbone.
        output_dim: H, width of the LLM's embeddings.
    """

    def __init__(self, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.input_dim = input_dim
        self.output_dim = output_dim

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Embed a batch; what stands in padded frames never matters.

        Args:
            features: (B, T, D).
            mask: (B, T) bool, True where a frame is real; padding is on the right.

        Returns:
            (B, N, H) embeddings, zero where padded, and the (B, N) mask, True where one is real. A row without
            frames has no embeddings.
        """
        embeddings = self.embed(features.masked_fill(~mask[:, :, None], 0.0), mask)
        mask = length_mask(self.out_lengths(mask.sum(1)), embeddings.shape[1])
        return embeddings.masked_fill(~mask[:, :, None], 0.0), mask

    @abstractmethod
    def embed(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) features, zero where the (B, T) mask is False → (B, N, H); padded ones may hold any number."""

    @abstractmethod
    def out_lengths(self, lengths: Tensor) -> Tensor:
        """(B,) numbers of frames → (B,) numbers of embeddings; 0 gives 0."""


def check_numbers(name: str, dropout: float, **counts: int) -> None:
    """Refuse what is no share, or no number of anything.

    Raises:
        UserError: naming the interface and the value.
    """
    wrong = next((f"{what} is {count}; give at least 1" for what, count in counts.items() if count < 1), None)
    if not 0 <= dropout < 1:
        wrong = f"dropout is {dropout}; give a share, 0 or more, below 1"
    if wrong:
        raise UserError(f"interface {name}: {wrong}.")


def check_heads(name: str, dim: int, heads: int) -> None:
    """Refuse a width that cannot be divided among attention heads.

    Raises:
        UserError: naming the interface and both numbers.
    """
    if dim % heads:
        raise UserError(f"interface {name}: dim {dim} is not a multiple of heads {heads}; change one of them.")
