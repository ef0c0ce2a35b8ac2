"""ESD: ten English and ten Chinese speakers, 350 sentences a language in five emotions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from emollm.data.corpora.base import FileNameCorpus, pairs_of
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import find_files, stem_of, tell_left_out
from emollm.data.corpora.rows import keep_first, mend, tell_contradictions
from emollm.data.corpora.text import Fallback, read_text, tell_foreign
from emollm.data.folders import parts_of
from emollm.data.labels import EMOTIONS, canonical
from emollm.data.protocols.parts import part_of
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_SENTENCES = 350
# Each speaker's files are numbered through, 350 an emotion, in this order.
_ORDER = ("neutral", "angry", "happy", "sad", "surprise")
_MEN = {4, 5, 6, 8, 10, 11, 12, 13, 14, 20}
_LINE = re.compile(r"\s*(?P<id>\d{4}_\d{6})(?P<gap>\s+)(?P<rest>.*)")
_ODD = re.compile(r"\s*\d{4}_(?!\d{6}\s)")  # it begins as a line with a recording's name does
# In some files the emotion stands behind the text after a blank in place of a tab: a word behind the end of a
# sentence, or the last word as it is.
_AFTER_SENTENCE = re.compile(r"""(?<=[.!?。！？…"”’'])\s+(?P<word>\w+)\W*$""")
_AT_END = re.compile(r"\s+(?P<word>\w+)$")
_CHINESE = {
    "中立": "neutral",
    "生气": "angry",
    "愤怒": "angry",
    "快乐": "happy",
    "开心": "happy",
    "高兴": "happy",
    "伤心": "sad",
    "惊喜": "surprise",
    "惊讶": "surprise",
}
# Several files, English ones among them, were written in China on Windows.
_CHINA = "gb18030"
_IDEOGRAPH = r"\u3400-\u9fff\ue000-\uf8ff"  # and what fonts add to them
# English in Windows-1252 or of a Mac seems to hold ideographs, as I'm with a curly quote; true GB 18030 of English
# holds none but in the emotion at the end.
_ENGLISH = Fallback(_CHINA, re.compile(rf"^[^{_IDEOGRAPH}]*(?!(?:{'|'.join(_CHINESE)})\W*$)[{_IDEOGRAPH}]"))


class Esd(FileNameCorpus):
    """The Emotional Speech Dataset (Zhou et al. 2021, ICASSP; github.com/HLTSingapore/Emotional-Speech-Data).

    On request, for research. 35000 recordings: 7000 each of angry, happy, neutral, sad and surprise; speakers 0001
    to 0010 speak Chinese, 0011 to 0020 English. Every sentence is spoken by every speaker of its language in every
    emotion, so the transcript tells nothing.

    Read as ``0011/Angry/0011_000351.wav``, or with the folders ``train``, ``evaluation`` and ``test`` in between.
    ``split`` is the owners': of each speaker's 350 sentences 20 are validation, 30 test and 300 train, so all
    parts share the speakers; LeaveOneSpeakerOut does not. Transcripts come from ``0011/0011.txt``; these are
    UTF-8, UTF-16 or GB 18030, with tabs or blanks (issue 1 of the repository), and any of it is read, as are
    English ones that were saved again in Windows-1252 or by a Mac.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
        language: en or zh reads the speakers of one language only.
    """

    name = "esd"
    folders_count = True
    speakers = tuple(f"{number:04}" for number in range(1, 21))
    speaker_folder = re.compile(r"(\d{4})")
    pattern = re.compile(r"(?P<speaker>\d{4})_(?P<number>\d{6})")
    example = "0011_000351.wav"

    def __init__(self, root: str, language: str | None = None) -> None:
        super().__init__(root)
        if language not in (None, "en", "zh"):
            raise UserError(f"esd: language is '{language}': it is en or zh, or left out for both.")
        self.only = language
        self.published = 35000 if language is None else 17500

    def describe(self, match: re.Match[str]) -> dict[str, Any] | None:
        """Speaker and number, which tells emotion, sentence and part."""
        speaker, number = int(match["speaker"]), int(match["number"])
        language = _language(speaker)
        if self.only not in (None, language):
            return None
        emotion, sentence = divmod(number - 1, _SENTENCES)
        return {
            "label": _ORDER[emotion] if 0 <= emotion < len(_ORDER) else None,
            "sentence": f"{language}{sentence + 1:03}",
            "speaker": match["speaker"],
            "gender": "male" if speaker in _MEN else "female",
            "language": language,
            "split": "validation" if sentence < 20 else "test" if sentence < 50 else "train",
        }

    def read(self) -> UtteranceTable:
        """Every recording once, sorted by name, with its transcript where the speaker's text file is there.

        Raises:
            UserError: when no file is named as the corpus names its files, or a text file cannot be read.
        """
        table = super().read()
        names = [f"{speaker}.txt" for speaker in table.unique("speaker")]
        texts: dict[str, str] = {}
        said: dict[str, str] = {}
        faults = Faults()
        foreign: list[str] = []
        odd, unread, contradicted = [], [], []
        for file in find_files(self.folder(), *names):
            with faults.gather():
                fallback = _CHINA if _language(int(stem_of(file))) == "zh" else _ENGLISH
                lines = read_text(file, fallback, foreign).split("\n")
                odd += [f"{file}, line {n}" for n, line in enumerate(lines, 1) if _ODD.match(line)]
                for number, match in enumerate(map(_LINE.fullmatch, lines), 1):
                    if match is None:
                        continue
                    where = f"{file}, line {number}"
                    text, word, readable = _text_and_emotion(match["rest"], "\t" in match["gap"])
                    known = keep_first(texts, match["id"], mend(text))
                    if word and readable:
                        known &= keep_first(said, match["id"], word)
                    if not known:
                        contradicted.append(where)
                    if not readable:
                        unread.append(where)
        faults.check()
        tell_foreign(foreign)
        root = self.folder()
        placed = table.map(lambda row: _with_folders(replace(row, transcript=texts.get(row.id) or None), root))
        near = {name for row in table if row.path for name in _folders(row.path, root)}
        tell_left_out(
            sorted(f"{name}, like {like[0]}" for name in near if (like := _like(name))),
            f"{self.name}: folders below {root} have names that are almost emotions, and the numbers count there",
            "correct their spelling",
        )
        pairs = zip(table, placed, strict=True)
        tell_left_out(
            [f"{row.id} in a folder of {other.label}" for row, other in pairs if row.label != other.label],
            f"{self.name}: recordings below {root} lie in another emotion's folder than their number says, and "
            "the folder counts",
            "move them, or correct their numbers",
        )
        tell_left_out(
            odd,
            f"{self.name}: lines of text files look like no other ones and are passed over",
            "write them as 0011_000351, a tab, the text",
        )
        tell_left_out(
            unread,
            f"{self.name}: lines of text files hold more than a text and an emotion, or an emotion's name that is "
            "misspelt, and what stands behind the text is left out",
            "write them as 0011_000351, a tab, the text, a tab, Angry",
        )
        tell_contradictions(contradicted, self.name)
        self._tell_texts(placed, texts, said)
        return placed

    def _astray(self, row: Utterance, folder: Path) -> int:
        return super()._astray(row, folder) + (_with_folders(row, folder).split != row.split)

    def _tell_copies(self, copies: Sequence[tuple[Utterance, Path]], folder: Path) -> None:
        """Here folders tell emotion and part, so copies in different ones contradict each other."""

        def contradict(row: Utterance, path: Path) -> bool:
            first, second = (_with_folders(one, folder) for one in (row, replace(row, path=path)))
            return (first.label, first.split) != (second.label, second.split)

        differing = [pair for pair in copies if contradict(*pair)]
        tell_left_out(
            pairs_of(differing, folder),
            f"{self.name}: recordings below {folder} lie in folders of different emotions or parts, and the "
            "folder counts that agrees with the number, else the first",
            "remove the wrong one",
        )
        super()._tell_copies([pair for pair in copies if pair not in differing], folder)

    def _tell_texts(self, table: UtteranceTable, texts: Mapping[str, str], said: Mapping[str, str]) -> None:
        """Warn of recordings that the text files alone know, and where they say another emotion."""
        there = {row.id: row.label for row in table}
        speakers = {row.speaker for row in table}
        tell_left_out(
            [row.id for row in table if row.transcript is None] if texts else [],
            f"{self.name}: recordings are in no text file below {self.folder()}, and have no transcript",
            "restore the files, or their lines",
        )
        tell_left_out(
            [name for name in texts if name not in there and name[:4] in speakers],
            f"{self.name}: recordings that the text files name are not below {self.folder()}",
            "restore them, or go on without",
        )
        tell_left_out(
            [f"{name} {word}" for name, word in said.items() if name in there and _meant(word) != there[name]],
            f"{self.name}: text files below {self.folder()} say another emotion, or none that there is, and the "
            "recordings' folders and numbers count",
            "correct the text files, or move the recordings",
        )


def _language(speaker: int) -> str:
    return "zh" if speaker <= 10 else "en"


def _text_and_emotion(rest: str, tabbed: bool) -> tuple[str, str | None, bool]:
    """What stands behind a recording's name: its text, the emotion, and whether all of that could be read.

    Args:
        rest: the line behind the name and what parts them.
        tabbed: whether a tab does, so that one would stand before the emotion too.
    """
    cells = [_unquoted(cell.strip()) for cell in rest.split("\t") if cell.strip()]
    if len(cells) == 1 and tabbed and _meant(cells[0]) in _ORDER:
        return "", cells[0], True
    if not cells:
        return "", None, True
    if len(cells) > 1:
        return cells[0], cells[1], len(cells) == 2
    for ending in (_AFTER_SENTENCE, _AT_END):
        match = ending.search(cells[0])
        if match is None:
            continue
        word, text = match["word"], cells[0][: match.start()]
        # Behind a tab the last word of a sentence that goes on is its own: Tom is happy.
        named = _meant(word) in _ORDER and (ending is _AFTER_SENTENCE or not tabbed or not word.islower())
        if named:
            return text, word, True
        if ending is _AFTER_SENTENCE and _like(word):
            return text, word, False
    return cells[0], None, True


def _unquoted(cell: str) -> str:
    """A cell without the quotes that Excel puts around it; those within it are then doubled."""
    within = cell[1:-1].replace('""', "")
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in within
    return cell[1:-1].replace('""', '"') if whole else cell


def _meant(word: str) -> str:
    return _CHINESE.get(word, canonical(word))


def _like(word: str) -> list[str]:
    """The emotion that a folder is almost called, or a word almost is."""
    if canonical(word) in EMOTIONS:
        return []
    return get_close_matches(word.casefold(), _ORDER, n=1, cutoff=0.75)


def _folders(path: Path, root: Path) -> Sequence[str]:
    """The two that tell emotion and part."""
    return parts_of(path.relative_to(root))[-3:-1]


def _with_folders(row: Utterance, root: Path) -> Utterance:
    """Folders, where they speak, know better than the number which emotion and part a recording is."""
    for name in _folders(row.path, root) if row.path else ():
        if canonical(name) in EMOTIONS:
            row = replace(row, label=canonical(name))
        elif name.casefold() == "evaluation":  # the owners' word for what models are chosen on
            row = replace(row, split="validation")
        elif part_of(name):
            row = replace(row, split=part_of(name))
    return row
