"""What a corpus reader is, and the two lines of work that most readers share."""

from __future__ import annotations

import os
import re
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar

from emollm.data.corpora.files import archives, sound_files, stem_of, tell_left_out
from emollm.data.decode import is_pointer
from emollm.data.folders import parts_of
from emollm.data.labels import EMOTIONS, canonical
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

FEW = 0.1
"""Share of a corpus up to which somebody is taken to try a few recordings on purpose."""


class Corpus(ABC):
    """Reads a corpus as its owners distribute it.

    Args:
        root: the corpus's folder: absolute, or below the current folder or the folder ``EMOLLM_DATA``.
    """

    name: str = ""
    """How utterances, tables and reports call the corpus."""

    def __init__(self, root: str) -> None:
        self.root = root

    @abstractmethod
    def read(self) -> UtteranceTable:
        """Every utterance, in an order that is the same on every machine.

        Raises:
            UserError: when nothing of the corpus lies below the root.
        """

    def folder(self) -> Path:
        """The root as an existing folder.

        Raises:
            UserError: naming every place that was looked at.
        """
        found = locate(self.root)
        if not found.is_dir():
            raise UserError(f"{self.name}: {found} is not a folder: root names the folder of the corpus.")
        return found


class FileNameCorpus(Corpus):
    """A corpus whose file names tell all: the recordings may lie anywhere below the root, in any sound format.

    A reader declares ``name``, ``language``, ``pattern`` and ``example``, and ``describe`` says what a name means.
    """

    language: ClassVar[str | None] = None
    """ISO 639-1 code."""
    pattern: ClassVar[re.Pattern[str]]
    """Fits a whole file name without its suffix. Let it accept any case, and codes that do not exist: ``describe``
    passes them on as labels, and the validator then names the file."""
    example: ClassVar[str]
    """One file name, shown to who pointed at a wrong folder."""
    published: int | None = None
    """How many recordings the owners distribute: who has more than a few of them, but not all, is told."""

    speakers: ClassVar[Collection[str]] = ()
    """Everybody who speaks in the corpus, where that is known for good: another speaker is a mistake in a name."""

    codes: ClassVar[Mapping[str, Collection[str]]] = {}
    """The codes that there are, in any case, by group of ``pattern``: another one is a mistake in a name. Emotions
    and speakers are told elsewhere."""

    speaker_folder: ClassVar[re.Pattern[str] | None] = None
    """Fits the name of a folder that holds one speaker's recordings; its first group is the speaker."""

    folders_count: ClassVar[bool] = False
    """Whether a folder that is named as an emotion is believed before the file's own name."""

    @abstractmethod
    def describe(self, match: re.Match[str]) -> dict[str, Any] | None:
        """The fields of ``Utterance`` that a file name tells; None for what is no part of the corpus."""

    def named(self, path: PurePath) -> str:
        """What ``pattern`` is held against: the file's name without its suffix."""
        return stem_of(path)

    def identify(self, path: PurePath) -> str | None:
        """The id of the recording that a file is, by its name; None for what is none of this corpus."""
        match = self.pattern.fullmatch(self.named(path))
        values = None if match is None else self.describe(match)
        return None if values is None else values.get("id", match[0])

    def unknown_codes(self, match: re.Match[str]) -> list[str]:
        """What in a file name is a code that the corpus does not have: ``sentence 03``."""
        known = {group: {code.casefold() for code in codes} for group, codes in self.codes.items()}
        return [
            f"{group} {match[group]}" for group, codes in known.items() if match[group].casefold() not in codes
        ]

    def read(self) -> UtteranceTable:
        """Every recording once, sorted by name.

        Raises:
            UserError: when no file is named as the corpus names its files.
        """
        folder = self.folder()
        files = sound_files(folder)
        rows: dict[str, Utterance] = {}
        copies: list[tuple[str, Path]] = []
        strange, others = [], []
        for path in files:
            match = self.pattern.fullmatch(self.named(path))
            if match is None:
                strange.append(path)
                continue
            values = self.describe(match)
            if values is None:
                others.append(path)
                continue
            base = {"id": match[0], "path": path, "corpus": self.name, "language": self.language}
            row = Utterance(**(base | values))
            # Some mirrors hold the whole corpus twice, which would count every utterance double.
            key = row.id.casefold()  # nor are two spellings two recordings
            if key not in rows:
                rows[key] = row
                continue
            rows[key], other = self._better(rows[key], row, folder)
            copies.append((key, other))
        if not files and (packed := archives(folder)):
            raise UserError(
                f"{self.name}: {folder} holds no sound files, but archives ({', '.join(packed[:3])}): unpack them."
            )
        if not rows and others:
            raise UserError(
                f"{self.name}: all {len(others)} sound files of the corpus below {folder} are such as this "
                f"reader, as it is set, leaves out (the first: {others[0].relative_to(folder).as_posix()}); it "
                f"reads files like {self.example}: correct root, or the reader's other arguments."
            )
        if not rows:
            raise UserError(
                f"{self.name}: none of the {len(files)} sound files below {folder} is named like {self.example}: "
                "point root at the folder of the corpus."
            )
        self._tell_copies([(rows[key], other) for key, other in copies], folder)
        tell_left_out(
            [path.relative_to(folder).as_posix() for path in sorted(strange)],
            f"{self.name}: sound files below {folder} that are not named like {self.example} are passed over",
            "correct their names if they belong to the corpus",
        )
        if self.published is not None and len(rows) < self.published:
            tell_left_out(archives(folder), f"{self.name}: archives below {folder} are not read", "unpack them")
        # Whoever tries a few recordings knows that others are missing; whose copy broke off does not.
        if self.published is not None and self.published * FEW < len(rows) < self.published:
            warnings.warn(
                f"{self.name}: {len(rows)} of the {self.published} recordings that the corpus has are below "
                f"{folder}; {self.published - len(rows)} are missing: restore them, or say so with your results.",
                stacklevel=2,
            )
        table = UtteranceTable(sorted(rows.values(), key=lambda row: row.id))
        if not self.folders_count:
            tell_left_out(
                [f"{row.id} in {place}" for row in table if (place := _other_emotion(row, folder))],
                f"{self.name}: recordings below {folder} lie in another emotion's folder than their name says, "
                "and the name counts",
                "move them, or correct their names",
            )
        self._tell_speakers(table, folder)
        self._tell_codes(files, folder)
        return table

    def _better(self, row: Utterance, other: Utterance, folder: Path) -> tuple[Utterance, Path]:
        """Of two files of one name the one to use, and the path of the other; the first where both are as good."""

        def faults(one: Utterance) -> tuple[bool, int]:
            return one.path is not None and is_pointer(one.path), self._astray(one, folder)

        row, other = (other, row) if faults(other) < faults(row) else (row, other)
        return row, other.path or folder

    def _astray(self, row: Utterance, folder: Path) -> int:
        """How many of the folders around a recording say otherwise than its name."""
        return sum(place is not None for place in (_other_emotion(row, folder), self._other_speaker(row, folder)))

    def _tell_copies(self, copies: Sequence[tuple[Utterance, Path]], folder: Path) -> None:
        """Warn of files that have the name of another one: the one that is used, and the path of the other."""
        tell_left_out(
            pairs_of(copies, folder),
            f"{self.name}: files below {folder} have the name of another one; of each name the first is used that "
            "lies in no folder of another emotion or speaker",
            "remove the others",
        )

    def _tell_speakers(self, table: UtteranceTable, folder: Path) -> None:
        """Warn of speakers whom the corpus does not have, and of recordings in a folder of others."""
        tell_left_out(
            [row.id for row in table if self.speakers and row.speaker not in self.speakers],
            f"{self.name}: recordings below {folder} are named as of speakers whom the corpus does not have",
            "correct their names",
        )
        tell_left_out(
            [f"{row.id} in {place}" for row in table if (place := self._other_speaker(row, folder))],
            f"{self.name}: recordings below {folder} lie in another speaker's folder than their name says, and "
            "the name counts",
            "move them, or correct their names",
        )
        tell_left_out(
            [f"{row.id} in {place}" for row in table if (place := _other_gender(row, folder))],
            f"{self.name}: recordings below {folder} lie in a folder of the other gender than their name "
            "says, and the name counts",
            "move them, or correct their names",
        )

    def _tell_codes(self, files: Sequence[Path], folder: Path) -> None:
        """Warn of codes that do not exist, also in the names of what ``describe`` leaves out for them."""
        matches = (self.pattern.fullmatch(self.named(path)) for path in files)
        unknown = {match[0]: codes for match in matches if match and (codes := self.unknown_codes(match))}
        tell_left_out(
            [f"{name} has {' and '.join(codes)}" for name, codes in sorted(unknown.items())],
            f"{self.name}: names of recordings below {folder} hold codes that the corpus does not have",
            "correct their names",
        )

    def _other_speaker(self, row: Utterance, root: Path) -> str | None:
        """The folder of another speaker in which a recording lies, if it does."""
        if self.speaker_folder is None or row.path is None:
            return None
        known = {speaker.casefold() for speaker in self.speakers}
        matches = (self.speaker_folder.fullmatch(name) for name in parts_of(row.path.relative_to(root))[:-1])
        named = [match for match in matches if match and match[1].casefold() in known]
        return named[-1][0] if named and named[-1][1].casefold() != (row.speaker or "").casefold() else None


