"""The leakage audit: what training knows of the test part besides how emotion sounds."""

from __future__ import annotations

import hashlib
import math
import os
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from emollm.data.features import FeatureStore
from emollm.data.near_copies import near_copies, signature_store
from emollm.data.protocols.base import Split
from emollm.data.protocols.speakers import voices
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.wording import some

_SHARED = 0.1  # seconds: what neighbouring stretches may share, their ends being set by hand


@dataclass(frozen=True)
class Overlap:
    """What two parts of a split have in common.

    Attributes:
        utterances: size of the second part.
        speakers: the known ones, as ``corpus/speaker``.
        nameless: how many utterances of both parts have no speaker.
        sessions: as ``corpus/session``.
        repeated: how many utterances of the second part say a sentence that is also said in the first.
        unknown: how many others may do so too, because what they say, or what the first part says, is not known.
        copies: recordings that are identical byte for byte, one pair of ids a recording of the second part.
        overlapping: stretches of one file that have more than a tenth of a second in common, one pair of ids a
            stretch of the second part; without those in ``copies``.
        near_copies: recordings that are the same sound saved again (another format, rate or level, silence added,
            a little noise), one pair of ids a recording of the second part; without those above.
        recorded: how many utterances of the second part have a sound file.
        listened: whether ``near_copies`` were looked for.
        dialogues: as ``corpus/dialogue``.
    """

    utterances: int
    speakers: list[str]
    nameless: int
    sessions: list[str]
    repeated: int
    unknown: int
    copies: list[tuple[str, str]]
    overlapping: list[tuple[str, str]]
    near_copies: list[tuple[str, str]]
    recorded: int
    listened: bool
    dialogues: list[str] = field(default_factory=list)


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

    def lines(self) -> list[str]:
        """Plain sentences for the person who reads the scores."""
        return [
            *_lines(self.test, "test", always=True),
            *_lines(self.validation, "validation", always=False),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"lines": self.lines()}


def audit(split: Split, listen: bool = True) -> Audit:
    """Compare training with test and with validation.

    Models are chosen on the validation part, so it counts as training when the test part is looked at. For copies
    byte by byte only files of equal size are read: what differs in size cannot be one. Files that are not there,
    or not sound, are passed over.

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
    copies, overlapping = _copies(first, second)
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
        listened=store is not None,
        dialogues=sorted(_dialogues(first) & _dialogues(second)),
    )


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


def _copies(first: UtteranceTable, second: UtteranceTable) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of the same stretch of the same file, and pairs of stretches that overlap."""
    sizes = {path: size for path in _paths(first, second) if (size := _size(path)) is not None}
    both = {sizes.get(path) for path in _paths(first)} & {sizes.get(path) for path in _paths(second)} - {None}
    digests = {path: made for path, size in sizes.items() if size in both and (made := _digest(path)) is not None}
    known: dict[str, list[Utterance]] = defaultdict(list)
    for row in first:
        if row.path in digests:
            known[digests[row.path]].append(row)
    stretches = {digest: _Stretches(rows) for digest, rows in known.items()}
    copies, overlapping = [], []
    for row in second:
        others = stretches.get(digests.get(row.path))
        if others is None:
            continue
        if (same := others.same.get((row.start, row.end))) is not None:
            copies.append((same.key, row.key))
        elif (crossed := others.crossing(row)) is not None:
            overlapping.append((crossed.key, row.key))
    return copies, overlapping


class _Stretches:
    """Those of one file in training, in order: thousands are not looked through for each one that is tested."""

    def __init__(self, rows: list[Utterance]) -> None:
        self.same = {(row.start, row.end): row for row in reversed(rows)}
        self.rows = sorted(rows, key=lambda row: row.start or 0.0)
        self.starts = [row.start or 0.0 for row in self.rows]
        # Of all that begin no later than each, the one that lasts longest.
        self.lasting = list(accumulate(self.rows, lambda one, other: max(one, other, key=_end)))

    def crossing(self, row: Utterance) -> Utterance | None:
        """One that has more in common with a stretch than its very end or beginning."""
        last = bisect_left(self.starts, _end(row) - _SHARED)
        other = self.lasting[last - 1] if last else None
        return other if other is not None and _end(other) - (row.start or 0.0) > _SHARED else None


