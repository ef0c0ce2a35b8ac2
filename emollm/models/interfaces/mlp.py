"""The simplest interface: neighbouring frames side by side, then an MLP."""

from __future__ import annotations

from torch import Tensor, nn

from emollm.models.interfaces.base import Interface, check_numbers


class MLPInterface(Interface):
    """Frame stacking and a two-layer MLP (SLAM-LLM, Ma et al. 2024, section 3.3; Ultravox).

    Args:
        input_dim: width of the backbone.
        output_dim: width of the LLM's embeddings.
        stack: how many neighbouring frames make one embedding; 5 turns 50 frames a second into 10.
        hidden: width of the hidden layer.
        dropout: after the hidden layer.
    """

    def __init__(
        self, input_dim: int, output_dim: int, *, stack: int = 5, hidden: int = 1024, dropout: float = 0.1
    ) -> None:
        super().__init__(input_dim, output_dim)
        check_numbers("MLPInterface", dropout, stack=stack, hidden=hidden)
        self.stack = stack
        self.layers = nn.Sequential(
            nn.Linear(stack * input_dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, output_dim)
        )

    def embed(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) → (B, ⌈T / stack⌉, H); the last stack is filled up with zeros."""
        features = nn.functional.pad(features, (0, 0, 0, -features.shape[1] % self.stack))
        return self.layers(features.unflatten(1, (-1, self.stack)).flatten(2))

    def out_lengths(self, lengths: Tensor) -> Tensor:
        """⌈frames / stack⌉."""
        return (lengths + self.stack - 1) // self.stack
