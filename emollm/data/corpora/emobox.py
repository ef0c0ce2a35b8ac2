"""EmoBox's own lists: its folds and label maps for 32 corpora."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from emollm.data.corpora.ased import Ased
from emollm.data.corpora.base import Corpus, FileNameCorpus, locate
from emollm.data.corpora.cremad import CremaD
from emollm.data.corpora.emodb import Emodb
from emollm.data.corpora.emovo import Emovo
from emollm.data.corpora.esd import Esd
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import find_table, sound_files, stem_of, tell_left_out
from emollm.data.corpora.meld import innermost_part, part_of_folder
from emollm.data.corpora.ravdess import Ravdess
from emollm.data.corpora.savee import Savee
from emollm.data.corpora.shemo import Shemo
from emollm.data.corpora.tess import Tess
from emollm.data.corpora.text import read_text
from emollm.data.corpora.urdu import Urdu
from emollm.data.folders import parts_of
from emollm.data.labels import EMOTIONS, canonical
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_PARTS = {"train": "train", "valid": "validation", "test": "test"}
_NAMED: dict[str, type[FileNameCorpus]] = {
    reader.name: reader for reader in (Ased, CremaD, Emodb, Emovo, Esd, Ravdess, Savee, Shemo, Tess, Urdu)
}
_SPEAKERS = "data.seg.wrd.stm"
_IEMOCAP = re.compile(r"Ses(?P<session>\d\d)[FM]_\w+_(?P<letter>[FM])\w*\d+")
# Keys may hold blanks (RESD); behind them comes the channel.
_SPOKEN = re.compile(r"(?P<key>.+?) \d+ .*<id=.*,spk=(?P<speaker>[^,>]*),emotion=")
_DISAGREED = "no agreement"  # MSP-Podcast's X, which is no emotion
_FROM_NAME = ("speaker", "gender", "transcript", "sentence", "language", "session")


@dataclass
class _Record:
    file: Path
    line: int
    values: dict[str, Any]
    parts: dict[int, str] = field(default_factory=dict)
    """Fold to part."""

    @property
    def where(self) -> str:
        return f"{self.file}, line {self.line}"


class EmoBox(Corpus):
    """One corpus as EmoBox lists it (Ma et al. 2024, Interspeech; github.com/emo-box/EmoBox, MIT).

    Needs EmoBox's folder ``data``: ``data/ravdess/fold_1/ravdess_train_fold_1.jsonl``, ``valid`` and ``test``
    beside it, and ``data/ravdess/label_map.json``. The recordings themselves come from the corpus's owners.

    ``split`` is that of the chosen fold, and ``extra`` holds ``emobox_fold``, in which the utterance is tested. So
    ``ColumnSplit`` takes one fold, and ``FoldColumn(column=emobox_fold)`` any of several. Where EmoBox gives no
    validation part (all but MELD and a few others) both draw one from the training side by speaker; EmoBox draws
    20 % at random, speakers mixed.

    Put right here: label maps that miss the lists' spelling (EmoDB: ``neutral`` and ``Neutral``); speakers of
    IEMOCAP, whom EmoBox takes from the wrong letter; stretches of long files (PAVOQUE), kept in seconds as they
    are written, so that no sample is lost to rounding. Speakers come from the file names, else from
    ``data.seg.wrd.stm``, but where that gives a recording's own name (MER2023, RESD) or ``Unknown``. Known
    faults: EmoDB's folds share all ten speakers, and CREMA-D, TESS, ASED and URDU have one split in 75 and 25 %
    that disregards speakers.

    Args:
        root: the folder ``data`` of EmoBox, absolute or below the current folder or ``EMOLLM_DATA``.
        dataset: which corpus, as EmoBox names its folder: ravdess, emodb, iemocap, meld, cremad, …
        fold: whose training and test part ``split`` names, counted from 1.
        audio: the folder that holds ``downloads``, by default the one that holds ``data``; or the corpus's own
            folder, where recordings are found by their names, in any sound format.
    """

    def __init__(self, root: str, dataset: str, fold: int = 1, audio: str | None = None) -> None:
        super().__init__(root)
        self.name = dataset
        self.fold = fold
        self.audio = audio

    def read(self) -> UtteranceTable:
        """Training, validation and test part of the fold, each in EmoBox's order.

        Raises:
            UserError: when a list is missing or faulty, an utterance is in two parts of a fold, or a label is not
                in the label map; naming file and line.
        """
        folder = self.folder()
        folder = folder if folder.name == self.name and not (folder / self.name).is_dir() else folder / self.name
        folds = {int(path.name[5:]): path for path in folder.glob("fold_*") if path.name[5:].isdecimal()}
        if self.fold not in folds:
            there = f"the folds {', '.join(map(str, sorted(folds)))}" if folds else "no folds"
            raise UserError(
                f"{self.name}: {folder} has {there}, not fold_{self.fold}: root is EmoBox's folder data, "
                "dataset one of the folders in it."
            )
        faults = Faults()
        records: dict[str, _Record] = {}
        for number, path in sorted(folds.items()):
            for part in _PARTS:
                with faults.gather():
                    for record in _records(path / f"{self.name}_{part}_fold_{number}.jsonl", part, faults):
                        known = records.setdefault(record.values["key"], record)
                        if _facts(record) != _facts(known):
                            faults.add(
                                f"{record.where}: {record.values['key']} has another wav, emo or time than in "
                                f"{known.where}: all folds must say the same of it."
                            )
                        if number in known.parts:
                            faults.add(
                                f"{record.where}: {record.values['key']} is in fold {number} twice, in "
                                f"{known.parts[number]} and in {part}."
                            )
                        known.parts.setdefault(number, part)
        labels = None
        with faults.gather():
            labels = _label_map(folder)
        speakers = _speakers(folder / _SPEAKERS)
        place = locate(self.audio) if self.audio else folder.parent.parent
        listed = {record.values["wav"] for record in records.values()}
        find = _Finder(place, listed if self.audio else None, self._identify)
        chosen = [record for record in records.values() if self.fold in record.parts]
        order = list(_PARTS)
        chosen.sort(key=lambda record: order.index(record.parts[self.fold]))
        rows = []
        for record in chosen:
            with faults.gather():
                rows.append(self._utterance(record, labels, speakers, find))
        faults.check()
        tell_left_out(
            [f"{row.id} ({said} by its name)" for row in rows if (said := self._contradiction(row))],
            f"{self.name}: utterances have another emotion in the lists of {folder} than in their recordings' "
            "names, and the lists count",
            "correct one of the two",
        )
        unknown = sum(row.speaker is None for row in rows)
        if unknown and not (folder / _SPEAKERS).is_file():
            warnings.warn(
                f"{folder} has no {_SPEAKERS}: the speakers of {unknown} utterances are unknown; take the folder "
                "data of EmoBox as it is.",
                stacklevel=2,
            )
        return UtteranceTable(rows)

    def _utterance(
        self, record: _Record, labels: dict[str, str] | None, speakers: dict[str, str], find: _Finder
    ) -> Utterance:
        values = record.values
        try:
            start, end = (
                None if values.get(name) is None else float(values[name]) for name in ("start_time", "end_time")
            )
            if not 0 <= (start or 0.0) < (math.inf if end is None else end) or end == math.inf:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise UserError(
                f"{record.where}: start_time and end_time must be numbers of seconds from 0, the end behind the "
                "start."
            ) from None
        said = self._from_name(stem_of(PurePosixPath(values["wav"])))
        facts = {name: said[name] for name in _FROM_NAME if said.get(name) is not None}
        facts.setdefault("speaker", speakers.get(values["key"]))
        return Utterance(
            id=values["key"],
            path=find(values["wav"]),
            label=_label(values.get("emo"), labels, record),
            corpus=self.name,
            split=_PARTS[record.parts[self.fold]],
            start=start,
            end=end,
            extra={"emobox_fold": next((fold for fold, part in record.parts.items() if part == "test"), None)},
            **facts,
        )

    def _identify(self, path: PurePath) -> str:
        """What a recording is called, whatever its owners and EmoBox name the file."""
        reader = _NAMED.get(self.name)
        return (reader(self.root).identify(path) if reader else None) or stem_of(path)

    def _from_name(self, stem: str) -> dict[str, Any]:
        """What the name of a recording tells, where a reader of the corpus knows it."""
        if self.name == "iemocap" and (match := _IEMOCAP.fullmatch(stem)):
            session = int(match["session"])
            return {
                "speaker": f"Ses{session:02}{match['letter']}",
                "session": f"Session{session}",
                "gender": {"F": "female", "M": "male"}[match["letter"]],
                "language": "en",
            }
        reader = _NAMED.get(self.name)
        match = reader.pattern.fullmatch(stem) if reader else None
        if reader is None or match is None:
            return {}
        return {"language": reader.language} | (reader(self.root).describe(match) or {})

    def _contradiction(self, row: Utterance) -> str | None:
        """The emotion that a recording's name tells, where the list tells another one."""
        said = canonical(self._from_name(stem_of(row.path)).get("label") or "") if row.path else ""
        return said if row.label and said in EMOTIONS and said != row.label else None


