"""What a model was fitted and chosen on, as its checkpoint remembers it: it may be tested with another recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from emollm.data.protocols.base import Split
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError

Remembered = Mapping[str, Any]
"""Plain values: ``protocol``; the sizes ``train`` and ``validation``; ``parts``, a digest of each; ``speakers``,
digests of their names; and ``utterances``, digests of those without a speaker."""
_DIGITS = 12  # of a digest: names themselves do not travel with a model


def remember(split: Split) -> dict[str, Any]:
    """What the training and validation part of a split hold, for a checkpoint to keep."""
    rows = split.train + split.validation
    return {
        "protocol": split.name,
        "train": len(split.train),
        "validation": len(split.validation),
        "parts": [_digest("\n".join(sorted(row.key for row in part))) for part in (split.train, split.validation)],
        "speakers": sorted({_digest(f"{row.corpus}/{row.speaker}") for row in rows if row.speaker is not None}),
        "utterances": sorted({_digest(row.key) for row in rows if row.speaker is None}),
    }


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


def lines(remembered: Remembered | None, split: Split) -> list[str]:
    """What the person who reads a score of the split's test part must know of the model's own training.

    Args:
        remembered: what the checkpoint keeps; None for one that does not tell.
        split: that of the recipe the model is tested with.

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
    heard = shared(remembered, split.test)
    said = [
        f"This model was trained on another split ({_sizes(remembered)}) than this recipe's; what is said of "
        "training below is of the recipe's."
    ]
    if heard:
        some = ", ".join(heard[:5]) + (f" and {len(heard) - 5} more" if len(heard) > 5 else "")
        said.append(
            f"{len(heard)} of the speakers and utterances tested here were in this model's own training or "
            f"validation ({some}): the scores do not tell how it does on new voices."
        )
    return said


def shared(remembered: Remembered, table: UtteranceTable) -> list[str]:
    """Speakers of a table, and utterances without one, that a model was trained or chosen on."""
    speakers, utterances = set(remembered["speakers"]), set(remembered["utterances"])
    names = {f"{row.corpus}/{row.speaker}" for row in table if row.speaker is not None}
    nameless = {row.key for row in table if row.speaker is None}
    return sorted(
        [name for name in names if _digest(name) in speakers] + [k for k in nameless if _digest(k) in utterances]
    )


def _sizes(remembered: Remembered) -> str:
    return (
        f"{remembered['protocol']}: {remembered['train']} training and {remembered['validation']} validation "
        "utterances"
    )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
