"""Plain recordings in a folder, with whatever the folders' names and text files beside them tell."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

from emollm.data.audio import SOUND_SUFFIXES, find_sound_files
from emollm.data.corpora.base import Corpus, unique_ids
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.text import read_text, tell_foreign
from emollm.data.labels import canonical
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

Level = Literal["none", "parent", "grandparent"]
_TEXT_SUFFIXES = (".txt", ".lab")


class Folder(Corpus):
    """Every sound file below a folder, however deep; hidden files are passed over.

    A text file of the same name (``.txt`` or ``.lab``) holds the transcript, if there is one.

    Args:
        root: the folder: absolute, or below the current folder or the folder ``EMOLLM_DATA``.
        labels_from: whether the folder that a file lies in names its emotion (``angry/1.wav``: ``parent``;
            ``angry/anna/1.wav``: ``grandparent``).
        speaker_from: whether the folder that a file lies in names its speaker (``anna/1.wav``: ``parent``).
        language: ISO 639-1 code of what is spoken.
        name: of this corpus in tables and reports; by default the folder's own.
    """

    def __init__(
        self,
        root: str,
        labels_from: Level = "none",
        speaker_from: Level = "none",
        language: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(root)
        self.is_named = name is not None
        self.name = name or Path(root).expanduser().absolute().name
        self.labels_from = labels_from
        self.speaker_from = speaker_from
        self.language = language

    def read(self) -> UtteranceTable:
        """Every recording, sorted by path.

        Raises:
            UserError: when the folder holds no sound files, or a text file beside one cannot be read.
        """
        folder = self.folder()
        files = find_sound_files(folder)
        if not files:
            raise UserError(f"{folder} holds no sound files ({', '.join(sorted(SOUND_SUFFIXES))}).")
        faults = Faults()
        rows = []
        foreign: list[str] = []
        for path, identity in zip(files, unique_ids(files, folder), strict=True):
            transcript = None
            with faults.gather():
                transcript = _transcript(path, foreign)
            label = _folder_name(path, folder, self.labels_from)
            rows.append(
                Utterance(
                    id=identity,
                    path=path,
                    transcript=transcript,
                    label=canonical(label) if label else None,
                    speaker=_folder_name(path, folder, self.speaker_from),
                    corpus=self.name,
                    language=self.language,
                )
            )
        faults.check()
        tell_foreign(foreign)
        return UtteranceTable(rows)


def _folder_name(path: Path, root: Path, level: Level) -> str | None:
    """Name of the folder one or two levels up; None for files that do not lie so deep below the root."""
    above = path.relative_to(root).parts[:-1]
    steps = {"none": 0, "parent": 1, "grandparent": 2}[level]
    return unicodedata.normalize("NFC", above[-steps]) if 0 < steps <= len(above) else None


def _transcript(path: Path, foreign: list[str]) -> str | None:
    for suffix in (*_TEXT_SUFFIXES, *map(str.upper, _TEXT_SUFFIXES)):
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return " ".join(read_text(beside, foreign=foreign).split()) or None
    return None
