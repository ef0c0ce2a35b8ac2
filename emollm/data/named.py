"""Labels of corpora in the words of the label set."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace

from emollm.data.labels import EMOTIONS, LabelSet, canonical
from emollm.data.utterance import UtteranceTable
from emollm.data.validate import tell_dropped
from emollm.errors import UserError
from emollm.wording import some

_COLUMN = "name the column that holds them, as in columns: {label: annotator_2} of the corpus"


def named(table: UtteranceTable, labels: LabelSet, drop_others: bool) -> UtteranceTable:
    """A table whose labels and votes are for those of the label set where they mean the same.

    Args:
        table: utterances with the labels of their corpora.
        labels: the label set.
        drop_others: leave out utterances with another label, which stay for the check to report otherwise.

    Raises:
        UserError: when none is left.
    """

    def rename(label: str | None) -> str | None:
        index = labels.index(label) if label is not None else None
        return label if index is None else labels.names[index]

    def gathered(votes: dict[str, float] | None) -> dict[str, float] | None:
        counts: Counter[str] = Counter()
        for label, count in (votes or {}).items():
            counts[rename(label)] += count
        return dict(counts) or None

    known = {canonical(label) for label in table.unique("label")}
    for name, words in zip(labels.names, labels.members, strict=True):
        strange = [word for word in words if known and word not in known and word not in EMOTIONS]
        if strange:
            where = f"'{strange[0]}'" if words == (strange[0],) else f"'{strange[0]}' in '{name}'"
            warnings.warn(
                f"model.labels: {where} is no emotion that emollm knows, and no utterance has it: correct its "
                "spelling, unless these corpora just lack it.",
                stacklevel=2,
            )
    table = table.map(lambda row: replace(row, label=rename(row.label), votes=gathered(row.votes)))
    if drop_others:
        kept = table.where(lambda row: row.label in labels.names)
        if not len(kept):
            words = [label for label, _ in Counter(table.values("label")).most_common() if label is not None]
            fault = f"theirs are {some(words)}: mend model.labels" if words else "none has any: " + _COLUMN
            raise UserError(f"No utterance has one of the labels {', '.join(labels.names)}; {fault}.")
        tell_dropped(table.where(lambda row: row.label not in labels.names), len(table))
        return kept
    return table