class _Finder:
    """From a path as EmoBox writes it to the recording: at that place, else by name below the folder.

    By name only what can be no other recording is taken: better a missing file, which the validator names. Never
    may it lie in a folder that the lists know of other recordings only. Where names recur (MEAD has a 001 of every
    speaker, emotion and level), it must lie in all folders that tell recordings apart.
    """

    def __init__(self, root: Path, listed: set[str] | None, identify: Callable[[PurePath], str]) -> None:
        self.root = root
        self.identify = identify
        self.by_name = listed is not None
        self._places = Counter((identify(root / _posix(wav)), _folders(_posix(wav))) for wav in listed or ())
        self._known = frozenset(folder for _, folders in self._places for folder in folders)
        recur = len({name for name, _ in self._places}) < len(self._places)
        everywhere = frozenset.intersection(*(folders for _, folders in self._places)) if recur else self._known
        self._telling = self._known - everywhere
        self._index: dict[str, list[tuple[Path, frozenset[str]]]] | None = None

    def __call__(self, written: str) -> Path:
        path = self.root / _posix(written)
        if not self.by_name or path.exists():
            return path
        if self._index is None:
            self._index = {}
            for sound in sound_files(self.root):
                place = sound, _folders(sound.relative_to(self.root))
                self._index.setdefault(self.identify(sound), []).append(place)
        name, own = self.identify(path), _folders(_posix(written))
        if self._places[name, own] > 1:  # nothing but case or suffix tells them apart
            return path
        fitting = [
            sound
            for sound, folders in self._index.get(name, [])
            if own & self._telling <= folders and folders & self._known <= own
        ]
        return max(fitting, key=lambda other: _common(path, other), default=path)


