"""Silence before and after speech, which statistics over time would count as part of the voice."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FRAME, _HOP = 400, 160  # 25 and 10 ms at 16 kHz


def trim(waveforms: Tensor, lengths: Tensor, decibels: float) -> tuple[Tensor, Tensor]:
    """Cut what lies so many decibels below the loudest 25 ms, at both ends of every clip.

    Args:
        waveforms: (B, S) samples at 16 kHz, padded on the right with anything.
        lengths: (B,) true numbers of samples.
        decibels: how quiet the ends must be, as ``top_db`` of librosa.effects.trim.

    Returns:
        (B, S') samples, zero beyond their ends, and the (B,) new lengths; clips without a whole frame stay whole.
    """
    if waveforms.shape[1] < _FRAME:
        return waveforms, lengths
    energy = waveforms.float().unfold(1, _FRAME, _HOP).square().mean(-1)
    starts = torch.arange(energy.shape[1], device=energy.device) * _HOP
    whole = starts + _FRAME <= lengths[:, None]
    energy = energy.masked_fill(~whole, 0.0)
    loud = whole & (energy >= energy.amax(1, keepdim=True) * 10 ** (-decibels / 10))
    first = loud.int().argmax(1) * _HOP
    last = (loud.shape[1] - 1 - loud.flip(1).int().argmax(1)) * _HOP + _FRAME
    bounds = torch.stack([first, last, lengths, loud.any(1)], dim=1).tolist()  # a GPU is waited for once
    clips = [
        row[begin:end] if has else row[:length]
        for row, (begin, end, length, has) in zip(waveforms, bounds, strict=True)
    ]
    cut = torch.tensor([len(clip) for clip in clips], device=lengths.device, dtype=lengths.dtype)
    return nn.utils.rnn.pad_sequence(clips, batch_first=True), cut
