"""Leave one speaker, or one session, out: as many folds as there are of them."""

from __future__ import annotations

import re

from emollm.data.protocols.base import Fold, Protocol, Split
from emollm.data.protocols.speakers import group_keys, required
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError


class _LeaveOneOut(Protocol):
    column = ""

    def __init__(self, fold: int = 1, validation: float = 0.15, seed: int = 0) -> None:
        super().__init__(validation, seed)
        self.fold = fold

    def folds(self, table: UtteranceTable) -> list[Fold]:
        """1 to the number of groups."""
        return list(range(1, len(self.groups(table)) + 1))

    def groups(self, table: UtteranceTable) -> list[str]:
        """What is left out in each fold, in order, as ``corpus/name``.

        Raises:
            UserError: when the column is not filled.
        """
        required(table, self.column)
        return sorted(set(group_keys(table, self.column)), key=lambda name: (_natural(name), name))

    def split(self, table: UtteranceTable) -> Split:
        """Test on one group, train and validate on the others."""
        groups = self.groups(table)
        if len(groups) < 2:
            raise UserError(f"Leaving one {self.column} out needs two of them; the table has {len(groups)}.")
        if not 1 <= self.fold <= len(groups):
            raise UserError(f"protocol.fold is {self.fold}: the table has folds 1 to {len(groups)}.")
        left_out = groups[self.fold - 1]
        keys = group_keys(table, self.column)
        rest = UtteranceTable(row for row, key in zip(table, keys, strict=True) if key != left_out)
        test = UtteranceTable(row for row, key in zip(table, keys, strict=True) if key == left_out)
        which = f", fold {self.fold} of {len(groups)} (tested on {left_out})"
        return self.hold_out(f"leave one {self.column} out", rest, test, self.fold, which)


class LeaveOneSpeakerOut(_LeaveOneOut):
    """Tests on one speaker and trains on all others: one fold a speaker, in the order of their names.

    Args:
        fold: which speaker is left out, counted from 1.
        validation: share of the other speakers' utterances that is kept for validation, by speaker.
        seed: of the choice of validation speakers.
    """

    column = "speaker"


class LeaveOneSessionOut(_LeaveOneOut):
    """Tests on one recording session and trains on all others: IEMOCAP's usual five folds.

    Args:
        fold: which session is left out, counted from 1.
        validation: share of the other sessions' utterances that is kept for validation, by speaker.
        seed: of the choice of validation speakers.
    """

    column = "session"


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``Session10`` comes behind ``Session9``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
