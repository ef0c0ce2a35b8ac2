"""What a frozen backbone says, kept on disk: computed once, un-padded, in float16, and read by memory map."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emollm.data.utterance import Utterance

_FORMAT = 1


@dataclass
class FeatureCache:
    """Whether and where the features of a frozen backbone are kept."""

    enabled: bool = True
    """Used whenever the recipe allows it: a frozen backbone, no augmentation of the waveform."""
    folder: str | None = None
    """None is the folder ``features`` in emollm's cache (``EMOLLM_CACHE``)."""
    max_gb: float = 50.0
    """A corpus whose features would take more than this is encoded anew in each pass."""


class FeatureStore:
    """One small file an utterance, in a folder that belongs to one backbone in one setting.

    A file is named by what was heard (the sound's bytes and the stretch of it) and its folder by who heard it, so
    nothing can be stale. Files appear whole or not at all; processes and runs share them.

    Args:
        folder: of all features.
        settings: what the features depend on beside the sound: backbone fingerprint, layers, padding.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder / hashlib.sha256(f"{_FORMAT}|{settings}".encode()).hexdigest()[:16]
        self._digests: dict[str, str] = {}

    def file(self, utterance: Utterance) -> Path:
        """Where the features of an utterance are, or will be.

        Raises:
            OSError: when the sound cannot be read.
        """
        if utterance.key not in self._digests:
            assert utterance.path is not None
            digest = hashlib.sha256(Path(utterance.path).read_bytes())
            digest.update(f"|{utterance.start}|{utterance.end}".encode())
            self._digests[utterance.key] = digest.hexdigest()[:32]
        name = self._digests[utterance.key]
        return self.folder / name[:2] / f"{name[2:]}.npy"

    def holds(self, utterance: Utterance) -> bool:
        """Whether its features are there; yes for sound that cannot be read, as the run itself reports that."""
        try:
            return self.file(utterance).is_file()
        except OSError:
            return True

    def write(self, utterance: Utterance, features: Tensor) -> None:
        """Keep (L, T, D) features."""
        file = self.file(utterance)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=file.parent, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, features.to(torch.float16).cpu().numpy())
        os.replace(scratch, file)

    def read(self, utterance: Utterance) -> Tensor | None:
        """(L, T, D) float16, or None where there is nothing yet."""
        try:
            return torch.from_numpy(np.array(np.load(self.file(utterance), mmap_mode="r")))
        except (OSError, ValueError):
            return None


def pad_features(features: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(L, T, D) tensors of several lengths → (B, L, T, D) with zeros behind each end, and the (B, T) mask."""
    lengths = torch.tensor([one.shape[1] for one in features])
    size = int(lengths.max())
    padded = torch.stack([torch.nn.functional.pad(one, (0, 0, 0, size - one.shape[1])) for one in features])
    return padded, torch.arange(size) < lengths[:, None]