def pairs_of(copies: Sequence[tuple[Utterance, Path]], folder: Path) -> list[str]:
    """The files of one name below a folder: which one is used, and not which other."""
    return [
        f"{row.path.relative_to(folder).as_posix()} and not {other.relative_to(folder).as_posix()}"
        for row, other in copies
        if row.path
    ]


def _other_emotion(row: Utterance, root: Path) -> str | None:
    """The folder of another emotion in which a recording lies, if it does."""
    folders = parts_of(row.path.relative_to(root))[:-1] if row.path else []
    named = [(name, label) for name in folders if (label := _said_by(name)) is not None]
    return named[-1][0] if named and row.label in EMOTIONS and named[-1][1] != row.label else None


def _other_gender(row: Utterance, root: Path) -> str | None:
    """The folder of the other gender in which a recording lies, if it does."""
    folders = parts_of(row.path.relative_to(root))[:-1] if row.path else []
    named = [name for name in folders if name.casefold() in ("female", "male")]
    return named[-1] if named and row.gender not in (None, named[-1].casefold()) else None


def _said_by(folder: str) -> str | None:
    """The emotion with which a folder's name ends: ``05Angry``, ``3. Sad``, ``OAF_Pleasant_surprise``."""
    words = re.findall(r"[^\W\d_]+", folder)
    labels = (canonical(" ".join(words[start:])) for start in range(len(words)))
    return next((label for label in labels if label in EMOTIONS and label != "other"), None)