def _posix(written: str) -> PurePosixPath:
    return PurePosixPath(written.replace("\\", "/"))


def _folders(path: PurePath) -> frozenset[str]:
    """The folders of a path in lower case; of those that say train, dev or test the innermost, as that word."""
    names = parts_of(path)[:-1]
    others = (name.casefold() for name in names if part_of_folder(name) is None)
    return frozenset(others) | frozenset(filter(None, [innermost_part(names)]))


def _facts(record: _Record) -> list[Any]:
    """What every fold must say alike of an utterance."""
    return [record.values.get(name) for name in ("wav", "emo", "start_time", "end_time")]


def _common(path: Path, other: Path) -> int:
    pairs = list(zip(reversed(parts_of(path)[:-1]), reversed(parts_of(other)[:-1]), strict=False))
    return next((count for count, (a, b) in enumerate(pairs) if a != b), len(pairs))


def _records(file: Path, part: str, faults: Faults) -> Iterator[_Record]:
    if not file.is_file():
        if part == "valid":  # most corpora have none
            return
        raise UserError(f"There is no {file}: take the folder data of EmoBox as it is.")
    content = read_text(file)
    if part != "valid" and not content.strip():
        raise UserError(f"{file} is empty: take the folder data of EmoBox as it is.")
    for line, text in enumerate(content.split("\n"), 1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            faults.add(f"{file}, line {line}: not JSON ({error.msg}).")
            continue
        if isinstance(values, dict) and all(isinstance(values.get(name), str) for name in ("key", "wav")):
            yield _Record(file, line, values)
        else:
            faults.add(f"{file}, line {line}: an utterance needs a key and a wav.")


def _label_map(folder: Path) -> dict[str, str] | None:
    file = find_table(folder, "label_map.json", "label_dict.json")  # the other name is EMOVO's
    if file is None:
        warnings.warn(
            f"{folder} has no label_map.json: labels are taken as the lists write them; take the folder data of "
            "EmoBox as it is.",
            stacklevel=2,
        )
        return None
    try:
        content = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise UserError(f"{file}, line {error.lineno}: not JSON ({error.msg}).") from error
    if not isinstance(content, dict):
        raise UserError(f'{file} must map codes to emotions, as {{"hap": "Happy"}}.')
    content = {code: str(word) for code, word in content.items()}
    # Exact codes first (ASED has s and S), then in any case (EmoDB maps Neutral and lists neutral).
    return {code.casefold(): word for code, word in content.items()} | content


def _label(code: object, labels: dict[str, str] | None, record: _Record) -> str | None:
    if code is None:
        return None
    word = str(code) if labels is None else labels.get(str(code), labels.get(str(code).casefold()))
    if word is None:
        raise UserError(f"{record.where}: the label '{code}' is not in the label_map.json of the corpus.")
    label = canonical(word)
    return None if label == _DISAGREED else label


def _speakers(file: Path) -> dict[str, str]:
    lines = read_text(file).split("\n") if file.is_file() else []
    matches = (match for match in map(_SPOKEN.match, lines) if match)
    return {match["key"]: match["speaker"] for match in matches if _is_speaker(**match.groupdict())}


def _is_speaker(key: str, speaker: str) -> bool:
    """Whether somebody is named, and not nobody, or the recording itself (its key is ``dataset-name``)."""
    recording = key.partition("-")[2]
    own = {recording, stem_of(PurePosixPath(recording))}
    return bool(speaker) and speaker.casefold() != "unknown" and speaker not in own
