"""What a trained model takes from each input: the test part again, with an input hidden or exchanged.

No retraining: each ablation changes the table of the test part, and the same model scores it again. A model that
scores as well with another speaker's sound has not listened; one that scores as well with another's words has
not read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from emollm.data.utterance import Utterance, UtteranceTable

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
    """

    name: str
    title: str
    about: str
    inputs: frozenset[str]
    change: Change
    hears: bool = True
    transcribes: bool = False


def applicable(inputs: Collection[str]) -> list[Ablation]:
    """The ablations that mean something to a model with these inputs (``audio``, ``transcript``, ``context``)."""
    return [ablation for ablation in ABLATIONS if ablation.inputs <= set(inputs)]


def _hide_words(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, transcript=None, context=None))


def _hide_context(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, context=None))


def _hide_cues(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, cues=None))


def _hide_transcript(table: UtteranceTable, seed: int) -> UtteranceTable:
    return table.map(lambda row: replace(row, transcript=None))


def _other_sound(table: UtteranceTable, seed: int) -> UtteranceTable:
    recorded = [row for row in table if row.path is not None]

    def exchange(row: Utterance) -> Utterance:
        other = _other(row, recorded, seed)
        return replace(row, path=other.path, start=other.start, end=other.end, cues=other.cues)

    return table.map(lambda row: exchange(row) if row.path is not None else row)


def _other_words(table: UtteranceTable, seed: int) -> UtteranceTable:
    spoken = [row for row in table if row.transcript is not None]
    return table.map(
        lambda row: (
            row if row.transcript is None else replace(row, transcript=_other(row, spoken, seed).transcript)
        )
    )


def _other(row: Utterance, rows: list[Utterance], seed: int) -> Utterance:
    """Another utterance, of another speaker where one is found; the same on every machine."""
    draw = random.Random(f"{seed}/{row.key}")
    found = row
    for _ in range(50):
        candidate = draw.choice(rows)
        if candidate.key != row.key:
            found = candidate
            if (candidate.corpus, candidate.speaker) != (row.corpus, row.speaker):
                break
    return found


_BOTH = frozenset({"audio", "transcript"})

ABLATIONS = (
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
    ),
    Ablation(
        "shuffled_transcript",
        "another's transcript",
        "Each recording with the words of another speaker: a score that stays does not come from the words.",
        frozenset({"transcript"}),
        _other_words,
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
)
