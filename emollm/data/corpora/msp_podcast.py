"""MSP-Podcast: spontaneous speech from podcasts, judged by many workers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from emollm.data.corpora.base import Corpus
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import (
    archives,
    by_stem,
    find_files,
    find_table,
    first_table,
    or_unpack,
    sound_files,
    stem_of,
    tell_left_out,
)
from emollm.data.corpora.json_files import read_json
from emollm.data.corpora.msp_parts import read_parts
from emollm.data.corpora.msp_votes import read_votes
from emollm.data.corpora.rows import mend, read_number, read_rows, tell_contradictions
from emollm.data.corpora.text import read_text
from emollm.data.folders import parts_of, visible_files
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_LABELS = {
    "A": "angry",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happy",
    "N": "neutral",
    "O": "other",
    "S": "sad",
    "U": "surprise",
    "X": None,  # no agreement
}
# The official partitions, as releases call them, and which part each of them is.
_PARTITIONS = {"train": "train", "development": "validation", "validation": "validation"} | dict.fromkeys(
    ("test1", "test2", "test3"), "test"
)
_SCALE = (0.0, 8.0)  # 1 to 7, and room for means that were rounded or scaled by hand
_NOTHING = ("", "nan", "n/a")  # the latter two as pandas writes an empty cell
_GENDERS = {"male": "male", "female": "female", "unknown": None} | dict.fromkeys(_NOTHING)
_COLUMNS = ("filename", "emoclass")
_OPTIONAL = ("EmoVal", "EmoAct", "EmoDom", "SpkrID", "Gender")
# Below the root the owners keep labels of earlier releases, and recordings that they have withdrawn.
_EARLIER = re.compile(r"previous|prev_|removed", re.IGNORECASE)
_HIDDEN = "_test3_"  # in the names of recordings whose labels the owners keep to themselves
_TABLES = ("labels_consensus.csv", "labels_concensus.csv", "labels_consensus.json", "labels_concensus.json")


class MspPodcast(Corpus):
    """MSP-Podcast (Lotfian and Busso 2019, doi:10.1109/TAFFC.2017.2736999).

    On request from lab-msp.com, for research. Needs ``Labels/labels_consensus.csv`` or ``.json``
    (``labels_concensus`` in early releases), and ``Partitions.txt`` where it has no Split_Set;
    recordings (``Audios/*.wav``) and transcripts (``Transcripts/*.txt``) are found anywhere below the root.
    Without any recording it is text only.

    Release 1.11 has 151654 segments: Train 84030, Development 19815, Test1 30647, Test2 14815,
    Test3 2347; the label set ``msp8`` leaves out other (O) and segments without agreement (X), which have no
    label; it wants ``data.other_labels: drop``.

    ``votes`` count the workers' primary emotions, where ``labels_detailed.csv`` lies beside the table. ``split``
    follows the official partitions, and ``extra`` holds their own name as ``partition``. ``valence``,
    ``arousal`` and ``dominance`` are means of the workers, 1 to 7. Unknown speakers are None. The labels of Test3
    are hidden: later releases have its recordings (``MSP-PODCAST_test3_0001.wav``) and no rows of it. What lies in
    ``Previous_releases_information`` is passed over.

    Args:
        root: the folder of the corpus, absolute or below the current folder or ``EMOLLM_DATA``.
        test: the partition to test on; the other test partitions are left out.
    """

    name = "msp_podcast"

    def __init__(self, root: str, test: Literal["Test1", "Test2", "Test3"] = "Test1") -> None:
        super().__init__(root)
        self.test = test

    def read(self) -> UtteranceTable:
        """Every segment of the chosen partitions, in the order of the table.

        Raises:
            UserError: when there is no table below the root, or it lacks a column; with every row that holds a
                code, partition or number that is none.
        """
        folder = self.folder()
        file = first_table([path for path in find_files(folder, *_TABLES) if _is_current(path, folder)], *_TABLES)
        if file is None:
            raise UserError(
                f"{self.name}: there is no Labels/labels_consensus.csv or .json of this release below {folder}: "
                f"{or_unpack(folder, 'point root at the folder of the corpus')}."
            )
        faults = Faults()
        read = _json_rows if file.suffix.lower() == ".json" else read_rows
        sounds = _by_name(path for path in sound_files(folder) if _is_current(path, folder))
        texts = _by_name(
            path for path in visible_files(folder) if _is_transcript(path) and _is_current(path, folder)
        )
        official = [path for path in find_files(folder, "Partitions.txt") if _is_current(path, folder)]
        parts_file = first_table(official, "Partitions.txt")
        parts = read_parts(parts_file) if parts_file else {}
        rows, listed, unlabelled, moved = [], set(), [], []
        table = read(file, _COLUMNS if parts else (*_COLUMNS, "split_set"), faults)
        for line, row in table:
            with faults.gather():
                name = stem_of(Path(row["filename"]))
                key = name.casefold()
                listed.add(key)
                row["split_set"] = row.get("split_set") or parts.get(key, "")
                if _other_part(row["split_set"], parts.get(key, row["split_set"])):
                    moved.append(f"{name} {row['split_set']}, {parts[key]}")
                values = _values(f"{file}, line {line}" if line else str(file), row)
                if values["split"] == "test" and row["split_set"].casefold() != self.test.casefold():
                    continue
                # The labels of Test3 are hidden, so there nothing is amiss.
                if _is_unlabelled(row) and row["split_set"].casefold() != "test3":
                    unlabelled.append(name)
                # Where recordings are at all, one that is missing is for the validator to name.
                path = sounds.get(key, folder / "Audios" / f"{name}.wav") if sounds else None
                text = mend(read_text(texts[key])) if key in texts else None
                rows.append(Utterance(id=name, path=path, transcript=text or None, **values))
        faults.check()
        tell_left_out(
            moved,
            f"{self.name}: segments have another part in {file} than in {parts_file}, and the table counts",
            "take both from one release",
        )
        detailed = find_table(file.parent, "labels_detailed.csv")
        if detailed is not None:
            rows = _with_votes(rows, detailed)
        else:
            unread = find_files(file.parent, "labels_detailed.json", "labels.txt")
            tell_left_out(
                [path.name for path in unread],
                f"{self.name}: single votes beside {file} are not read, so utterances have none",
                "votes are taken from labels_detailed.csv",
            )
        if self.test == "Test3" and not any(row.split == "test" for row in rows):
            raise UserError(
                f"{file} has no rows of Test3, whose labels the owners keep: set test to Test1 or Test2, and "
                "label the recordings of Test3 with emollm predict."
            )
        if not rows:
            raise UserError(f"{file} has no rows of Train, Development or {self.test}.")
        lacking = [column for column in _OPTIONAL if not any(column.casefold() in row for _, row in table)]
        tell_left_out(lacking, f"{self.name}: {file} lacks columns, and what they tell is unknown", "add them")
        tell_left_out(
            [row.id for row in rows if row.transcript is None] if texts else [],
            f"{self.name}: segments have no transcript below {folder}",
            "restore Transcripts/*.txt, or go on without",
        )
        tell_left_out(
            unlabelled,
            f"{self.name}: segments have no EmoClass in {file}, not even X, and count as without a label",
            "restore their codes, or go on without",
        )
        strange = dict.fromkeys(row.get("gender", "") for _, row in table)
        tell_left_out(
            [gender for gender in strange if gender.casefold() not in _GENDERS],
            f"{self.name}: words under Gender in {file} are not Male, Female or Unknown and count as unknown",
            "correct their spelling",
        )
        if not sounds or not texts:
            tell_left_out(archives(folder), f"{self.name}: archives below {folder} are not read", "unpack them")
        unlisted = [
            path.relative_to(folder).as_posix()
            for name, path in sounds.items()
            if name not in listed and _HIDDEN not in name.casefold()
        ]
        tell_left_out(
            sorted(unlisted),
            f"{self.name}: sound files below {folder} are in no row of {file} and are passed over",
            "take table and recordings from one release",
        )
        return UtteranceTable(rows)


def _with_votes(rows: list[Utterance], file: Path) -> list[Utterance]:
    votes = read_votes(file)
    unheard = [
        # The labels of Test3 are hidden, and so are its votes.
        row.id
        for row in rows
        if votes and row.id.casefold() not in votes and row.extra["partition"].casefold() != "test3"
    ]
    tell_left_out(
        unheard,
        f"{MspPodcast.name}: segments are not in {file} and have no votes",
        "take the tables from one release",
    )
    return [replace(row, votes=votes.get(row.id.casefold())) for row in rows]


def _by_name(files: Iterable[Path]) -> dict[str, Path]:
    """Name in lower case to file, to the first of several."""
    found: dict[str, Path] = {}
    for name, path in by_stem(files).items():
        found.setdefault(name.casefold(), path)
    return found


def _other_part(word: str, official: str) -> bool:
    """Whether two words for partitions mean two; Development and Validation mean one."""
    one, other = (
        "development" if part.casefold() == "validation" else part.casefold() for part in (word, official)
    )
    return one != other


def _is_current(path: Path, folder: Path) -> bool:
    """Whether a file is of this release."""
    return not any(_EARLIER.search(name) for name in parts_of(path.relative_to(folder))[:-1])


def _is_transcript(path: Path) -> bool:
    folders = (name.casefold() for name in parts_of(path)[:-1])
    return path.suffix.lower() == ".txt" and any("transcript" in name for name in folders)


def _is_unlabelled(row: dict[str, str]) -> bool:
    """Whether a row has no code at all, not even the one of no agreement."""
    return row["emoclass"].casefold() in _NOTHING


def _speaker(text: str) -> str | None:
    """Whom SpkrID names; pandas writes whole numbers as 12.0 where some are missing."""
    if text.casefold() in (*_NOTHING, "unknown"):
        return None
    return re.sub(r"(?<=\d)\.0+$", "", text)


def _values(where: str, row: dict[str, str]) -> dict[str, Any]:
    """The fields of ``Utterance`` that a row tells.

    Raises:
        UserError: with all that is wrong with the row.
    """
    wrong = [] if row["filename"] else ["FileName is empty"]
    partition = row["split_set"]
    code = "" if _is_unlabelled(row) else row["emoclass"].upper()
    split = _PARTITIONS.get(partition.casefold())
    if code and code not in _LABELS:
        wrong.append(f"EmoClass is '{row['emoclass']}', none of {', '.join(_LABELS)}")
    if not partition:
        wrong.append("Split_Set is '', and no Partitions.txt tells the part")
    elif split is None:
        wrong.append(f"Split_Set is '{partition}', none of Train, Development, Test1, Test2, Test3")
    numbers: dict[str, float | None] = {}
    for field, column in (("valence", "EmoVal"), ("arousal", "EmoAct"), ("dominance", "EmoDom")):
        text = row.get(column.lower(), "")
        try:
            numbers[field] = read_number(text)
            if numbers[field] is not None and not _SCALE[0] <= numbers[field] <= _SCALE[1]:
                raise ValueError
        except ValueError:
            wrong.append(f"{column} is '{text}', which is no number from 1 to 7")
    if wrong:
        raise UserError(f"{where} ({row['filename']}): {'; '.join(wrong)}.")
    gender = row.get("gender", "").lower()
    return {
        "label": _LABELS.get(code),
        "speaker": _speaker(row.get("spkrid", "")),
        "corpus": MspPodcast.name,
        "language": "en",
        "gender": _GENDERS.get(gender),
        "split": split,
        "extra": {"partition": partition},
        **numbers,
    }


def _json_rows(file: Path, required: Sequence[str], faults: Faults) -> list[tuple[int, dict[str, str]]]:
    """As ``read_rows``, without numbers of lines."""
    contradicted: list[str] = []
    content = read_json(file, contradicted)
    tell_contradictions(contradicted, MspPodcast.name)
    if not isinstance(content, dict):
        raise UserError(f"{file} must map file names to objects with EmoClass and Split_Set.")
    rows = []
    for name, facts in content.items():
        given = facts if isinstance(facts, dict) else {}
        plain = {str(key).casefold(): "" if value is None else str(value).strip() for key, value in given.items()}
        plain["filename"] = name
        if all(column in plain for column in required):
            rows.append((0, plain))
        else:
            faults.add(f"{file} must map file names to objects with EmoClass and Split_Set: '{name}' has none.")
    return rows
