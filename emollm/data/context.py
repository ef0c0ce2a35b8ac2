"""What was said before: the earlier turns of a dialogue, as prompts show them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import replace
from string import ascii_uppercase

from emollm.data.utterance import Utterance, UtteranceTable

USUAL_TURNS = 3


def with_context(table: UtteranceTable, turns: int) -> UtteranceTable:
    """The table with each utterance's last ``turns`` earlier turns of its dialogue.

    Names of speakers would tell a model who is who in a corpus, and mean nothing in another: the speaker of the
    utterance is ``A``, and whoever spoke before is ``B``, ``C``… in the order in which they are met going back.
    Take the whole table, before any label is dropped: an unlabelled turn is context all the same.

    Args:
        table: utterances; those without ``dialogue`` and ``turn`` stay as they are.
        turns: how many earlier turns with a transcript to show; 0 shows none.
    """
    if turns < 1:
        return table
    lost = [row for row in table if row.dialogue is not None and row.turn is None]
    if lost and len(lost) < len(table):
        warnings.warn(
            f"{len(lost)} utterances are of a dialogue and have no turn (the first: {lost[0].key}): they are "
            "shown no earlier turns, and are none for others.",
            stacklevel=2,
        )
    dialogues: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for row in table:
        if row.dialogue is not None and row.turn is not None:
            dialogues[row.corpus, row.dialogue].append(row)
    context: dict[str, tuple[str, ...]] = {}
    for rows in dialogues.values():
        rows.sort(key=lambda row: row.turn or 0)
        for index, row in enumerate(rows):
            said = [earlier for earlier in rows[:index] if earlier.transcript and earlier.turn != row.turn]
            context[row.key] = _lines(row, said[-turns:])
    return table.map(lambda row: replace(row, context=context.get(row.key)))


def _lines(row: Utterance, earlier: list[Utterance]) -> tuple[str, ...]:
    letters: dict[str | None, str] = {row.speaker: "A"}
    for turn in reversed(earlier):
        letters.setdefault(turn.speaker, ascii_uppercase[min(len(letters), 25)])
    return tuple(f"{letters[turn.speaker]}: {turn.transcript}" for turn in earlier)
