"""IEMOCAP: ten actors in pairs, scripted and improvised, judged turn by turn."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from emollm.data.corpora.base import FEW, Corpus
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import (
    archives,
    by_stem,
    or_unpack,
    same_content,
    sound_files,
    stem_of,
    tell_left_out,
)
from emollm.data.corpora.rows import keep_first, mend, tell_contradictions
from emollm.data.corpora.text import read_text, tell_foreign
from emollm.data.folders import parts_of, visible_files
from emollm.data.labels import EMOTIONS, canonical
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_LABELS = {
    "ang": "angry",
    "dis": "disgust",
    "exc": "excited",
    "fea": "fear",
    "fru": "frustrated",
    "hap": "happy",
    "neu": "neutral",
    "oth": "other",
    "sad": "sad",
    "sur": "surprise",
    "xxx": None,  # the annotators did not agree
}
_PUBLISHED = 10039
_SCALE = (0.0, 6.0)  # 1 to 5, and room for means that were rounded or scaled by hand
_TURN = re.compile(
    r"\[(?P<start>[\d.]+) *- *(?P<end>[\d.]+)\]\s+(?P<id>Ses\d\d[FM]_\w+_[FM]\w*\d+)\s+(?P<label>\S+)"
    r"\s+\[(?P<v>[\d.-]+), *(?P<a>[\d.-]+), *(?P<d>[\d.-]+)\]"
)
_EXAMPLE = "[6.2901 - 8.2357] Ses01F_impro01_F000 neu [2.5000, 2.5000, 2.5000]"
_VOTE_EXAMPLE = "C-E2: Neutral; ()"
_DIALOGUE = re.compile(r"Ses\d\d[FM]_\w+\.txt", re.IGNORECASE)
_SOUND = re.compile(r"Ses\d\d[FM]_\w+_[FM]\w*\d+", re.IGNORECASE)
_JUDGED = re.compile(r"C\W{1,3}(?P<who>[A-Z]+)\d*\s*:\s*(?P<emotions>[^(]*)")
# Means over the annotators are in a turn's own line, so single ratings (A-E3: val 3; …) are passed over.
_RATED = re.compile(r"A\W{1,3}[A-Z]+\d*\s*:")
_BELONGS = re.compile(r"[AC]\W{0,3}[EFM]\d")  # a vote or rating of the turn above, however it goes on
_TEXT = re.compile(r"(?P<id>Ses\d\d[FM]_\w+)\s*\[[\d. -]+\]\s*:\s*(?P<text>.*)")

_TEXT_EXAMPLE = "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me."


@dataclass
class _Turn:
    start: float
    end: float
    id: str
    label: str
    valence: float
    arousal: float
    dominance: float
    votes: Counter[str] = field(default_factory=Counter)
    own: list[str] = field(default_factory=list)


class Iemocap(Corpus):
    """Interactive Emotional Dyadic Motion Capture (Busso et al. 2008, doi:10.1007/s10579-008-9076-6).

    On request from sail.usc.edu/iemocap, for research. Read from the full release: ``Session1`` to ``Session5``,
    each with ``dialog/EmoEvaluation/*.txt``, ``dialog/transcriptions/*.txt`` and ``sentences/wav/*/*.wav``.

    10039 turns in 151 dialogues of 10 speakers: 1849 frustrated, 1708 neutral, 1103 angry, 1084 sad, 1041 excited,
    595 happy, 107 surprise, 40 fear, 3 other, 2 disgust, and 2507 on which the annotators did not agree (code
    xxx), which have no label. The label set ``iemocap4`` counts excited as happy and has 5531 of them, by session
    1085, 1023, 1151, 1031 and 1241; ``iemocap6`` has 7380; both want ``data.other_labels: drop``.

    The speaker is the letter behind the last underscore: in Ses01F_impro01_M003 the man speaks, and Ses01F only
    names who wore the markers. Published lists that take the first letter mix the two up.

    ``votes`` count the emotions that each annotator named, several at times; the speakers' own judgement (C-F1,
    C-M1) is in ``extra`` as ``self``. ``valence``, ``arousal`` and ``dominance`` are means of the annotators, 1 to
    5. ``turn`` counts by time over both speakers. ``extra`` further holds ``improvised``, and ``turn_from`` and
    ``turn_to`` in seconds of the dialogue. Transcripts keep the owners' marks, as [LAUGHTER]. Actors repeat
    scripts with each other, so sentences recur between sessions.

    Args:
        root: the folder that holds Session1 to Session5, absolute or below the current folder or ``EMOLLM_DATA``.
    """

    name = "iemocap"

    def read(self) -> UtteranceTable:
        """Every turn, by session, dialogue and time.

        Raises:
            UserError: when there are no evaluations below the root; with every line that is no turn or has an
                unknown label, naming file and line.
        """
        folder = self.folder()
        evaluations, transcriptions = _dialogues(folder)
        if not evaluations:
            raise UserError(
                f"{self.name}: there is no Session1/dialog/EmoEvaluation/Ses….txt below {folder}: "
                f"{or_unpack(folder, 'point root at the folder that holds Session1 to Session5')}."
            )
        faults = Faults()
        texts: dict[str, str] = {}
        odd: list[str] = []
        astray: list[str] = []
        foreign: list[str] = []
        contradicted: list[tuple[str, str]] = []
        for file in transcriptions:
            with faults.gather():
                for where, turn_id, text in _texts(file, odd, foreign):
                    if not keep_first(texts, turn_id, text):
                        contradicted.append((where, turn_id))
        # A file system may have changed the case of names, which never tells two turns apart.
        sounds = {stem.casefold(): path for stem, path in by_stem(sound_files(folder)).items()}
        heard = any(_SOUND.fullmatch(stem) for stem in sounds)
        rows: list[Utterance] = []
        for file in evaluations:
            with faults.gather():
                turns = sorted(_turns(file, faults, astray, foreign), key=lambda turn: (turn.start, turn.id))
                for position, turn in enumerate(turns):
                    path = file.parent.parent.parent / "sentences" / "wav" / stem_of(file) / f"{turn.id}.wav"
                    # Where recordings are at all, one that is missing is for the validator to name.
                    sound = sounds.get(turn.id.casefold(), path) if heard else None
                    rows.append(_utterance(turn, position, stem_of(file), sound, texts))
        faults.check()
        tell_foreign(foreign)
        judged = {stem_of(file) for file in evaluations}
        tell_left_out(
            [stem_of(file) for file in transcriptions if stem_of(file) not in judged],
            f"{self.name}: dialogues below {folder} have a transcription and no evaluation, and are passed over",
            "restore dialog/EmoEvaluation/*.txt",
        )
        tell_left_out(
            odd,
            f"{self.name}: lines of transcriptions begin with a turn's name and are no transcript",
            f"write them as {_TEXT_EXAMPLE}",
        )
        named = {row.id for row in rows}  # not what nobody judged: breaths and overlaps share names
        tell_contradictions([where for where, turn_id in contradicted if turn_id in named], self.name)
        tell_left_out(
            astray,
            f"{self.name}: lines of evaluations are neither turns nor votes or ratings of the turn above, and are "
            "left out",
            f"write turns as {_EXAMPLE}, votes as {_VOTE_EXAMPLE}",
        )
        tell_left_out(
            [row.id for row in rows if row.transcript is None] if texts else [],
            f"{self.name}: turns have no transcript below {folder}",
            "restore dialog/transcriptions/*.txt and their lines",
        )
        tell_left_out(
            [f"{row.id} in {row.dialogue}.txt" for row in rows if not _is_of(row)],
            f"{self.name}: turns are in another dialogue's evaluation than their names, which tell session and "
            "speaker, say",
            "correct their names",
        )
        self._tell(rows, sounds, folder)
        return UtteranceTable(rows)

    def _tell(self, rows: list[Utterance], sounds: dict[str, Path], folder: Path) -> None:
        """Warn of recordings that nobody judged, and of votes for what is no emotion."""
        if sounds and all(row.path is None for row in rows):
            warnings.warn(
                f"{self.name}: the sound files below {folder} are not of single turns, so it is read as text: "
                "restore sentences/wav.",
                stacklevel=3,
            )
        if _PUBLISHED * FEW < len(rows) < _PUBLISHED:
            warnings.warn(
                f"{self.name}: {len(rows)} of the {_PUBLISHED} turns that the corpus has are judged below "
                f"{folder}: restore the others, or say so with your results.",
                stacklevel=3,
            )
        if len(rows) < _PUBLISHED:
            tell_left_out(archives(folder), f"{self.name}: archives below {folder} are not read", "unpack them")
        judged = {row.id.casefold() for row in rows}
        tell_left_out(
            [
                path.relative_to(folder).as_posix()
                for stem, path in sorted(sounds.items())
                if _SOUND.fullmatch(stem) and stem not in judged
            ],
            f"{self.name}: recordings below {folder} are in no evaluation and are passed over",
            "restore dialog/EmoEvaluation/*.txt",
        )
        tell_left_out(
            [
                path.relative_to(folder).as_posix()
                for stem, path in sorted(sounds.items())
                if not _SOUND.fullmatch(stem) and (_SOUND.match(stem) or _is_among_turns(path.relative_to(folder)))
            ],
            f"{self.name}: recordings below {folder} are not named as turns and are passed over",
            "name them like Ses01F_impro01_F000.wav if they belong to the corpus",
        )
        tell_left_out(
            [f"'{word}' of {row.id}" for row in rows for word in row.votes or {} if word not in EMOTIONS],
            f"{self.name}: votes in dialog/EmoEvaluation are for no known emotion and kept as they are",
            "correct their spelling",
        )


def _is_of(row: Utterance) -> bool:
    """Whether a turn is named as one of the dialogue it is in."""
    return row.id.casefold().startswith(f"{row.dialogue}_".casefold())


def _is_among_turns(path: Path) -> bool:
    """Whether a sound file lies where the owners put recordings of single turns, not those of whole dialogues."""
    return "sentences" in (name.casefold() for name in parts_of(path)[:-1])


def _dialogues(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of evaluations and those of transcriptions, each dialogue once, in order."""
    found: dict[str, list[Path]] = {"emoevaluation": [], "transcriptions": []}
    for path in visible_files(folder):
        names = parts_of(path.absolute())
        if _DIALOGUE.fullmatch(names[-1]) and names[-2].casefold() in found:
            found[names[-2].casefold()].append(path)
    once = {kind: by_stem(paths) for kind, paths in found.items()}
    copies = [(once[kind][stem_of(path)], path) for kind, paths in found.items() for path in paths]
    copies = [(first, other) for first, other in copies if other is not first]
    differing = [f"{first} and not {other}" for first, other in copies if not same_content(first, other)]
    tell_left_out(
        differing,
        f"{Iemocap.name}: of files that have one name and different content the first is read",
        "remove one of the two",
    )
    if len(copies) > len(differing):
        warnings.warn(
            f"{Iemocap.name}: {len(copies) - len(differing)} files below {folder} have the name of another one; "
            "the first of each name is used.",
            stacklevel=3,
        )
    evaluations, transcriptions = ([paths[name] for name in sorted(paths)] for paths in once.values())
    return evaluations, transcriptions


