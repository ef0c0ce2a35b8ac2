"""Which lines of libraries are not shown."""

from __future__ import annotations

import logging
import warnings


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
    # Deprecations inside of Lightning are not the user's to mend.
    warnings.filterwarnings("ignore", module=r"lightning\..*", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
