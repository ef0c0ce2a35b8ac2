"""Features in their speaker's own range: every channel by that speaker's mean and deviation over all his frames.

What is high for one speaker is low for another one. Normalising by speaker is as old as emotion recognition from
speech (Batliner et al. 2011; Busso, Metallinou and Narayanan 2011); it takes other recordings of the same speaker,
unlabelled ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_SMALLEST = 1e-3  # of a deviation: a channel that never changes is not made loud


@dataclass
class Sums:
    """What a range is computed from: sums over frames, which can be added up in any order.

    Attributes:
        clips: recordings heard.
        frames: frames heard.
        total: (L, D) sum of the features, in float64.
        squares: (L, D) sum of their squares.
    """

    clips: int
    frames: int
    total: Tensor
    squares: Tensor

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.clips + other.clips,
            self.frames + other.frames,
            self.total + other.total,
            self.squares + other.squares,
        )

    def range(self) -> tuple[Tensor, Tensor]:
        """(L, D) mean and (L, D) deviation over all frames, in float32."""
        mean = self.total / self.frames
        variance = (self.squares / self.frames - mean.square()).clamp(min=_SMALLEST**2)
        return mean.float(), variance.sqrt().float()


class SpeakerRanges(nn.Module):
    """Brings hidden states to zero mean and unit deviation: of all training speakers, or of their own speaker.

    Only the range of all training speakers is kept with the trained weights. Those of single speakers belong to
    the recordings at hand: they are heard first (``listen``), then used (``use``).

    Args:
        layers: L.
        width: D.
        shrinkage: how many clips' weight the range of all speakers has in that of one; it steadies the range of
            speakers of whom little was heard.
    """

    def __init__(self, layers: int, width: int, shrinkage: float) -> None:
        super().__init__()
        self.shrinkage = shrinkage
        self.register_buffer("mean", torch.zeros(layers, width))
        self.register_buffer("deviation", torch.ones(layers, width))
        self.listens = False
        """Whether what passes through is added up, speaker by speaker."""
        self.heard: dict[str, Sums] = {}
        self.changes = 0
        """How often other ranges were learned or taken into use: what was computed before is of other ones."""
        self._own: dict[str, tuple[Tensor, Tensor]] = {}
        self._places: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def learned(self) -> bool:
        """Whether the range of all training speakers is known, without which none of a single one is of use."""
        return bool((self.deviation != 1).any())

    @property
    def speakers(self) -> set[str]:
        """Whose own range is known."""
        return set(self._own)

    def listen(self) -> None:
        """Forget all speakers, and add up what passes through from now on."""
        self.use({})
        self.heard, self.listens = {}, True

    def forget(self) -> None:
        """Take everything as it is, as before anybody was heard."""
        self.use({})
        self.mean.zero_()
        self.deviation.fill_(1)

    def stop(self) -> dict[str, Sums]:
        """No longer listen; what was heard."""
        self.listens = False
        return self.heard

    def learn(self, sums: Iterable[Sums]) -> None:
        """Keep the range of all training speakers."""
        first, *others = sums
        mean, deviation = sum(others, first).range()
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.changes += 1

    def shift(self, sums: Sums) -> float:
        """How far recordings are from all training speakers: by how many deviations their mean is off.

        The root of the mean square over layers and channels. Another room, microphone or codec moves all channels;
        an emotion moves some.
        """
        mean, _ = sums.range()
        return float(((mean.to(self.mean.device) - self.mean) / self.deviation).square().mean().sqrt())

    def use(self, speakers: Mapping[str, Sums], corpora: Mapping[str, Sums] | None = None) -> None:
        """Use these speakers' own ranges, and for others the range of all that was heard in their corpus.

        Args:
            speakers: by name, which begins with the corpus and a slash.
            corpora: by name; who is of none of them, and not known himself, is taken as any training speaker.
        """
        self.changes += 1
        self._own = {speaker: self._shrunk(one) for speaker, one in speakers.items()}
        self._places = {corpus: self._shrunk(one) for corpus, one in (corpora or {}).items()}

    def forward(
        self, hidden: Tensor, mask: Tensor, speakers: Sequence[str | None], voices: Sequence[str | None]
    ) -> Tensor:
        """Normalise each row.

        Args:
            hidden: (B, L, T, D).
            mask: (B, T) bool, True where a frame is real.
            speakers: (B,) in whose range each row is; who is not known stands for his corpus, and None, and who is
                of no known corpus, for all training speakers.
            voices: (B,) in whose range it is put instead, before the range of all training speakers is taken out;
                None for that range itself.

        Returns:
            (B, L, T, D): of speaker None in voice None, deviations from all training speakers; of a known speaker
            in voice None, deviations from himself; of a known speaker in the voice of another, what he would be if
            he had that other's range.
        """
        if self.listens:
            self._listen(hidden, mask, speakers)
        mean, deviation = self._of(speakers)
        hidden = (hidden - mean).div_(deviation)
        if all(voice is None for voice in voices):
            return hidden
        mean, deviation = self._of(voices)
        return (hidden * deviation + mean - self.mean[:, None]) / self.deviation[:, None]

    def _of(self, speakers: Sequence[str | None]) -> tuple[Tensor, Tensor]:
        """(B, L, 1, D) mean and deviation."""
        known = [(self.mean, self.deviation) if speaker is None else self._known(speaker) for speaker in speakers]
        mean, deviation = (torch.stack(parts)[:, :, None] for parts in zip(*known, strict=True))
        return mean, deviation

    def _known(self, speaker: str) -> tuple[Tensor, Tensor]:
        if speaker in self._own:
            mean, deviation = self._own[speaker]
        else:
            mean, deviation = self._places.get(speaker.partition("/")[0], (self.mean, self.deviation))
        # Lightning takes the module to the CPU and back between two passes, and these are no buffers.
        return mean.to(self.mean.device), deviation.to(self.mean.device)

    def _listen(self, hidden: Tensor, mask: Tensor, speakers: Sequence[str | None]) -> None:
        """Count each row, whose real frames come first, for its speaker; a GPU is waited for once a batch."""
        hidden = hidden.cpu() if hidden.device.type == "mps" else hidden  # Apple's GPUs have no float64
        counts = mask.sum(1).tolist()
        sums = torch.stack([_sums(row[:, :count]) for row, count in zip(hidden, counts, strict=True)]).cpu()
        for speaker, count, (first, second) in zip(speakers, counts, sums, strict=True):
            if speaker is not None:
                one = Sums(1, count, first, second)
                self.heard[speaker] = self.heard[speaker] + one if speaker in self.heard else one

    def _shrunk(self, sums: Sums) -> tuple[Tensor, Tensor]:
        mean, deviation = sums.range()
        share = sums.clips / (sums.clips + self.shrinkage)
        device = self.mean.device
        return (
            share * mean.to(device) + (1 - share) * self.mean,
            share * deviation.to(device) + (1 - share) * self.deviation,
        )


def _sums(frames: Tensor) -> Tensor:
    """(L, T, D) → (2, L, D) sum over time and sum of squares, in float64."""
    frames = frames.double()
    return torch.stack([frames.sum(1), frames.square().sum(1)])
