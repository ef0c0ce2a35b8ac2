"""The encoder of Whisper, at a clip's true length or padded to 30 s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emollm.models.backbones.base import SAMPLE_RATE, Backbone
from emollm.models.backbones.log_mel import HOP, log_mel, mel_filters
from emollm.models.backbones.pretrained import load_part
from emollm.models.backbones.spec import BackboneSpec, choose_layers
from emollm.models.masks import length_mask

_SILENCE = 400  # samples after a clip's end, so that no window of its spectrogram is mirrored there


class WhisperBackbone(Backbone):
    """Whisper's encoder without its decoder.

    Transformers wants exactly 30 s. Here a clip keeps its length: positions are cut to it, attention reads true
    frames only, and both convolutions see zeros beyond the end, as they do beyond 30 s. Longer clips are encoded
    in windows of 30 s and joined.

    Args:
        model: a ``WhisperEncoder``.
        layers: the asked layers, ascending.
        trained_layers: how many of the highest blocks are trained.
        whole: whether no block was cut off.
        padded: pad with silence to 30 s, as in Whisper's training, and give back the true length.
    """

    def __init__(self, model: Any, layers: list[int], trained_layers: int, whole: bool, padded: bool) -> None:
        super().__init__(model, "whisper", layers, trained_layers)
        self.whole = whole
        self.padded = padded
        self.setting = "padded to 30 s" if padded else "true length"
        self.hop = HOP * model.conv2.stride[0]
        self.window = model.config.max_source_positions * self.hop
        self.padded_to = self.window / SAMPLE_RATE if padded else None
        self.width = model.config.d_model
        self.frame_rate = SAMPLE_RATE / self.hop
        # No buffer: it must stay in float32 when the module is cast.
        self._filters = mel_filters(model.config.num_mel_bins)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks that are left."""
        return self.model.layers

    @property
    def shortest(self) -> int:
        """One sample is enough."""
        return 1

    def frames(self, lengths: Tensor) -> Tensor:
        """(B,) numbers of samples → (B,) numbers of frames, at least one each."""
        return (lengths.clamp(min=1) + self.hop - 1) // self.hop

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(B, S) samples, zero beyond their (B,) lengths → (B, L, T, D)."""
        total = int(self.frames(lengths).max())
        count = -(-waveforms.shape[1] // self.window)
        if count == 1:
            return self._encode_windows(waveforms, lengths)[:, :, :total]
        # One row a window. Windows past a clip's end are not encoded.
        padding = count * self.window - waveforms.shape[1]
        rows = nn.functional.pad(waveforms, (0, padding)).view(-1, self.window)
        starts = torch.arange(count, device=lengths.device) * self.window
        row_lengths = (lengths.clamp(min=1)[:, None] - starts).clamp(0, self.window).flatten()
        used = row_lengths > 0
        encoded = self._encode_windows(rows[used], row_lengths[used])
        hidden = encoded.new_zeros(len(rows), *encoded.shape[1:])
        hidden[used] = encoded
        # (B, windows, L, T, D) → (B, L, windows × T, D)
        return hidden.unflatten(0, (-1, count)).transpose(1, 2).flatten(2, 3)[:, :, :total]

    def finish(self, hidden: Tensor) -> Tensor:
        """The final layer norm, unless blocks were cut off."""
        return self.model.layer_norm(hidden) if self.whole else hidden

    def _encode_windows(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(B, S) samples of at most one window → (B, L, T, D)."""
        if self.padded:
            waveforms = nn.functional.pad(waveforms, (0, self.window - waveforms.shape[1]))
            lengths = torch.full_like(lengths, self.window)
        else:
            waveforms = nn.functional.pad(waveforms, (0, _SILENCE))
        mel_lengths = (lengths.clamp(min=1) + HOP - 1) // HOP
        mel_mask = length_mask(mel_lengths, int(mel_lengths.max()))
        frames = self.frames(lengths)
        with torch.no_grad():
            mel = log_mel(waveforms, self._filters, mel_mask).to(self.dtype)
            hidden = nn.functional.gelu(self.model.conv1(mel)).masked_fill(~mel_mask[:, None], 0.0)
            hidden = nn.functional.gelu(self.model.conv2(hidden)).transpose(1, 2)
            hidden = hidden + self.model.embed_positions.weight[: hidden.shape[1]]
        return self.run_blocks(hidden, length_mask(frames, hidden.shape[1]))


def load_whisper(path: str, config: Any, spec: BackboneSpec) -> WhisperBackbone:
    """Load the encoder as far up as it is needed; the decoder is never read."""
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    depth = config.encoder_layers
    layers = choose_layers(spec.layers, depth)
    config.encoder_layers = layers[-1]
    config.encoder_layerdrop = 0.0
    renamed = {r"^(model\.)?encoder\.": ""}
    model = load_part(WhisperEncoder, path, config, spec.dtype, key_mapping=renamed)
    return WhisperBackbone(model, layers, spec.trained_layers, layers[-1] == depth, spec.whisper_padding == "30s")
