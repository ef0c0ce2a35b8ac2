"""MELD: dialogues of a TV series, transcribed and labelled turn by turn."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from emollm.data.audio import AudioError, duration
from emollm.data.corpora.base import FEW, Corpus
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import archives, find_table, or_unpack, sound_files, stem_of, tell_left_out
from emollm.data.corpora.rows import keep_first, mend, read_rows, tell_contradictions
from emollm.data.folders import parts_of
from emollm.data.labels import canonical
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

# The owners' names of the parts, and ours.
_PARTS = {"train": "train", "dev": "validation", "test": "test"}
_PUBLISHED = {"train": 9989, "dev": 1109, "test": 2610}
_WORDS = {
    "train": {"train", "training"},
    "dev": {"dev", "development", "val", "valid", "validation"},
    "test": {"test", "testing"},
}
_LONG = {"train": "train", "dev": "development", "test": "test"}
_COLUMNS = ("utterance", "speaker", "emotion", "dialogue_id", "utterance_id")
_EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
_CLIP = re.compile(r"dia(\d+)_utt(\d+)", re.IGNORECASE)
_BROKEN = {("train", 125, 3), ("dev", 110, 7)}
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})[,.](\d{1,6})")

Clip = tuple[str, int, int]
"""Part, number of the dialogue, number of the utterance."""


class Meld(Corpus):
    """The Multimodal EmotionLines Dataset (Poria et al. 2019, ACL; github.com/declare-lab/MELD, GPL-3.0).

    Needs ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv`` (or some of them), anywhere below
    the root. Clips may lie there too, as ``train_splits/dia0_utt0.mp4``, ``dev_splits_complete/…`` and
    ``output_repeated_splits_test/…``, or in any sound format in folders whose names say train, dev or test. A part
    without clips is text only.

    ========  =======  =======  ========  =====  ====  =====  =======  ====
    part      all      neutral  surprise  fear   sad   happy  disgust  angry
    ========  =======  =======  ========  =====  ====  =====  =======  ====
    train     9989     4710     1205      268    683   1743   271      1109
    dev       1109     470      150       40     111   163    22       153
    test      2610     1256     281       50     208   402    68       345
    ========  =======  =======  ========  =====  ====  =====  =======  ====

    Where there are clips, two utterances are left out unless somebody has mended their clips: train dia125_utt3
    does not open (issue 39 of the repository) and dev dia110_utt7 is missing (issues 22, 27). That leaves the
    9988, 1108 and 2610 of the literature. Train dia309_utt0 and test dia38_utt4 and dia220_utt0 are cut wrongly
    and last minutes (issue 20). Clips without a row, and such as are named otherwise (``final_videos_test…``,
    which the owners call safe to ignore, issue 22), are passed over, and told.

    Dialogues are whole and in order; ``turn`` is the owners' Utterance_ID, which skips numbers. The main cast
    speaks in all three parts. ``session`` is the episode, which parts share too. ``extra`` holds ``sentiment``,
    ``season``, ``episode``, and ``aired_from`` and ``aired_to``, in seconds of the episode.

    Args:
        root: the folder of the tables, absolute or below the current folder or ``EMOLLM_DATA``.
        audio: False reads the text alone, and all of it, even where there are clips.
    """

    name = "meld"

    def __init__(self, root: str, audio: bool = True) -> None:
        super().__init__(root)
        self.audio = audio

    def read(self) -> UtteranceTable:
        """Training, development and test dialogues, each in order.

        Raises:
            UserError: when there is no table below the root; with every column that is missing, and every line
                with an emotion or number that is none.
        """
        folder = self.folder()
        tables = {part: find_table(folder, f"{part}_sent_emo.csv") for part in _PARTS}
        if not any(tables.values()):
            raise UserError(
                f"{self.name}: there is no train_sent_emo.csv, dev_sent_emo.csv or test_sent_emo.csv below "
                f"{folder}: {or_unpack(folder, 'point root at the folder of the corpus')}."
            )
        clips = _clips(folder) if self.audio else {}
        faults = Faults()
        rows: list[Utterance] = []
        for part, file in tables.items():
            with faults.gather():
                rows += self._part(part, file, clips, faults) if file else []
        faults.check()
        lacking = [f"{part}_sent_emo.csv" for part, file in tables.items() if file is None]
        tell_left_out(
            lacking, f"{self.name}: parts have no table below {folder}", "restore it, if you want that part"
        )
        if not all(tables.values()) or (self.audio and {part for part, _, _ in clips} != set(_PARTS)):
            # MELD.Raw.tar.gz holds an archive a part, and the one of training holds its table too.
            tell_left_out(archives(folder), f"{self.name}: archives below {folder} are not read", "unpack them")
        listed = {row.path for row in rows}
        tell_left_out(
            sorted(
                path.relative_to(folder).as_posix()
                for clip, path in clips.items()
                if tables[clip[0]] and path not in listed and clip not in _BROKEN
            ),
            f"{self.name}: clips below {folder} have no row in the tables",
            "they are passed over, as the owners' archives hold some; mind the tables if they are many",
        )
        without = [path.relative_to(folder).as_posix() for (part, _, _), path in clips.items() if not tables[part]]
        tell_left_out(
            sorted(without),
            f"{self.name}: clips below {folder} are of a part without its table (…_sent_emo.csv)",
            "restore the table",
        )
        return UtteranceTable(rows)

    def _part(self, part: str, file: Path, clips: dict[Clip, Path], faults: Faults) -> list[Utterance]:
        there = next((path.parent for (of, _, _), path in clips.items() if of == part), None)
        found: dict[tuple[int, int], Utterance] = {}
        contradicted: list[str] = []
        table = read_rows(file, _COLUMNS, faults)
        if _PUBLISHED[part] * FEW < len(table) < _PUBLISHED[part]:
            warnings.warn(
                f"{self.name}: {file} has {len(table)} of the {_PUBLISHED[part]} utterances of this part: take "
                "the whole table, or say so with your results.",
                stacklevel=3,
            )
        for line, row in table:
            try:
                dialogue, turn = _whole(row["dialogue_id"]), _whole(row["utterance_id"])
            except ValueError:
                faults.add(
                    f"{file}, line {line}: Dialogue_ID and Utterance_ID must be numbers, and are "
                    f"'{row['dialogue_id']}' and '{row['utterance_id']}'."
                )
                continue
            if canonical(row["emotion"]) not in ("", *_EMOTIONS):
                faults.add(f"{file}, line {line}: Emotion is '{row['emotion']}', none of {', '.join(_EMOTIONS)}.")
                continue
            clip = (part, dialogue, turn)
            path = clips.get(clip)
            if there is not None and clip in _BROKEN and not _opens(path):
                continue
            if there is not None and path is None:
                path = there / f"dia{dialogue}_utt{turn}.mp4"  # where it should be, for the validator to name
            if not keep_first(found, (dialogue, turn), _utterance(part, dialogue, turn, path, row)):
                contradicted.append(f"{file}, line {line}")
        tell_contradictions(contradicted, self.name)
        return [utterance for _, utterance in sorted(found.items())]


def _utterance(part: str, dialogue: int, turn: int, path: Path | None, row: dict[str, str]) -> Utterance:
    season, episode = row.get("season", ""), row.get("episode", "")
    return Utterance(
        id=f"{part}_dia{dialogue}_utt{turn}",
        path=path,
        transcript=mend(row["utterance"]),
        label=canonical(row["emotion"]) or None,
        speaker=mend(row["speaker"]) or None,
        corpus=Meld.name,
        session=f"season {season} episode {episode}" if season and episode else None,
        language="en",
        split=_PARTS[part],
        dialogue=f"{part}_dia{dialogue}",
        turn=turn,
        extra={
            "sentiment": row.get("sentiment") or None,
            "season": season or None,
            "episode": episode or None,
            "aired_from": _seconds(row.get("starttime", "")),
            "aired_to": _seconds(row.get("endtime", "")),
        },
    )


def _clips(folder: Path) -> dict[Clip, Path]:
    """Every clip by part and number; the innermost folder that says train, dev or test names the part."""
    found: dict[Clip, Path] = {}
    unplaced, strange = 0, []
    for path in sound_files(folder):
        match = _CLIP.fullmatch(stem_of(path))
        part = innermost_part(parts_of(path.relative_to(folder))[:-1])
        if not match:
            strange.append(path.relative_to(folder).as_posix())
        if match and part:
            found.setdefault((part, int(match[1]), int(match[2])), path)
        unplaced += bool(match and not part)
    if unplaced:
        warnings.warn(
            f"{Meld.name}: {unplaced} clips below {folder} lie in no folder that says train, dev or test, and "
            "each part counts its dialogues from 0; they are passed over.",
            stacklevel=2,
        )
    tell_left_out(
        sorted(strange),
        f"{Meld.name}: sound files below {folder} that are not named like dia0_utt0.mp4 are passed over",
        "correct their names if rows of the tables miss them",
    )
    return found


def innermost_part(folders: Sequence[str]) -> str | None:
    """What the last of a path's folders that says train, dev or test says."""
    return next(filter(None, map(part_of_folder, reversed(folders))), None)


@lru_cache  # of thousands of clips in the same few folders
def part_of_folder(name: str) -> str | None:
    """By the beginnings of words, also in camel case: ``testset`` is test, ``latest`` is not."""
    words = [word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    for part, known in _WORDS.items():
        if any(word in known or word.startswith(_LONG[part]) for word in words):
            return part
    return None


def _whole(text: str) -> int:
    """A whole number, also as pandas writes it (``3.0``)."""
    return int(text.removesuffix(".0"))


def _opens(path: Path | None) -> bool:
    try:
        return path is not None and duration(path) > 0
    except AudioError:
        return False


def _seconds(time: str) -> float | None:
    match = _TIME.fullmatch(time)
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")
