"""Which lines of libraries are not shown, and how those of emollm are."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

_FORMAT = warnings.formatwarning


def hush() -> None:
    """Drop the lines of libraries that would only worry or advertise; what matters is printed by emollm."""
    # It is resumable: the order of training is a function of seed, epoch and step.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # Frozen parts stay in eval mode on purpose.
    warnings.filterwarnings("ignore", message=r".*module\(s\) in eval mode at the start of training.*")
    # Whoever has two cores does not need to hear that more workers would be faster.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*is smaller than the logging interval.*")
    # A recipe in which nothing is chosen has no validation part.
    warnings.filterwarnings("ignore", message=".*Total length of .* across ranks is zero.*")
    # The figures of several processes are those of all their utterances together before they are logged.
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    # Deprecations inside of Lightning are not the user's to mend.
    warnings.filterwarnings("ignore", module=r"lightning\..*", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.formatwarning = _one_line


def _one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """What emollm warns of is for users: one line, without the place in the source."""
    if Path(filename).is_relative_to(Path(__file__).parent) and issubclass(category, UserWarning):
        return f"emollm: {message}\n"
    return _FORMAT(message, category, filename, lineno, line)
