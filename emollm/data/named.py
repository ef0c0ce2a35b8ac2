"""Labels of corpora in the words of the label set."""

from __future__ import annotations

from dataclasses import replace

from emollm.data.labels import LabelSet
from emollm.data.utterance import UtteranceTable
from emollm.data.validate import tell_dropped
from emollm.errors import UserError


def named(table: UtteranceTable, labels: LabelSet, drop_others: bool) -> UtteranceTable:
    """A table whose labels are those of the label set where they mean the same.

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

    table = table.map(lambda row: replace(row, label=rename(row.label)))
    if drop_others:
        kept = table.where(lambda row: row.label in labels.names)
        if not len(kept):
            raise UserError(
                f"No utterance has one of the labels {', '.join(labels.names)}: mend model.labels; with "
                "data.other_labels error you see which labels there are."
            )
        tell_dropped(table.where(lambda row: row.label not in labels.names), len(table))
        return kept
    return table
