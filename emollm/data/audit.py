"""The leakage audit: what training knows of the test part besides how emotion sounds."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass
from typing import Any, Literal

from emollm.data.copies import copies_and_overlaps, unread
from emollm.data.features import FeatureStore
from emollm.data.near_copies import near_copies, signature_store
from emollm.data.overlap import Overlap, lines_of
from emollm.data.protocols.base import Split
from emollm.data.protocols.speakers import voices
from emollm.data.utterance import Utterance, UtteranceTable

Part = Literal["validation", "test"]


@dataclass(frozen=True)
class Audit:
    """What the parts of a split share.

    Attributes:
        protocol: the split's name.
        test: what training (with validation) and test share.
        validation: what training and validation share.
    """

    protocol: str
    test: Overlap
    validation: Overlap

    def lines(self, part: Part = "test") -> list[str]:
        """Plain sentences for the person who reads the scores of that part."""
        if part == "validation":
            return lines_of(self.validation, "validation", always=True)
        return [
            *lines_of(self.test, "test", always=True),
            *lines_of(self.validation, "validation", always=False),
        ]

    def to_dict(self, part: Part = "test") -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"lines": self.lines(part)}


def audit(split: Split, listen: bool = True) -> Audit:
    """Compare training with test and with validation.

    Models are chosen on the validation part, so it counts as training when the test part is looked at. Files that
    are not there, or not sound, are passed over.

    Args:
        split: the parts.
        listen: also find near-identical recordings. The first time every file is decoded; what was heard is kept
            in emollm's cache, and later audits only read the files to know them again.
    """
    store = signature_store() if listen else None
    return Audit(
        split.name,
        _overlap(split.train + split.validation, split.test, store),
        _overlap(split.train, split.validation, store),
    )


def normalise(text: str) -> str:
    """A sentence without case, punctuation and blanks that do not matter."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    # Marks belong to the letter before them, as the vowel signs of Hindi do.
    kept = (
        c if c.isalnum() or unicodedata.category(c).startswith("M") else " " for c in plain if c not in "'\u2019"
    )
    letters = "".join(kept)
    return " ".join(letters.split())


def _overlap(first: UtteranceTable, second: UtteranceTable, store: FeatureStore | None) -> Overlap:
    repeated, unknown = _sentences(first, second)
    copies, overlapping = copies_and_overlaps(first, second)
    copied = {copy for _, copy in copies + overlapping}
    return Overlap(
        utterances=len(second),
        speakers=sorted(voices(first) & voices(second)),
        nameless=sum(row.speaker is None for row in first + second),
        sessions=sorted(_sessions(first) & _sessions(second)),
        repeated=repeated,
        unknown=unknown,
        copies=copies,
        overlapping=overlapping,
        near_copies=near_copies(first, second.where(lambda row: row.key not in copied), store) if store else [],
        recorded=sum(row.path is not None for row in second),
        unread=unread(first) + unread(second),
        listened=store is not None,
        dialogues=sorted(_dialogues(first) & _dialogues(second)),
        alike=_alike(voices(first), voices(second)),
    )


def _alike(first: set[str], second: set[str]) -> list[tuple[str, str]]:
    """Names that a person or a spreadsheet may have written in two ways: 01 and 1, Anna and anna."""
    spelt: dict[str, str] = {}
    for name in sorted(first):
        spelt.setdefault(_plain(name), name)
    return [(spelt[_plain(name)], name) for name in sorted(second - first) if _plain(name) in spelt]


def _plain(name: str) -> str:
    corpus, _, speaker = name.partition("/")
    return f"{corpus}/{speaker.casefold().strip().lstrip('0')}"


def _dialogues(table: UtteranceTable) -> set[str]:
    return {f"{row.corpus}/{row.dialogue}" for row in table if row.dialogue is not None}


def _sessions(table: UtteranceTable) -> set[str]:
    return {f"{row.corpus}/{row.session}" for row in table if row.session is not None}


def _sentences(first: UtteranceTable, second: UtteranceTable) -> tuple[int, int]:
    """How many rows of the second part say what the first says too, and of how many others nobody can tell."""
    said: set[str] = set()
    kinds = set()  # of what is known of the first part's words, by corpus
    for row in first:
        words, number = _words(row), _number(row)
        said |= {words, number} - {None, ""}
        kinds.add((row.corpus, words is not None, number is not None))
    repeated = unknown = 0
    for row in second:
        words, number = _words(row), _number(row)
        if {words, number} & said:
            repeated += 1
        else:  # it differs from those only of whom the same is known
            unknown += not all(
                (words is not None and have_words) or (number is not None and have_number and corpus == row.corpus)
                for corpus, have_words, have_number in kinds
            )
    return repeated, unknown


def _words(row: Utterance) -> str | None:
    """What is said, equal for equal words; empty for a transcript without any, as "…" is."""
    return normalise(row.transcript) if row.transcript is not None else None


def _number(row: Utterance) -> str | None:
    """The corpus's own name for the sentence."""
    return f"{row.corpus}/{row.sentence}" if row.sentence is not None else None
