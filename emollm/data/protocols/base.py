"""What a protocol is: a rule that splits a table into training, validation and test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from emollm.data.protocols.speakers import carve_validation, speakers_known, voices
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError

Fold = int | str


@dataclass(frozen=True)
class Split:
    """A table in three parts.

    Attributes:
        train: what weights are fitted on.
        validation: what models are chosen on; always taken from the training side.
        test: what numbers are reported on.
        name: the protocol in a few words; it says so where training and test share speakers.
        fold: which one, where the protocol has several.
        speaker_independent: whether speakers are known, and none of the test part is in training or validation.
        whole: the name without the fold, the same for all folds.
    """

    train: UtteranceTable
    validation: UtteranceTable
    test: UtteranceTable
    name: str
    fold: Fold | None
    speaker_independent: bool
    whole: str = ""


class Protocol(ABC):
    """Splits a table, the same way on every machine.

    Args:
        validation: share of the training side's utterances that is kept for validation, by speaker.
        seed: of the choice of validation speakers.
    """

    def __init__(self, validation: float = 0.15, seed: int = 0) -> None:
        if not 0 <= validation < 1:
            raise UserError(f"protocol.validation is {validation}: it is a share, at least 0 and below 1.")
        self.validation = validation
        self.seed = seed

    @abstractmethod
    def split(self, table: UtteranceTable) -> Split:
        """Training, validation and test part of a table.

        Raises:
            UserError: when the table lacks what the protocol needs.
        """

    def folds(self, table: UtteranceTable) -> list[Fold]:
        """Every value that ``fold`` can take for this table; a protocol without folds has one, 1."""
        return [1]

    def hold_out(
        self, name: str, rest: UtteranceTable, test: UtteranceTable, fold: Fold | None = None, which: str = ""
    ) -> Split:
        """A split whose validation part is carved from what is not tested.

        Args:
            name: of the protocol.
            rest: what is trained on and chosen by.
            test: what is tested on.
            fold: as the protocol's argument names it.
            which: words for the fold, behind the name.
        """
        train, validation, how = carve_validation(rest, self.validation, self.seed)
        share = len(validation) / max(1, len(rest))
        if share > 2 * self.validation and not how and speakers_known(rest):
            asked = f"where validation asks for {self.validation:.2g}, as speakers stay whole"
            which += f" ({share:.2g} of what is not tested validates, {asked})"
        return finish(name, train, validation, test, fold, which, f", validation {how}" if how else "")


def finish(
    name: str,
    train: UtteranceTable,
    validation: UtteranceTable,
    test: UtteranceTable,
    fold: Fold | None = None,
    which: str = "",
    more: str = "",
) -> Split:
    """A split that knows, and whose name says, whether speakers are shared with the test part.

    Raises:
        UserError: when a part that must have utterances has none.
    """
    if not len(train) and not len(test):
        raise UserError(f"The protocol '{name}{which}' leaves nothing to train or test on.")
    known = speakers_known(train + validation + test)
    shared = known and bool(voices(train + validation) & voices(test))
    if shared:
        more += ", speakers shared with test"
    elif not known:
        more += ", speakers unknown"
    return Split(train, validation, test, name + which + more, fold, known and not shared, name + more)
