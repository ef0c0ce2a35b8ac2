"""What a run refuses before it begins, beside the faults of single utterances."""

from __future__ import annotations

from emollm.data.protocols import Split
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError


def refuse_empty(parts: Split, part: str) -> None:
    """Refuse a protocol that leaves a part empty.

    Raises:
        UserError: when it does.
    """
    if not len(getattr(parts, part)):
        words = {"train": "training"}.get(part, part)
        raise UserError(f"The {words} part is empty ({parts.name}): choose another data.protocol.")


def refuse_no_context(table: UtteranceTable) -> None:
    """Refuse a table without dialogues for a prompt that shows earlier turns.

    Raises:
        UserError: when no utterance has an earlier turn.
    """
    if not any(row.context is not None for row in table):
        raise UserError(
            "model.prompt shows earlier turns, but no utterance has any: take a corpus with dialogue and turn "
            "and data.context above 0, or a prompt without {context}."
        )
