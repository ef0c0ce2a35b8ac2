"""What a trained model takes from each input: the test part again, with an input hidden or exchanged.

No retraining: each ablation changes the table of the test part, or silences a part of the model, and the same
model scores it again. A model that scores as well with another speaker's sound has not listened; one that scores
as well with another's words has not read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.evaluation.remarks import Remark

Change = Callable[[UtteranceTable, int], UtteranceTable]


@dataclass(frozen=True)
class Ablation:
    """One way to change the test part.

    Attributes:
        name: of its file and on the command line.
        title: in tables.
        about: one sentence for the reader of a report.
        inputs: which inputs a prompt must take for this to mean anything.
        change: the table and a seed → the changed table.
        hears: whether sound reaches the model.
        transcribes: whether transcripts are written anew from the sound.
        exchanges: what each utterance is given of another one, if anything: a field of it.
        hears_voter: whether a logistic regression that answers beside the model, if there is one, still does.
    """

    name: str
    title: str
    about: str
    inputs: frozenset[str]
    change: Change
    hears: bool = True
    transcribes: bool = False
    exchanges: str | None = None
    hears_voter: bool = True

    def remarks(self, table: UtteranceTable, seed: int, inputs: Collection[str] = ()) -> list[Remark]:
        """How far a change falls short of what ``about`` says, where the table leaves no better choice.

        Args:
            table: the test part as it is.
            seed: as given to ``change``.
            inputs: what the model is given, as for ``applicable``.
        """
        if self.transcribes:
            told = sum(bool(row.context) for row in table) if "context" in inputs else 0
            text = "For {n} of {of} the earlier turns that the prompt shows keep the reference's words."
            return [{"text": text, "n": told, "of": len(table)}]
        if self.exchanges is None:
            return []
        pairs = [(row, other) for row, other in _others(table, self.exchanges, seed) if row.key != other.key]
        found = [
            (
                "For {n} of {of} it is another clip of the same speaker, as no other speaker was found.",
                sum(row.speaker is not None and _voice(row) == _voice(other) for row, other in pairs),
            ),
            (
                "For {n} of {of} it is not known whether the other speaker is another one.",
                sum(None in (row.speaker, other.speaker) and not _differ(row, other) for row, other in pairs),
            ),
        ]
        if self.exchanges == "transcript":
            alike = sum(row.transcript == other.transcript for row, other in pairs)
            found.append(("For {n} of {of} the other's words are the same.", alike))
        return [{"text": text, "n": number, "of": len(pairs)} for text, number in found]


def applicable(inputs: Collection[str], has_vote: bool = False) -> list[Ablation]:
    """The ablations that mean something to a model.

    Args:
        inputs: what it is given: ``audio``, ``transcript``, ``context``, ``cues``.
        has_vote: whether a logistic regression answers beside it.
    """
    return [one for one in ABLATIONS.values() if one.inputs <= set(inputs) and (one.hears_voter or has_vote)]


def _hide_words(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, transcript=None, context=None))


def _hide_context(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, context=None))


def _hide_cues(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, cues=None))


def _hide_transcript(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, transcript=None))


def _other_sound(table: UtteranceTable, seed: int) -> UtteranceTable:
    def exchange(row: Utterance, other: Utterance) -> Utterance:
        return replace(row, path=other.path, start=other.start, end=other.end, cues=other.cues)

    return UtteranceTable(exchange(*pair) for pair in _others(table, "path", seed))


def _other_words(table: UtteranceTable, seed: int) -> UtteranceTable:
    pairs = _others(table, "transcript", seed)
    return UtteranceTable(replace(row, transcript=other.transcript) for row, other in pairs)


def _others(table: UtteranceTable, field: str, seed: int) -> list[tuple[Utterance, Utterance]]:
    """Each utterance and the one whose field it is given; itself where it has none.

    Raises:
        UserError: when there is no other one.
    """
    rows = [row for row in table if getattr(row, field) is not None]
    if len({row.key for row in rows}) == 1:
        raise UserError("the test part has no second utterance to take it from")
    return [(row, row if getattr(row, field) is None else _other(row, rows, seed)) for row in table]


def _voice(row: Utterance) -> tuple[str, str | None]:
    return row.corpus, row.speaker


def _differ(row: Utterance, other: Utterance) -> bool:
    """Whether two speakers are known to be different people: within a corpus nobody knows of an unnamed one."""
    return row.corpus != other.corpus or (
        None not in (row.speaker, other.speaker) and _voice(row) != _voice(other)
    )


def _other(row: Utterance, rows: list[Utterance], seed: int) -> Utterance:
    """Another utterance, of another speaker where one is found; the same on every machine."""
    draw = random.Random(f"{seed}/{row.key}")
    found = row
    for _ in range(50):
        candidate = draw.choice(rows)
        if candidate.key != row.key:
            found = candidate
            if _differ(candidate, row):
                return candidate
    if row.speaker is None:
        return found
    # Where nearly all is one speaker's, the few others are not met by chance.
    return draw.choice([other for other in rows if _differ(other, row)] or [found])


_BOTH = frozenset({"audio", "transcript"})


def _change_nothing(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table


_ALL = (
    Ablation(
        "audio",
        "audio only",
        "The transcript is hidden: what the voice alone tells this model.",
        _BOTH,
        _hide_words,
    ),
    Ablation(
        "transcript",
        "transcript only",
        "No sound reaches the model: what the words alone tell it.",
        _BOTH,
        _hide_cues,
        hears=False,
    ),
    Ablation(
        "shuffled_audio",
        "another's audio",
        "Each utterance with the sound of another speaker: a score that stays does not come from the voice.",
        frozenset({"audio"}),
        _other_sound,
        exchanges="path",
    ),
    Ablation(
        "shuffled_transcript",
        "another's transcript",
        "Each recording with the words of another speaker: a score that stays does not come from the words.",
        frozenset({"transcript"}),
        _other_words,
        exchanges="transcript",
    ),
    Ablation(
        "asr_transcript",
        "ASR transcript",
        "Transcripts written by a recogniser in place of the reference, as in use on recordings without text.",
        frozenset({"transcript"}),
        _hide_transcript,
        transcribes=True,
    ),
    Ablation(
        "no_context",
        "without context",
        "The earlier turns of the dialogue are hidden.",
        frozenset({"context"}),
        _hide_context,
    ),
    Ablation(
        "no_cues",
        "without cues",
        "The description of the voice is hidden.",
        frozenset({"cues"}),
        _hide_cues,
    ),
    Ablation(
        "no_vote",
        "LLM alone",
        "Without the logistic regression that answers beside the LLM; at the temperature of both together.",
        frozenset({"audio"}),
        _change_nothing,
        hears_voter=False,
    ),
)

ABLATIONS = {ablation.name: ablation for ablation in _ALL}
"""By their names on the command line."""
