"""Who speaks, and how utterances are shared out by speaker: the same on every machine, for any order of rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError


def voices(table: UtteranceTable) -> set[str]:
    """The known speakers of a table, as ``corpus/speaker``."""
    return {f"{row.corpus}/{row.speaker}" for row in table if row.speaker is not None}


def speakers_known(table: UtteranceTable) -> bool:
    """Whether every utterance has a speaker."""
    return all(row.speaker is not None for row in table)


def speaker_keys(table: UtteranceTable) -> list[str]:
    """For each utterance who speaks, told apart by corpus too.

    In a corpus that names no speakers at all, each utterance counts as a speaker of its own.

    Raises:
        UserError: when a corpus names the speakers of some utterances only.
    """
    named = {row.corpus for row in table if row.speaker is not None}
    for row in table:
        if row.speaker is None and row.corpus in named:
            count = sum(r.speaker is None for r in table if r.corpus == row.corpus)
            raise UserError(
                f"{count} utterances of corpus '{row.corpus}' have no speaker (the first: {row.id}), while others "
                "have one: name their speakers, or take RandomSplit, which does not ask."
            )
    return [f"{row.corpus}/{row.speaker}" if row.corpus in named else f"{row.corpus}//{row.id}" for row in table]


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """Names in a random order that depends on the seed and the names alone, not on machine or library version."""
    return sorted(set(names), key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())


def share_out(keys: Sequence[str], k: int, seed: int) -> dict[str, int]:
    """Share groups of utterances out into k folds of about equal size.

    Args:
        keys: the group of each utterance, of k groups or more.
        k: number of folds.
        seed: of the order among groups of one size.

    Returns:
        The fold of each group, counted from 1.
    """
    # Large groups first, each into the emptiest fold.
    sizes, filled = Counter(keys), [0] * k
    fold_of: dict[str, int] = {}
    for name in sorted(shuffled(sizes, seed), key=lambda name: -sizes[name]):
        fold_of[name] = filled.index(min(filled)) + 1
        filled[fold_of[name] - 1] += sizes[name]
    return fold_of


def draw(
    table: UtteranceTable, fraction: float, seed: int, key: Callable[[UtteranceTable], list[str]] = speaker_keys
) -> tuple[UtteranceTable, UtteranceTable]:
    """Draw about a fraction of each corpus's utterances in whole groups, at least one group and never all.

    Args:
        table: what to draw from.
        fraction: share of the utterances; 0 draws nothing.
        seed: of the draw.
        key: names the group of each utterance; by default its speaker.

    Returns:
        What is left, and what was drawn; nothing is drawn from a table of one group.
    """
    if fraction <= 0:
        return table, UtteranceTable()
    keys = key(table)
    chosen: set[str] = set()
    for corpus in table.unique("corpus"):
        sizes = Counter(name for name, row in zip(keys, table, strict=True) if row.corpus == corpus)
        if len(sizes) > 1:
            chosen |= _fill(sizes, fraction, seed)
    if not chosen and len(set(keys)) > 1:  # several corpora of one speaker each
        chosen = _fill(Counter(keys), fraction, seed)
    inside = [name in chosen for name in keys]
    rest = UtteranceTable(row for row, drawn in zip(table, inside, strict=True) if not drawn)
    return rest, UtteranceTable(row for row, drawn in zip(table, inside, strict=True) if drawn)


def carve_validation(
    table: UtteranceTable, fraction: float, seed: int
) -> tuple[UtteranceTable, UtteranceTable, str]:
    """Keep a part of the training side for validation: whole speakers, as long as there are two.

    Where a corpus names the speakers of some utterances only, as MSP-Podcast, the others are trained on.

    Args:
        table: the training side.
        fraction: share of the utterances; 0 carves nothing.
        seed: of the choice.

    Returns:
        Training part, validation part, and what is to be said of the carving: empty when it went by speaker.
    """
    if fraction <= 0 or len(table) < 2:
        return table, UtteranceTable(), ""
    named = {row.corpus for row in table if row.speaker is not None}
    known = table.where(lambda row: row.speaker is not None or row.corpus not in named)
    nameless = len(table) - len(known)
    if len(set(speaker_keys(known))) > 1:
        _, validation = draw(known, fraction, seed)
        # By who speaks, and not by id: where ids occur twice, that must be seen later, and not be gone.
        drawn = {_voice(row) for row in validation}
        train = table.where(lambda row: (row.speaker is None and row.corpus in named) or _voice(row) not in drawn)
        how = f"of known speakers ({nameless} utterances of unknown ones are trained on)" if nameless else ""
        return train, validation, how
    train, validation = draw(table, fraction, seed, key=utterance_keys)
    return train, validation, f"by utterance (there is one {'known ' if nameless else ''}training speaker)"


def _voice(row: Utterance) -> tuple[str, str]:
    """Who speaks; in a corpus that names nobody, each utterance for itself."""
    return row.corpus, row.id if row.speaker is None else row.speaker


def utterance_keys(table: UtteranceTable) -> list[str]:
    """Each utterance as a group of its own."""
    return [row.key for row in table]


def group_keys(table: UtteranceTable, column: str) -> list[str]:
    """For each utterance its group of a column, told apart by corpus too.

    Raises:
        UserError: when an utterance has no value there.
    """
    if column == "speaker":
        return speaker_keys(table)
    return [f"{row.corpus}/{value}" for row, value in zip(table, required(table, column), strict=True)]


def required(table: UtteranceTable, column: str) -> list[object]:
    """The values of a column that every utterance must have.

    Raises:
        UserError: when some have none, or it is no column.
    """
    values = table.values(column)
    if any(isinstance(value, dict) for value in values):
        raise UserError(f"'{column}' is no column of the table: name one that holds a word or a number.")
    missing = [row for row, value in zip(table, values, strict=True) if value is None]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(table)} utterances have no '{column}' (the first: {where(missing[0])}): "
            "fill the column, or choose another protocol."
        )
    return values


def where(row: Utterance) -> str:
    """An utterance as an error names it."""
    return str(row.path) if row.path is not None else row.key


def _fill(sizes: Counter[str], fraction: float, seed: int) -> set[str]:
    """Groups in random order, each taken if it still fits; the smallest alone if none fits."""
    wanted, taken = fraction * sum(sizes.values()), 0
    chosen: set[str] = set()
    for name in shuffled(sizes, seed):
        # Half a group too much is as near as half a group too little.
        if taken + sizes[name] <= wanted + sizes[name] / 2 and len(chosen) < len(sizes) - 1:
            chosen.add(name)
            taken += sizes[name]
    return chosen or {min(sizes, key=lambda name: (sizes[name], name))}
