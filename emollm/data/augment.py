"""Changes of training data: copies at other speeds; stretches, noise and gain; time and feature masks of frames.

Everything is off by default. What is drawn depends on the generator alone, so a resumed run repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from emollm.data.audio import SAMPLE_RATE
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError


@dataclass
class Augmentation:
    """Which changes training data go through; each one is off until it is given a value."""

    speed: list[float] = field(default_factory=list)
    """Each training utterance is there once at each of these factors, as [0.9, 1, 1.1] (Ko et al. 2015): tempo and
    pitch change, as if others had said it, and a pass is as many times longer. Their features are stored."""
    crop: float | None = None
    """Shortest share of an utterance that is kept, as 0.6: a stretch whose length and place are drawn is all that
    is heard of it."""
    noise_snr: tuple[float, float] | None = None
    """Range of signal-to-noise ratios in dB, as [10, 30]: white noise is added, its level drawn per utterance."""
    gain: tuple[float, float] | None = None
    """Range of gains in dB, as [-6, 6], drawn per utterance. Samples beyond full scale are not clipped."""
    time_masks: int = 0
    """How many stretches of frames are set to zero per utterance (SpecAugment, Park et al. 2019)."""
    time_mask_fraction: float = 0.1
    """Longest stretch of one time mask, as a share of the utterance's frames."""
    feature_masks: int = 0
    """How many bands of channels are set to zero per utterance."""
    feature_mask_fraction: float = 0.1
    """Widest band of one feature mask, as a share of the channels."""

    def __post_init__(self) -> None:
        # Each further digit makes torchaudio's filter ten times longer: 1.0371 would take seconds per utterance.
        if any(not 0.5 <= factor <= 2 or round(factor, 2) != factor for factor in self.speed):
            raise UserError(
                f"augmentation.speed is {self.speed}: its factors must lie between 0.5 and 2, with two decimals."
            )
        if self.speed and (len(set(self.speed)) < len(self.speed) or 1 not in self.speed):
            raise UserError(f"augmentation.speed is {self.speed}: name each factor once, and 1 among them.")
        for name in ("noise_snr", "gain"):
            limits = getattr(self, name)
            if limits is not None and limits[0] > limits[1]:
                raise UserError(f"augmentation.{name} is {list(limits)}: write the lower value first.")
        if self.crop is not None and not 0 < self.crop < 1:
            raise UserError(
                f"augmentation.crop is {self.crop}: it must lie between 0 and 1; leave it out for none."
            )
        for name in ("time_mask_fraction", "feature_mask_fraction"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"augmentation.{name} is {getattr(self, name)}: it must be above 0, at most 1.")
        if min(self.time_masks, self.feature_masks) < 0:
            raise UserError("augmentation.time_masks and feature_masks must not be negative.")

    def copies(self, table: UtteranceTable) -> UtteranceTable:
        """A training part with each utterance at each speed."""
        if not self.speed:
            return table
        return UtteranceTable(replace(row, speed=factor) for factor in self.speed for row in table)

    @property
    def changes_waveform(self) -> bool:
        """Whether ``apply_waveform`` does anything."""
        return any(change is not None for change in (self.crop, self.noise_snr, self.gain))

    @property
    def changes_features(self) -> bool:
        """Whether ``apply_features`` does anything."""
        return self.time_masks > 0 or self.feature_masks > 0

    def apply_waveform(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        """A stretch of it, noise, then gain.

        Args:
            waveform: (S,) at 16 kHz.
            generator: on the CPU; the only source of chance.

        Returns:
            (S,), or shorter where it is cropped.
        """
        from torchaudio import functional

        if self.crop is not None:
            size = max(1, round(len(waveform) * float(_uniform((self.crop, 1.0), generator))))
            start = int(torch.randint(len(waveform) - size + 1, (), generator=generator))
            waveform = waveform[start : start + size]
        if self.noise_snr is not None:
            noise = torch.randn(waveform.shape, generator=generator)
            waveform = functional.add_noise(waveform, noise, _uniform(self.noise_snr, generator))
        if self.gain is not None:
            waveform = functional.gain(waveform, float(_uniform(self.gain, generator)))
        return waveform

    def apply_features(self, features: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Set stretches of time and bands of channels to zero, other ones in each utterance.

        Args:
            features: (B, T, D).
            mask: (B, T), true where a frame is real; a stretch's length is a share of the real frames.
            generator: on the CPU; the only source of chance.

        Returns:
            (B, T, D), a copy.
        """
        batch, frames, width = features.shape
        device = features.device
        hidden = torch.zeros(batch, frames, width, dtype=torch.bool, device=device)
        # Spans are counted over the real frames, so that padding on either side changes nothing.
        place = mask.long().cumsum(1) - 1
        lengths = mask.sum(1)
        for _ in range(self.time_masks):
            first, last = _spans(lengths.cpu(), self.time_mask_fraction, generator)
            span = (place >= first.to(device)) & (place < last.to(device))
            hidden |= (span & mask.bool()).unsqueeze(2)
        for _ in range(self.feature_masks):
            first, last = _spans(torch.full((batch,), width), self.feature_mask_fraction, generator)
            channel = torch.arange(width, device=device)
            hidden |= ((channel >= first.to(device)) & (channel < last.to(device))).unsqueeze(1)
        return features.masked_fill(hidden, 0.0)


def play(waveform: Tensor, speed: float) -> Tensor:
    """(S,) samples at 16 kHz, so many times faster: (S / speed,)."""
    from torchaudio import functional

    return waveform if speed == 1 else functional.speed(waveform, SAMPLE_RATE, speed)[0]


def _uniform(limits: tuple[float, float], generator: torch.Generator) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand((), generator=generator)


def _spans(lengths: Tensor, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One span within each length (B,), up to a fraction of it long: first and last, each (B, 1)."""
    size = (torch.rand(len(lengths), generator=generator) * fraction * lengths).round()
    first = (torch.rand(len(lengths), generator=generator) * (lengths - size + 1)).floor()
    return first.unsqueeze(1), (first + size).unsqueeze(1)
