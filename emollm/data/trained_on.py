"""What a model was fitted and chosen on, as its checkpoint remembers it: it may be tested with another recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from emollm.data.protocols.base import Split
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from emollm.wording import some

Remembered = Mapping[str, Any]
"""Plain values: ``protocol``; the sizes ``train`` and ``validation``; ``parts``, a digest of each; ``speakers``,
digests of their names; ``utterances``, digests of those without a speaker; and ``chosen_on``, which of all these
digests are of the validation part (a checkpoint of an earlier release does not tell)."""
_DIGITS = 12  # of a digest: names themselves do not travel with a model


def remember(split: Split) -> dict[str, Any]:
    """What the training and validation part of a split hold, for a checkpoint to keep."""
    rows = split.train + split.validation
    return {
        "protocol": split.name,
        "train": len(split.train),
        "validation": len(split.validation),
        "parts": [_part(split.train), _part(split.validation)],
        "speakers": sorted({_digest(f"{row.corpus}/{row.speaker}") for row in rows if row.speaker is not None}),
        "utterances": sorted({_digest(row.key) for row in rows if row.speaker is None}),
        "chosen_on": sorted({_digest(name) for name, _ in _names(split.validation)}),
    }


def refuse_heard(remembered: Remembered | None, table: UtteranceTable, what: str) -> None:
    """Let nothing be chosen or calibrated on what a model was trained on: it is far too sure of it.

    Args:
        remembered: what the model keeps; None for one that does not tell.
        table: what is to be measured on.
        what: what a model is that is measured there, for the sentence.

    Raises:
        UserError: when the model was trained on a speaker of the table, or on an utterance without one.
    """
    heard = [] if remembered is None else trained(remembered, table)
    if heard:
        raise UserError(
            f"The model was trained on {len(heard)} of the speakers and utterances it would be {what} on "
            f"({some(heard)}): take the recipe's fit that kept them for validation, or other recordings."
        )


def refuse_another_split(remembered: Remembered | None, split: Split) -> None:
    """Let a run go on with the data it was begun with, or not at all.

    Raises:
        UserError: when the checkpoint was fitted or chosen on other utterances than the split holds.
    """
    mine = remember(split)
    if remembered is None or remembered["parts"] == mine["parts"]:
        return
    raise UserError(
        f"The run to resume was fitted on another split ({_sizes(remembered)}; now {_sizes(mine)}), and what it "
        "has learned would be in its own test part: give it the data and the protocol it was begun with, or begin "
        "anew without --ckpt_path."
    )


def lines(remembered: Remembered | None, split: Split, part: Literal["validation", "test"] = "test") -> list[str]:
    """What the person who reads a score must know of the model's own training.

    Args:
        remembered: what the checkpoint keeps; None for one that does not tell.
        split: that of the recipe the model is measured with.
        part: what it is measured on.

    Returns:
        Sentences; none where the model was trained on the recipe's own split.
    """
    if remembered is None:
        return [
            "This model does not tell what it was trained on: whether that was this recipe's split is not known."
        ]
    mine = remember(split)
    if remembered["parts"] == mine["parts"]:
        return []
    heard = shared(remembered, split.test) if part == "test" else trained(remembered, split.validation)
    said = [
        f"This model was trained on another split ({_sizes(remembered)}) than this recipe's; what is said of "
        "training below is of the recipe's."
    ]
    if heard:
        said.append(
            f"{len(heard)} of the speakers and utterances measured here were in this model's own training"
            f"{' or validation' if part == 'test' else ''} ({some(heard)}): the scores do not tell how it does "
            "on new voices."
        )
    if unnamed := _strangers(remembered, split, split.test if part == "test" else split.validation):
        said.append(
            f"Whether voices of {some(unnamed)} were in this model's own training is not known: it remembers no "
            "speaker of that name, and the same recordings may have been there under another."
        )
    return said


def independent(remembered: Remembered | None, split: Split) -> bool | None:
    """Whether no tested speaker was in a model's own training, or in the recipe's; None where names cannot tell.

    Args:
        remembered: what the model keeps; None for one that does not tell.
        split: that of the recipe the model is tested with.
    """
    if not split.speaker_independent:
        return False
    if remembered is None:
        return None
    if remembered["parts"] == remember(split)["parts"]:
        return True
    if shared(remembered, split.test):
        return False
    return None if _strangers(remembered, split, split.test) else True


def _strangers(remembered: Remembered, split: Split, table: UtteranceTable) -> list[str]:
    """Corpora of a table of which the model remembers nobody, whichever part of the split he is in."""
    rows = split.train + split.validation + split.test
    heard = set(shared(remembered, rows))
    met = {row.corpus for row, (name, _) in zip(rows, _names(rows), strict=True) if name in heard}
    return [name for name in table.unique("corpus") if name not in met]


def shared(remembered: Remembered, table: UtteranceTable) -> list[str]:
    """Speakers of a table, and utterances without one, that a model was trained or chosen on."""
    known = set(remembered["speakers"]), set(remembered["utterances"])
    return sorted({name for name, is_speaker in _names(table) if _digest(name) in known[0 if is_speaker else 1]})


def trained(remembered: Remembered, table: UtteranceTable) -> list[str]:
    """Speakers of a table, and utterances without one, that a model was trained on.

    None of its validation part, which may share speakers with its training (MELD), and none where a checkpoint of
    an earlier release does not tell the parts apart.
    """
    if "chosen_on" not in remembered:
        return []
    chosen_on = set(remembered["chosen_on"])
    return [name for name in shared(remembered, table) if _digest(name) not in chosen_on]


def _names(table: UtteranceTable) -> list[tuple[str, bool]]:
    """Who speaks each utterance, or its own name, and which of both it is."""
    return [(row.key, False) if row.speaker is None else (f"{row.corpus}/{row.speaker}", True) for row in table]


def _part(table: UtteranceTable) -> str:
    return _digest("\n".join(sorted(row.key for row in table)))


def _sizes(remembered: Remembered) -> str:
    return (
        f"{remembered['protocol']}: {remembered['train']} training and {remembered['validation']} validation "
        "utterances"
    )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
