"""Splits that the table itself carries: a column of parts, or a column of folds."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

from emollm.data.protocols.base import Fold, Protocol, Split, finish
from emollm.data.protocols.parts import part_of
from emollm.data.protocols.speakers import carve_validation, required, where
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError


class ColumnSplit(Protocol):
    """The corpus's own split: a column says ``train``, ``validation`` (or ``dev``, ``val``) or ``test``.

    Args:
        column: name of the column.
        validation: share of a corpus's training utterances kept for validation, by speaker, where the column names
            none of that corpus.
        seed: of the choice of validation speakers.
        train: parts that are trained on. ``[train, validation]``, with ``validation: 0``, is for the last fit of a
            recipe that was chosen before, so that no speaker but the tested ones goes unheard.
    """

    def __init__(
        self,
        column: str = "split",
        validation: float = 0.15,
        seed: int = 0,
        train: list[Literal["train", "validation"]] | None = None,
    ) -> None:
        super().__init__(validation, seed)
        self.column = column
        self.train = ["train"] if train is None else list(train)
        if sorted(self.train) not in (["train"], ["train", "validation"], ["validation"]):
            raise UserError(f"protocol.train is {train}: write [train] or [train, validation].")

    def split(self, table: UtteranceTable) -> Split:
        """The three parts as the column names them."""
        values = [str(value) for value in required(table, self.column)]
        unknown = Counter(value for value in values if part_of(value) is None)
        if unknown:
            found = ", ".join(f"'{value}' ({count} times)" for value, count in unknown.most_common(5))
            first = next(row for row, value in zip(table, values, strict=True) if value in unknown)
            raise UserError(
                f"The column '{self.column}' holds {found}, first for {where(first)}: write train, validation "
                "(or dev, val) or test."
            )
        used = [part_of(value) for value in values]
        parts = {
            part: UtteranceTable(row for row, mine in zip(table, used, strict=True) if mine in members)
            for part, members in (
                ("train", self.train),
                ("validation", {"validation"} - set(self.train)),
                ("test", ["test"]),
            )
        }
        name, train, validation = f"the column '{self.column}'", parts["train"], parts["validation"]
        if "validation" in self.train:
            name += f", {' and '.join(self.train)} together"
            if self.validation:
                name += ", a share drawn for validation"
        if not len(validation):
            return self.hold_out(name, train, parts["test"])
        # Of several corpora, those without a validation part would have no say in which model is kept.
        lacking = set(train.unique("corpus")) - set(validation.unique("corpus"))
        lone = train.where(lambda row: row.corpus in lacking)
        rest, more, how = carve_validation(lone, self.validation, self.seed)
        if len(more):
            train, validation = train.where(lambda row: row.corpus not in lacking) + rest, validation + more
            name += f", validation of {', '.join(more.unique('corpus'))} drawn{f' {how}' if how else ''}"
        return finish(name, train, validation, parts["test"])


class FoldColumn(Protocol):
    """Published folds: a column says in which fold an utterance is tested; the other folds are trained on.

    Args:
        column: name of the column, as ``emobox_fold``.
        fold: the fold that is tested.
        validation: share of the other folds' utterances that is kept for validation, by speaker.
        seed: of the choice of validation speakers.
    """

    def __init__(self, column: str, fold: int | str = 1, validation: float = 0.15, seed: int = 0) -> None:
        super().__init__(validation, seed)
        self.column = column
        self.fold = fold

    def folds(self, table: UtteranceTable) -> list[Fold]:
        """The values of the column, sorted; whole numbers as numbers."""
        values = {_fold(value) for value in required(table, self.column)}
        return sorted(values, key=lambda value: (isinstance(value, str), value))

    def split(self, table: UtteranceTable) -> Split:
        """Test on one fold, train and validate on the others."""
        folds, fold = self.folds(table), _fold(self.fold)
        if fold not in folds:
            raise UserError(
                f"protocol.fold is {self.fold}: the column '{self.column}' holds {', '.join(map(str, folds))}."
            )
        values = [_fold(value) for value in table.values(self.column)]
        rest = UtteranceTable(row for row, value in zip(table, values, strict=True) if value != fold)
        test = UtteranceTable(row for row, value in zip(table, values, strict=True) if value == fold)
        which = f", fold {fold} of {len(folds)}"
        return self.hold_out(f"the column '{self.column}'", rest, test, fold, which)


def _fold(value: object) -> Fold:
    """A fold as tables and people write it: 1, "1", "01" and 1.0 are one fold."""
    text = str(value).strip()
    return int(float(text)) if re.fullmatch(r"-?\d+(\.0*)?", text) else text
