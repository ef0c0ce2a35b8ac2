"""Splits drawn at random from a seed: by speaker, in k folds of speakers, or by utterance."""

from __future__ import annotations

from emollm.data.protocols.base import Fold, Protocol, Split, finish
from emollm.data.protocols.speakers import draw, group_keys, share_out, speaker_keys, utterance_keys
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError


class SpeakerSplit(Protocol):
    """Shares speakers out at random, so that nobody is in two parts; each corpus is split by itself.

    Args:
        train: share of the utterances to train on; the shares need not add up to 1.
        validation: share of the utterances to choose models on.
        test: share of the utterances to test on.
        seed: of the draw.
    """

    def __init__(self, train: float = 0.7, validation: float = 0.15, test: float = 0.15, seed: int = 0) -> None:
        self.shares = _shares(train, validation, test)
        super().__init__(self.shares[1] / (self.shares[0] + self.shares[1]), seed)

    def split(self, table: UtteranceTable) -> Split:
        """Draw the test speakers first, then the validation speakers from the others."""
        speakers = len(set(speaker_keys(table)))
        if speakers < 2:
            raise UserError(
                f"A split by speaker needs two speakers; the table has {speakers}. RandomSplit does without."
            )
        rest, test = draw(table, self.shares[2], self.seed)
        return self.hold_out(f"by speaker, seed {self.seed}", rest, test)


class GroupedKFold(Protocol):
    """K folds of about equal size, each tested once, with no speaker (or other group) in two of them.

    Args:
        k: number of folds.
        fold: the fold that is tested, counted from 1.
        group: the column whose values stay together: ``speaker``, ``session``, ``sentence`` or any other.
        validation: share of the other folds' utterances that is kept for validation, by speaker.
        seed: of the draw.
    """

    def __init__(
        self, k: int = 5, fold: int = 1, group: str = "speaker", validation: float = 0.15, seed: int = 0
    ) -> None:
        super().__init__(validation, seed)
        if not 1 <= fold <= k or k < 2:
            raise UserError(f"protocol.fold is {fold} and protocol.k is {k}: k is at least 2, fold from 1 to k.")
        self.k = k
        self.fold = fold
        self.group = group

    def folds(self, table: UtteranceTable) -> list[Fold]:
        """1 to k."""
        return list(range(1, self.k + 1))

    def split(self, table: UtteranceTable) -> Split:
        """Test on one fold, train and validate on the others."""
        keys = group_keys(table, self.group)
        if (count := len(set(keys))) < self.k:
            raise UserError(
                f"protocol.k is {self.k}, but the table has {count} different values of '{self.group}'."
            )
        fold_of = share_out(keys, self.k, self.seed)
        rest = UtteranceTable(row for row, key in zip(table, keys, strict=True) if fold_of[key] != self.fold)
        test = UtteranceTable(row for row, key in zip(table, keys, strict=True) if fold_of[key] == self.fold)
        name = f"{self.k} folds by {self.group}, seed {self.seed}"
        return self.hold_out(name, rest, test, self.fold, f", fold {self.fold}")


class RandomSplit(Protocol):
    """Shares utterances out at random: the same speakers are in every part, so scores are too good for new voices.

    Args:
        train: share of the utterances to train on; the shares need not add up to 1.
        validation: share of the utterances to choose models on.
        test: share of the utterances to test on.
        seed: of the draw.
    """

    def __init__(self, train: float = 0.7, validation: float = 0.15, test: float = 0.15, seed: int = 0) -> None:
        self.shares = _shares(train, validation, test)
        super().__init__(self.shares[1] / (self.shares[0] + self.shares[1]), seed)

    def split(self, table: UtteranceTable) -> Split:
        """Draw test utterances, then validation utterances from the others."""
        rest, test = draw(table, self.shares[2], self.seed, key=utterance_keys)
        train, validation = draw(rest, self.validation, self.seed, key=utterance_keys)
        return finish(f"random utterances, seed {self.seed}", train, validation, test)


def _shares(train: float, validation: float, test: float) -> tuple[float, float, float]:
    total = train + validation + test
    if min(train, validation, test) < 0 or train == 0:
        raise UserError(
            f"protocol.train, validation and test are {train}, {validation} and {test}: shares are not negative, "
            "and something must be left to train on."
        )
    return train / total, validation / total, test / total
