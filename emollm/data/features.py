"""What a frozen backbone says, kept on disk: computed once, un-padded, in float16, and read by memory map."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.models.cache import cache_folder

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

    @property
    def path(self) -> Path:
        """The folder of all features."""
        return Path(self.folder).expanduser() if self.folder else cache_folder() / "features"


class FeatureStore:
    """One small file an utterance, in a folder that belongs to one backbone in one setting.

    A file is named by what was heard (the sound's bytes and the stretch of it) and its folder by who heard it, so
    nothing can be stale. Files appear whole or not at all; processes and runs share them.

    Args:
        folder: of all features.
        settings: what the features depend on beside the sound: backbone fingerprint, layers, padding, and which
            lengths are refused.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder / hashlib.sha256(f"{_FORMAT}|{settings}".encode()).hexdigest()[:16]

    def file(self, utterance: Utterance) -> Path:
        """Where the features of an utterance are, or will be.

        Raises:
            OSError: when the sound cannot be read.
        """
        name = content_of(utterance).hexdigest()[:32]
        return self.folder / name[:2] / f"{name[2:]}.npy"

    def holds(self, utterance: Utterance) -> bool:
        """Whether its features are there in full.

        Yes for sound that cannot be read, as the run itself reports that.
        """
        try:
            file = self.file(utterance)
        except OSError:
            return True
        return _open(file) is not None

    def write(self, utterance: Utterance, features: Tensor) -> None:
        """Keep (L, T, D) features.

        Raises:
            UserError: when the folder cannot be written.
        """
        file = self.file(utterance)
        scratch = file.with_name(f".{uuid4().hex}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as stream:
                np.save(stream, features.to(torch.float16).cpu().numpy())
            os.replace(scratch, file)
        except OSError as error:
            with contextlib.suppress(OSError):
                scratch.unlink()
            raise UserError(
                f"Features cannot be kept in {self.folder} ({error.strerror}): name another folder in "
                "data.cache.folder, or set data.cache.enabled to false."
            ) from error

    def read(self, utterance: Utterance) -> Tensor | None:
        """(L, T, D) float16, or None where there is nothing, or no whole file."""
        try:
            stored = _open(self.file(utterance))
        except OSError:
            return None
        return None if stored is None else torch.from_numpy(np.array(stored))


def content_of(utterance: Utterance) -> Any:
    """A hash of what is heard: the sound's bytes, and the stretch of it; the caller may update it.

    By the sound, not by the utterance's key, because an ablation lends an utterance another's sound.

    Raises:
        OSError: when the sound cannot be read.
    """
    assert utterance.path is not None
    state = utterance.path.stat()
    digest = _content(utterance.path, state.st_size, state.st_mtime_ns).copy()
    digest.update(f"|{utterance.start}|{utterance.end}".encode())
    return digest


@lru_cache(maxsize=1 << 16)
def _content(path: Path, size: int, modified: int) -> Any:
    """The hash of a file's bytes, taken once even where thousands of utterances are stretches of the file."""
    return hashlib.sha256(path.read_bytes())


def _open(file: Path) -> np.ndarray | None:
    """The array in a file by memory map; None where there is no file, or one that was cut off."""
    try:
        return np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None


def pad_features(features: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(L, T, D) tensors of several lengths → (B, L, T, D) with zeros behind each end, and the (B, T) mask."""
    lengths = torch.tensor([one.shape[1] for one in features])
    size = int(lengths.max())
    padded = torch.stack([torch.nn.functional.pad(one, (0, 0, 0, size - one.shape[1])) for one in features])
    return padded, torch.arange(size) < lengths[:, None]
