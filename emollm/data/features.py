"""What a frozen backbone says, kept on disk: computed once, un-padded, in float16, and read by memory map."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from emollm.data.store import SoundStore
from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.files import write_bytes
from emollm.models.cache import cache_folder

_DAMAGED = (OSError, ValueError, EOFError, SyntaxError, TokenError, BadZipFile)
"""What NumPy raises for a file that is not whole, or is not its own."""
_ONE_AT_A_TIME = threading.Lock()
"""NumPy reads the header as Python, and the parser of Python 3.11 fails now and then where threads use it at once
(github.com/python/cpython/issues/106905)."""


@dataclass
class FeatureCache:
    """Whether and where the features of a frozen backbone are kept."""

    enabled: bool = True
    """Used whenever the recipe allows it: a frozen backbone, and, for the training part, no augmentation of the
    waveform."""
    folder: str | None = None
    """None is the folder ``features`` in emollm's cache (``EMOLLM_CACHE``). Machines share their work where all of
    them see the folder."""
    max_gb: float = 50.0
    """Of all that is in the folder. A run whose features would take it beyond this, or fill the disk, encodes anew
    in each pass what is not there yet; nothing is deleted."""

    @property
    def path(self) -> Path:
        """The folder of all features."""
        return Path(self.folder).expanduser() if self.folder else cache_folder() / "features"


class FeatureStore(SoundStore):
    """The features of utterances in a folder that belongs to one backbone in one setting.

    Its settings are those of the backbone (fingerprint, layers, padding) and which lengths are refused.
    """

    suffix = ".npy"

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
        stream = BytesIO()
        np.save(stream, as_stored(features).cpu().numpy())
        try:
            write_bytes(self.file(utterance), stream.getvalue())
        except OSError as error:
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


def _open(file: Path) -> np.ndarray | None:
    """The array in a file by memory map; None where there is no file, or a damaged one."""
    try:
        with _ONE_AT_A_TIME:
            found = np.load(file, mmap_mode="r")
            return found if isinstance(found, np.ndarray) else None  # an archive is opened too
    except _DAMAGED:
        return None


def as_stored(features: Tensor) -> Tensor:
    """Float16, as features are kept; the few values beyond its range are the greatest that it has."""
    limit = torch.finfo(torch.float16).max
    # Narrowed first: in bfloat16 the limit itself is rounded up, beyond the range.
    return features.to(torch.float16).clamp(-limit, limit)


def pad_features(features: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(L, T, D) tensors of several lengths → (B, L, T, D) with zeros behind each end, and the (B, T) mask."""
    lengths = torch.tensor([one.shape[1] for one in features])
    size = int(lengths.max())
    padded = torch.stack([torch.nn.functional.pad(one, (0, 0, 0, size - one.shape[1])) for one in features])
    return padded, torch.arange(size) < lengths[:, None]
