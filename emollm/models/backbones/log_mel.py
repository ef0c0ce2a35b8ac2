"""Whisper's log-mel spectrogram, for a batch of clips of different lengths, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

HOP = 160
_WINDOW = 400
_RANGE = 8.0  # decades that are kept below the loudest value


def mel_filters(bands: int) -> Tensor:
    """(bands, 201) triangular filters of transformers' ``WhisperFeatureExtractor``."""
    from transformers import WhisperFeatureExtractor

    return torch.from_numpy(WhisperFeatureExtractor(feature_size=bands).mel_filters.T).float()


def log_mel(waveforms: Tensor, filters: Tensor, mask: Tensor) -> Tensor:
    """Log-mel spectrogram, scaled as Whisper expects it (Radford et al. 2022, section 2.2, and its code).

    A clip's loudest value is sought among its true frames, so that nothing depends on the other clips.

    Args:
        waveforms: (B, S) float32 samples at 16 kHz, zero beyond each clip's end, with ``S > 160 (F - 1)``. The
            spectrogram mirrors the first and last 200 of the S samples.
        filters: (M, 201) from ``mel_filters``.
        mask: (B, F) True where a frame is real; frame f is centred on sample 160 f.

    Returns:
        (B, M, F), zero where the mask is False.
    """
    frames = mask.shape[1]
    with torch.autocast(waveforms.device.type, enabled=False):
        spectrum = torch.stft(
            waveforms,
            _WINDOW,
            HOP,
            window=torch.hann_window(_WINDOW, device=waveforms.device),
            return_complex=True,
        )
        power = spectrum[..., :frames].abs().square()
        values = (filters.to(waveforms.device) @ power).clamp(min=1e-10).log10()
    loudest = values.masked_fill(~mask[:, None], float("-inf")).amax(dim=(1, 2), keepdim=True)
    values = (torch.maximum(values, loudest - _RANGE) + 4.0) / 4.0
    return values.masked_fill(~mask[:, None], 0.0)
