"""What every backbone shares: frozen weights, chosen layers, and clips that do not see each other's padding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emollm.errors import UserError
from emollm.models.backbones.trim import trim
from emollm.models.fingerprint import content, fingerprint
from emollm.models.masks import length_mask

SAMPLE_RATE = 16_000


class Backbone(nn.Module, ABC):
    """A frozen audio encoder, or one of which blocks are trained: waveforms in, hidden states of asked layers out.

    Frozen parts stay in eval mode and without gradients whatever ``train()`` and the optimiser do. A clip gives
    the same hidden states alone and in any batch.

    Args:
        model: the Hugging Face encoder, cut off above the highest asked layer.
        family: its ``model_type``.
        layers: the asked layers, ascending; the highest is the number of blocks that are left.
        trained_layers: how many of the highest blocks are trained.

    Attributes:
        width: D, size of a hidden state.
        frame_rate: frames per second.
        fingerprint: of the weights as they were loaded.
        trim_db: ends that are so many decibels below the loudest frame are cut; None keeps them.
        frozen: whether none of its blocks is trained.
        held: whether those that are trained are left as they are for now.
        setting: what else the hidden states depend on, in words; stored features are told apart by it.

    Raises:
        UserError: when more blocks are to be trained than are used.
    """

    width: int
    frame_rate: float
    setting: str = ""
    trim_db: float | None = None

    def __init__(self, model: nn.Module, family: str, layers: list[int], trained_layers: int) -> None:
        super().__init__()
        self.model = model
        self.family = family
        self.layers = layers
        self.fingerprint = fingerprint(model)
        if not 0 <= trained_layers <= layers[-1]:
            raise UserError(
                f"backbone.trained_layers is {trained_layers}, but the asked layers use {layers[-1]} blocks: "
                f"give a number from 0 to {layers[-1]}."
            )
        self.first_trained = layers[-1] - trained_layers
        self.frozen = trained_layers == 0
        self.held = False
        self.padded_to: float | None = None
        """Seconds, to a multiple of which every clip is padded; None where each has its true length."""
        self.requires_grad_(False)
        for block in self.blocks[self.first_trained :]:
            block.requires_grad_(True)
        self.train()

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a batch of clips.

        Args:
            waveforms: (B, S) samples at 16 kHz, padded on the right with anything.
            lengths: (B,) true numbers of samples. A clip too short for one frame is continued with silence.

        Returns:
            (B, L, T, D) hidden states of the asked layers, zero where padded, in the precision of the weights;
            and the (B, T) mask, True where a frame is real.
        """
        lengths = lengths.to(waveforms.device)
        if self.trim_db is not None:
            waveforms, lengths = trim(waveforms, lengths, self.trim_db)
        size = max(int(lengths.max()), self.shortest)
        waveforms = nn.functional.pad(waveforms.float(), (0, size - waveforms.shape[1]))
        waveforms = waveforms.masked_fill(~length_mask(lengths, size), 0.0)
        hidden = self.encode(waveforms, lengths)
        mask = length_mask(self.frames(lengths), hidden.shape[2])
        return hidden.masked_fill_(~mask[:, None, :, None], 0.0), mask

    def train(self, mode: bool = True) -> Backbone:
        """Put the trained blocks, and nothing else, into train mode, unless they are held."""
        super().train(False)
        for block in self.blocks[self.first_trained :]:
            block.train(mode and not self.held)
        return self

    def hold(self, held: bool) -> None:
        """Leave the trained blocks as they are for a while, or train them again."""
        self.held = held
        for block in self.blocks[self.first_trained :]:
            block.requires_grad_(not held)
            block.train(not held)

    @property
    def content(self) -> str:
        """Digest of every bit that hidden states depend on, but for ``setting`` and the asked layers."""
        return content(self.model)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return next(self.model.parameters()).dtype

    # -- to be written by each family -----------------------------------------------------------------------

    @property
    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks that are left."""

    @property
    @abstractmethod
    def shortest(self) -> int:
        """Number of samples below which there would be no frame."""

    @abstractmethod
    def frames(self, lengths: Tensor) -> Tensor:
        """(B,) numbers of samples → (B,) numbers of frames, at least one each."""

    @abstractmethod
    def encode(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(B, S) samples, zero beyond their (B,) lengths → (B, L, T, D); padded frames may hold anything."""

    @abstractmethod
    def finish(self, hidden: Tensor) -> Tensor:
        """What the model does after its last block; nothing if blocks were cut off."""

    # -- the way through the blocks -------------------------------------------------------------------------

    def attention_context(self, mask: Tensor) -> Any:
        """From the (B, T) mask, what all blocks need beside the hidden states.

        By default the (B, 1, 1, T) mask of keys, or None where nothing is padded, which is faster.
        """
        return None if bool(mask.all()) else mask[:, None, None, :]

    def run_block(self, block: nn.Module, hidden: Tensor, context: Any) -> Tensor:
        """One block: (B, T, D) → (B, T, D)."""
        return block(hidden, attention_mask=context)

    def run_blocks(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """From the input of the first block to the asked layers; builds a graph only from trained blocks on.

        Args:
            hidden: (B, T, D).
            mask: (B, T) True where real.

        Returns:
            (B, L, T, D).
        """
        asked = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.first_trained == 0):
            context = self.attention_context(mask)
        for index, block in enumerate(self.blocks):
            if index in self.layers:
                asked.append(hidden)
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.first_trained):
                hidden = self.run_block(block, hidden, context)
        asked.append(self.finish(hidden))
        return torch.stack(asked, dim=1)
