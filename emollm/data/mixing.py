"""How often utterances are drawn for training: corpora in chosen shares, labels equally often."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError


@dataclass
class Mixing:
    """In which shares training draws corpora and labels. By default each utterance is visited once a pass.

    Otherwise a pass has as many utterances, drawn with replacement.
    """

    balance: bool = False
    """Draw every label equally often: within each corpus where shares of corpora are given, else over all."""
    corpora: dict[str, float] | None = None
    """Share of each corpus by its name, as {ravdess: 2, nemo: 1}: twice as much RAVDESS as nEMO, whatever their
    sizes."""

    def weights(self, table: UtteranceTable) -> list[float] | None:
        """Chance of each utterance to be drawn, in any unit; None visits each one once.

        Raises:
            UserError: when the shares name other corpora than the training part, or are not above zero.
        """
        if self.corpora is not None:
            self._check(set(table.values("corpus")))
            cells = [(row.corpus, row.label if self.balance else None) for row in table]
            sizes = Counter(cells)
            labels = Counter(corpus for corpus, _ in sizes)
            return [self.corpora[cell[0]] / (labels[cell[0]] * sizes[cell]) for cell in cells]
        if not self.balance:
            return None
        counts = Counter(table.values("label"))
        return [1.0 / counts[row.label] for row in table]

    def _check(self, corpora: set[str]) -> None:
        assert self.corpora is not None
        if set(self.corpora) != corpora:
            raise UserError(
                f"data.mixing.corpora gives shares to {', '.join(sorted(self.corpora)) or 'none'}, but the "
                f"training part holds {', '.join(sorted(corpora))}: name each of these once."
            )
        if not all(0 < share < math.inf for share in self.corpora.values()):
            raise UserError(
                "data.mixing.corpora: a share must be above zero; leave out of data.corpora what is not wanted."
            )