def _utterance(turn: _Turn, position: int, dialogue: str, path: Path | None, texts: dict[str, str]) -> Utterance:
    number, letter = int(turn.id[3:5]), turn.id.rpartition("_")[2][0]
    return Utterance(
        id=turn.id,
        path=path,
        transcript=texts.get(turn.id) or None,
        label=_LABELS[turn.label],
        speaker=f"Ses{number:02}{letter}",
        corpus=Iemocap.name,
        session=f"Session{number}",
        language="en",
        gender={"F": "female", "M": "male"}.get(letter),
        dialogue=dialogue,
        turn=position,
        votes=dict(turn.votes) or None,
        valence=turn.valence,
        arousal=turn.arousal,
        dominance=turn.dominance,
        extra={
            "improvised": "impro" in dialogue.casefold(),
            "self": ", ".join(turn.own) or None,
            "turn_from": turn.start,
            "turn_to": turn.end,
        },
    )


def _turns(file: Path, faults: Faults, astray: list[str], foreign: list[str]) -> list[_Turn]:
    """The turns of a dialogue with their votes; lines that are nothing known are added to ``astray``.

    What stands below such a line may be of a turn whose own line it was, so it is not given to the turn above.
    """
    turns: list[_Turn] = []
    current: _Turn | None = None
    known = len(faults.found)
    for number, line in enumerate(read_text(file, foreign=foreign).split("\n"), 1):
        line = line.strip()
        where = f"{file}, line {number}"
        if line.startswith("[") or (_SOUND.search(line) and not line.startswith("%")):
            current = turn = _turn(line)
            if turn is None:
                faults.add(f"{where}: '{line:.60}' is no turn, which looks like {_EXAMPLE}.")
            elif turn.label not in _LABELS:
                faults.add(f"{where}: {turn.id} is labelled '{turn.label}', none of {', '.join(_LABELS)}.")
            elif not all(_SCALE[0] <= v <= _SCALE[1] for v in (turn.valence, turn.arousal, turn.dominance)):
                faults.add(
                    f"{where}: {turn.id} has a valence, arousal or dominance that is not from 1 to 5: correct it."
                )
            else:
                turns.append(turn)
        elif line.startswith("%") and _SOUND.search(line):  # a turn that somebody took out, with its votes
            current = None
            astray.append(where)
        elif not line or line.startswith("%") or _RATED.match(line):
            continue
        elif current is not None and (judged := _JUDGED.match(line)):
            emotions = [canonical(word) for word in judged["emotions"].split(";") if word.strip()]
            if judged["who"] == "E":
                current.votes.update(dict.fromkeys(emotions, 1.0))
            else:
                current.own += emotions
        else:
            astray.append(where)
            current = current if _BELONGS.match(line) else None
    if not turns and len(faults.found) == known:
        faults.add(f"{file} holds no turns, as {_EXAMPLE}.")
    return turns


def _turn(line: str) -> _Turn | None:
    match = _TURN.match(line)
    try:
        start, end, v, a, d = (float(match[name]) for name in ("start", "end", "v", "a", "d")) if match else ()
    except ValueError:  # no turn, or two points in a number
        return None
    return _Turn(start, end, match["id"], match["label"].lower(), v, a, d)


def _texts(file: Path, odd: list[str], foreign: list[str]) -> Iterator[tuple[str, str, str]]:
    """Place, turn and transcript; what begins as a turn and goes on otherwise is added to ``odd``."""
    for number, line in enumerate(read_text(file, foreign=foreign).split("\n"), 1):
        match, where = _TEXT.match(line.strip()), f"{file}, line {number}"
        if match:
            yield where, match["id"], mend(match["text"])
        elif _SOUND.match(line.strip()):
            odd.append(where)
