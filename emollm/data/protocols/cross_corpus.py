"""Across corpora: train on some, test on others, and what of one corpus the others teach."""

from __future__ import annotations

from emollm.data.protocols.base import Fold, Protocol, Split
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError


class CrossCorpus(Protocol):
    """Trains on some corpora and tests on others; validation speakers come from those that are trained on.

    With ``train`` and ``test`` this is one split. Without them every corpus is a fold: it is trained on, and all
    the others are tested on.

    Args:
        train: names of the corpora to train on.
        test: names of the corpora to test on.
        fold: the corpus to train on, by name; the first one where left out.
        validation: share of the training corpora's utterances that is kept for validation, by speaker.
        seed: of the choice of validation speakers.
    """

    def __init__(
        self,
        train: list[str] | None = None,
        test: list[str] | None = None,
        fold: str | int | None = None,
        validation: float = 0.15,
        seed: int = 0,
    ) -> None:
        super().__init__(validation, seed)
        if bool(train) != bool(test):
            raise UserError("protocol.train and protocol.test go together: name corpora for both, or for neither.")
        if train and fold is not None:
            raise UserError("protocol.fold names the training corpus, but protocol.train does too: leave one out.")
        both = sorted(set(train or []) & set(test or []))
        if both:
            raise UserError(f"The corpus '{both[0]}' is in protocol.train and in protocol.test: leave it in one.")
        self.train = train or []
        self.test = test or []
        self.fold = fold

    def folds(self, table: UtteranceTable) -> list[Fold]:
        """The corpora that can be trained on, in the order of their names; 1 where both sides are named."""
        return [1] if self.train else _corpora(table)

    def split(self, table: UtteranceTable) -> Split:
        """Train on one side, test on the other; what belongs to neither is left out.

        Raises:
            UserError: when a corpus is not in the table, or the table has only one.
        """
        known = _two(table)
        if self.train:
            return self._split(table, known, self.train, self.test, None)
        fold = str(known[0] if self.fold is None else self.fold)
        return self._split(table, known, [fold], [name for name in known if name != fold], fold)

    def _split(
        self, table: UtteranceTable, known: list[Fold], train: list[str], test: list[str], fold: Fold | None
    ) -> Split:
        for field, names in (("fold" if fold is not None else "train", train), ("test", test)):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise UserError(
                    f"protocol.{field} names the corpus '{unknown[0]}': data.corpora holds {_listed(known)}."
                )
        to = ", ".join(test)
        name = "across corpora" if fold else f"from {', '.join(train)} to {to}"
        which = f", fold {fold} (tested on {to})" if fold else ""
        rest = table.where(lambda row: row.corpus in train)
        return self.hold_out(name, rest, table.where(lambda row: row.corpus in test), fold, which)


class LeaveOneCorpusOut(Protocol):
    """Tests on one corpus and trains on all others: how a model does on recordings of another kind than it knows.

    Args:
        fold: the corpus to test on, by name; the first one where left out.
        validation: share of the other corpora's utterances that is kept for validation, by speaker.
        seed: of the choice of validation speakers.
    """

    def __init__(self, fold: str | int | None = None, validation: float = 0.15, seed: int = 0) -> None:
        super().__init__(validation, seed)
        self.fold = fold

    def folds(self, table: UtteranceTable) -> list[Fold]:
        """The corpora, in the order of their names."""
        return _corpora(table)

    def split(self, table: UtteranceTable) -> Split:
        """Test on one corpus, train and validate on the others.

        Raises:
            UserError: when the corpus is not in the table, or the table has only one.
        """
        known = _two(table)
        fold = str(known[0] if self.fold is None else self.fold)
        if fold not in known:
            raise UserError(f"protocol.fold names the corpus '{fold}': data.corpora holds {_listed(known)}.")
        rest = table.where(lambda row: row.corpus != fold)
        test = table.where(lambda row: row.corpus == fold)
        return self.hold_out("leave one corpus out", rest, test, fold, f", fold {fold}")


def _two(table: UtteranceTable) -> list[Fold]:
    known = _corpora(table)
    if len(known) < 2:
        raise UserError(
            f"Training on one corpus and testing on another needs two; data.corpora holds {_listed(known)}."
        )
    return known


def _corpora(table: UtteranceTable) -> list[Fold]:
    return list(table.unique("corpus"))


def _listed(names: list[Fold]) -> str:
    return ", ".join(map(str, names)) or "none"
