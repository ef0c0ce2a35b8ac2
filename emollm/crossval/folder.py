"""The folder of a cross-validation: what is written into it, and with what it was begun."""

from __future__ import annotations

from pathlib import Path

from emollm import begun
from emollm.errors import UserError

STATE = "crossval.json"
_FIGURES = ("confusion_*", "reliability", "emotions", "speakers", "folds", "corpora")
PICTURES = ("events.out.tfevents.*", *(f"{name}.png" for name in _FIGURES))
"""Patterns of what the report writes besides its numbers."""
_WRITTEN = ("fold_*", "predictions.csv", "metrics.json", "report.html", *PICTURES)


def begin(output: Path, state: begun.State, restart: bool) -> None:
    """Begin in the output folder, or go on in it if it was begun with the same arguments.

    Raises:
        UserError: when it was begun with others, or holds folds of which nobody knows with what.
    """
    file = output / STATE
    if not file.is_file() and any(output.glob("fold_*")):
        raise UserError(f"{output} holds folds, but no {STATE}: choose another --output.")
    begun.begin(file, state, [old for pattern in _WRITTEN for old in output.glob(pattern)], restart)