def _end(row: Utterance) -> float:
    return math.inf if row.end is None else row.end


def _paths(*tables: Iterable[Utterance]) -> dict[Path, None]:
    return dict.fromkeys(row.path for table in tables for row in table if row.path is not None)


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _lines(overlap: Overlap, part: str, always: bool) -> list[str]:
    """Sentences about one part; with ``always`` also what is as it should be."""
    if not overlap.utterances:
        return []
    lines = []
    if overlap.speakers:
        known = "known speaker" if overlap.nameless else "speaker"
        lines.append(
            f"{_count(len(overlap.speakers), known)} of {part} {_verb(len(overlap.speakers))} in training too "
            f"({some(overlap.speakers)}): the scores do not tell how the model does on new voices."
        )
    if overlap.nameless:
        lines.append(
            f"Not every speaker is known ({_count(overlap.nameless, 'utterance')} without one), so training and "
            f"{part} may share speakers{' besides' if overlap.speakers else ''}."
        )
    elif always and not overlap.speakers:
        lines.append(f"No speaker of {part} is in training.")
    if overlap.sessions:
        lines.append(
            f"{_count(len(overlap.sessions), 'session')} of {part} {_verb(len(overlap.sessions))} in training too "
            f"({some(overlap.sessions)}): what recordings of one session, or scenes of one episode, have in "
            "common is known."
        )
    if overlap.dialogues:
        lines.append(
            f"{_count(len(overlap.dialogues), 'dialogue')} of {part} {_verb(len(overlap.dialogues))} in training "
            f"too ({some(overlap.dialogues)}): a prompt that shows earlier turns shows training utterances."
        )
    if overlap.repeated == overlap.utterances:
        lines.append(
            f"Every {part} sentence also occurs in training: a model that reads transcripts can exploit this."
        )
    elif overlap.repeated:
        others = f"; of {overlap.unknown} others nobody can tell, for want of words" if overlap.unknown else ""
        lines.append(
            f"{overlap.repeated} of {overlap.utterances} {part} utterances "
            f"({overlap.repeated / overlap.utterances:.0%}) say a sentence that also occurs in training: a model "
            f"that reads transcripts can exploit this{others}."
        )
    elif always and overlap.unknown == overlap.utterances:
        lines.append(
            f"Transcripts are missing on one side or both, so nobody can tell whether {part} sentences occur in "
            "training."
        )
    elif always and overlap.unknown:
        lines.append(
            f"No {part} sentence is known to occur in training; of {overlap.unknown} of {overlap.utterances} "
            "utterances nobody can tell, for want of words."
        )
    elif always:
        lines.append(f"No {part} sentence occurs in training.")
    if overlap.copies:
        pairs = [f"{copy} is {original}" for original, copy in overlap.copies]
        lines.append(
            f"{_count(len(pairs), 'recording')} of {part} {_verb(len(pairs))} in training too, byte for byte "
            f"({some(pairs)}): leave one of each pair out."
        )
    if overlap.overlapping:
        pairs = [f"{copy} and {original}" for original, copy in overlap.overlapping]
        lines.append(
            f"{_count(len(pairs), 'stretch')} of {part} {_verb(len(pairs))} partly in training too, cut from the "
            f"same file ({some(pairs)}): keep stretches that overlap in one part."
        )
    if overlap.near_copies:
        pairs = [f"{copy} is {original}" for original, copy in overlap.near_copies]
        lines.append(
            f"{_count(len(pairs), 'recording')} of {part} {_verb(len(pairs))} nearly identical to one in training "
            f"({some(pairs)}): the same sound saved again; leave one of each pair out."
        )
    if always and overlap.recorded and not (overlap.copies or overlap.overlapping or overlap.near_copies):
        saved = ", nor the same sound saved again" if overlap.listened else ""
        lines.append(f"No recording of {part} is a copy of one in training{saved}.")
    return lines


def _count(number: int, thing: str) -> str:
    plural = f"{thing}es" if thing.endswith("ch") else f"{thing}s"
    return f"{number} {thing if number == 1 else plural}"


def _verb(number: int) -> str:
    return "is" if number == 1 else "are"
