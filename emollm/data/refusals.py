"""What a run refuses before it begins, beside the faults of single utterances."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from emollm.data.corpora import Corpus, Folder, Table
from emollm.data.labels import LabelSet
from emollm.data.protocols import Split
from emollm.data.utterance import UtteranceTable
from emollm.data.validate import faults
from emollm.errors import UserError


def refuse_one_name(corpora: Sequence[Corpus]) -> None:
    """Refuse two tables, or folders, that share a name by chance: their speakers would be taken for the same.

    Raises:
        UserError: when there are such tables or folders.
    """
    names = Counter(
        corpus.name for corpus in corpora if isinstance(corpus, Table | Folder) and not corpus.is_named
    )
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise UserError(
            f"data.corpora: several tables or folders are called '{twice[0]}', after their files, and would be "
            "one corpus with the same speakers: give each of them a name of its own in init_args, as name: a."
        )


def tell_one_corpus(corpora: Sequence[Corpus], tables: Sequence[UtteranceTable]) -> None:
    """Warn of tables, or folders, side by side that name the same speakers and count as corpora of their own.

    Args:
        corpora: the readers.
        tables: what each of them read.
    """
    speakers: dict[Path, Counter[str]] = defaultdict(Counter)
    for corpus, table in zip(corpora, tables, strict=True):
        if isinstance(corpus, Table | Folder) and not corpus.is_named:
            place = Path(corpus.file if isinstance(corpus, Table) else corpus.root).parent
            speakers[place].update({str(who) for who in table.unique("speaker")})
    for folder, counts in speakers.items():
        both = sorted(who for who, count in counts.items() if count > 1)
        if both:
            warnings.warn(
                f"data.corpora: tables or folders in {folder} name the same speakers ({', '.join(both[:3])}), and "
                "are taken for corpora of different people: if they are parts of one corpus, give them one name, "
                "as init_args: {file: train.csv, name: mine}.",
                stacklevel=2,
            )


def tell_faults(test: UtteranceTable, labels: LabelSet | None, hears: bool, reads: bool) -> None:
    """Warn before a fit of what the test of the same recipe would refuse after it."""
    found = faults(test, labels, hears, reads)
    if found:
        more = [f"and {len(found) - 3} more."] if len(found) > 3 else []
        said = "\n  ".join(["emollm test would refuse the test part:", *found[:3], *more])
        warnings.warn(said, stacklevel=2)


def refuse_empty(parts: Split, part: str, drops: bool) -> None:
    """Refuse a protocol that leaves a part empty.

    Args:
        parts: as the protocol splits what is left.
        part: that must not be empty.
        drops: whether utterances without a label of the set were left out before.

    Raises:
        UserError: when it does.
    """
    if not len(getattr(parts, part)):
        words = {"train": "training"}.get(part, part)
        cause = ", unless data.other_labels: drop has left out all of its utterances" if drops else ""
        raise UserError(f"The {words} part is empty ({parts.name}): choose another data.protocol{cause}.")


def why_no_context(table: UtteranceTable) -> str | None:
    """Why a prompt could show none of these utterances an earlier turn; None if nothing is in the way."""
    of_dialogues = [row for row in table if row.context is not None]
    if not of_dialogues:
        return "no utterance has earlier turns (dialogue and turn, and data.context above 0)"
    if not any(row.transcript or row.context for row in of_dialogues):
        return "no turn has a transcript, and data.transcriber writes down the utterance alone"
    return None


def refuse_no_context(table: UtteranceTable) -> None:
    """Refuse a table without dialogues, or without words in them, for a prompt that shows earlier turns.

    Raises:
        UserError: when no utterance could be shown one.
    """
    if (why := why_no_context(table)) is not None:
        raise UserError(
            f"model.prompt shows earlier turns, but {why}: take a corpus of transcribed dialogues, or a prompt "
            "without {context}."
        )
