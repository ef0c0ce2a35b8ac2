"""Strided convolutions: each layer divides the frame rate."""

from __future__ import annotations

from torch import Tensor, nn

from emollm.errors import UserError
from emollm.models.interfaces.base import Interface, check_numbers
from emollm.models.masks import length_mask


class ConvInterface(Interface):
    """Strided convolutions over time, then a linear layer (BLSP, Wang et al. 2023, section 3.1).

    Args:
        input_dim: width of the backbone.
        output_dim: width of the LLM's embeddings.
        layers: number of convolutions.
        kernel: their width in frames, an odd number.
        stride: by how much each divides the frame rate; 3 layers of stride 2 turn 50 frames a second into 6.25.
        hidden: channels between the layers.
        dropout: after each convolution.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        *,
        layers: int = 3,
        kernel: int = 5,
        stride: int = 2,
        hidden: int = 1024,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(input_dim, output_dim)
        check_numbers("ConvInterface", dropout, layers=layers, kernel=kernel, stride=stride, hidden=hidden)
        if kernel % 2 == 0:
            raise UserError(
                f"interface ConvInterface: kernel is {kernel}; give an odd number, such as {kernel + 1}."
            )
        self.stride = stride
        channels = [input_dim] + [hidden] * layers
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride, padding=kernel // 2)
            for before, after in zip(channels, channels[1:], strict=False)
        )
        self.activation = nn.Sequential(nn.GELU(), nn.Dropout(dropout))
        self.output = nn.Linear(channels[-1], output_dim)

    def embed(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) → (B, N, H); every layer sees zeros beyond a row's end."""
        hidden, lengths = features.transpose(1, 2), mask.sum(1)
        for convolution in self.convolutions:
            hidden = self.activation(convolution(hidden))
            lengths = self._shorten(lengths)
            hidden = hidden.masked_fill(~length_mask(lengths, hidden.shape[2])[:, None], 0.0)
        return self.output(hidden.transpose(1, 2))

    def out_lengths(self, lengths: Tensor) -> Tensor:
        """⌈frames / stride⌉ once for each layer."""
        for _ in self.convolutions:
            lengths = self._shorten(lengths)
        return lengths

    def _shorten(self, lengths: Tensor) -> Tensor:
        return (lengths + self.stride - 1) // self.stride
