"""The utterance and the table of them: what every corpus reader returns and every consumer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Utterance:
    """One recording of one person speaking, and all that its corpus says of it.

    Only ``id`` is always there: a text-only corpus has no path, an unlabelled folder no label.
    """

    id: str
    """Unique within its corpus and stable between machines (never an absolute path)."""
    path: Path | None = None
    """The sound file; None where a corpus has text only."""
    transcript: str | None = None
    label: str | None = None
    """An emotion of ``emollm.data.labels.EMOTIONS``, or a custom word from a table."""
    speaker: str | None = None
    """Unique within the corpus."""
    corpus: str = ""
    session: str | None = None
    language: str | None = None
    """ISO 639-1 code."""
    gender: str | None = None
    sentence: str | None = None
    """Which scripted sentence was read; equal for equal texts."""
    split: str | None = None
    """The corpus's own part: ``train``, ``validation`` or ``test``."""
    dialogue: str | None = None
    turn: int | None = None
    """Position within the dialogue, counted from 0."""
    context: tuple[str, ...] | None = None
    """Earlier turns of the dialogue as prompts show them, the oldest first; see ``emollm.data.context``."""
    cues: str | None = None
    """The voice in words, next to the speaker's other recordings; see ``emollm.data.cues``."""
    start: float | None = None
    """Where the utterance begins in its file, in seconds; None for the whole file."""
    end: float | None = None
    speed: float = 1.0
    """How many times faster it is played than it was recorded; see ``emollm.data.augment``."""
    votes: dict[str, float] | None = None
    """Annotators' votes: emotion to count."""
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Further columns of the corpus, by name: folds, intensity, repetition."""

    @property
    def key(self) -> str:
        """Corpus and id together: unique over all corpora."""
        return f"{self.corpus}/{self.id}" if self.corpus else self.id


class UtteranceTable(Sequence[Utterance]):
    """An immutable sequence of utterances with the few verbs every consumer needs."""

    def __init__(self, utterances: Iterable[Utterance] = ()) -> None:
        self._rows = tuple(utterances)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Utterance:  # type: ignore[override]
        return self._rows[index]

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self._rows)

    def __add__(self, other: UtteranceTable) -> UtteranceTable:
        return UtteranceTable((*self._rows, *other))

    def __repr__(self) -> str:
        return f"UtteranceTable({len(self)} utterances, corpora={self.unique('corpus')})"

    def where(self, keep: Callable[[Utterance], bool]) -> UtteranceTable:
        """The utterances for which ``keep`` is true, in the same order."""
        return UtteranceTable(row for row in self._rows if keep(row))

    def map(self, change: Callable[[Utterance], Utterance]) -> UtteranceTable:
        """A table of changed utterances, in the same order."""
        return UtteranceTable(change(row) for row in self._rows)

    def values(self, column: str) -> list[Any]:
        """One value an utterance: a field of ``Utterance``, or a key of ``extra`` (None where absent)."""
        if column in _FIELDS:
            return [getattr(row, column) for row in self._rows]
        return [row.extra.get(column) for row in self._rows]

    def unique(self, column: str) -> list[Any]:
        """The different values of a column, sorted, without None."""
        return sorted({value for value in self.values(column) if value is not None}, key=str)

    def to_frame(self) -> pd.DataFrame:
        """One row an utterance, ``extra`` spread into columns of its own."""
        rows = [{**{name: getattr(row, name) for name in _FIELDS if name != "extra"}, **row.extra} for row in self]
        return pd.DataFrame(rows, columns=None if rows else [n for n in _FIELDS if n != "extra"])


_FIELDS = tuple(f.name for f in fields(Utterance))