def locate(root: str) -> Path:
    """A file or folder as users name it: absolute, below the current folder, or below ``EMOLLM_DATA``.

    Where there are two, the one that is taken is told: a folder of runs may have the name of a corpus.

    Raises:
        UserError: naming every place that was looked at.
    """
    path = Path(os.path.expanduser(root))
    places = [path]
    if not path.is_absolute() and os.environ.get("EMOLLM_DATA"):
        places.append(Path(os.path.expanduser(os.environ["EMOLLM_DATA"])) / path)
    there = [place for place in places if os.path.exists(place)]  # unlike Path's own, never an error
    if len(there) == 2 and not os.path.samefile(*there):
        warnings.warn(
            f"{there[0].absolute()} is read, and not {there[1]}, which EMOLLM_DATA names: move or rename the "
            "first to read the other.",
            stacklevel=1,
        )
    if there:
        return there[0]
    looked = " or ".join(str(place.absolute()) for place in places)
    raise UserError(f"There is no {looked}: correct the path, or set EMOLLM_DATA to the folder it is below.")


def unique_ids(paths: Sequence[Path], root: Path) -> list[str]:
    """File names without suffix; where a name occurs twice, the path below the root instead."""
    stems = Counter(path.stem for path in paths)
    return [path.stem if stems[path.stem] == 1 else path.relative_to(root).as_posix() for path in paths]
