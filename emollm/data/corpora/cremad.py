"""CREMA-D: twelve sentences, spoken by 91 actors in six emotions, and judged by a crowd."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from emollm.data.corpora.base import FileNameCorpus
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import find_table, tell_left_out
from emollm.data.corpora.rows import keep_first, read_number, read_rows, tell_contradictions
from emollm.data.utterance import Utterance, UtteranceTable

_LABELS = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_VOTES = {label[0].upper(): label for label in _LABELS.values()}
_NAMELESS = re.compile(r"(unnamed: \d+)?")  # columns without a name, as the owners or pandas write them
_OTHERS = re.compile(r"[23]\d{5}(\.0)?")  # rows of the face, and of both
_AGE = re.compile(r"(\d{1,3})(\.0+)?")  # pandas writes whole numbers as 12.0 where some are missing
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": None, "X": None}
_SEXES = ("male", "female")
_SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}


class CremaD(FileNameCorpus):
    """The Crowd-sourced Emotional Multimodal Actors Dataset (Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244).

    7442 recordings from github.com/CheyneyComputerScience/CREMA-D (Open Database License): 91 actors, 12
    sentences; 1271 each of angry, disgust, fear, happy and sad, 1087 neutral. The label is the emotion that was
    acted. Every sentence is spoken in every emotion, so the transcript tells nothing.

    ``votes`` are what the crowd heard in the voice alone, from ``tabulatedVotes.csv`` (its rows 1…, not those of
    the face, 2…, nor of both, 3…); else from the ``VoiceVote`` of ``summaryTable.csv``, where emotions that tied
    share one vote. The crowd heard neutral in half of all recordings, so votes and labels differ much.

    ``VideoDemographics.csv`` gives gender, and ``extra`` ``age``, ``race``, ``ethnicity``; ``extra`` further holds
    ``intensity`` (low, medium, high; for the sentence IEO only). The tables may lie anywhere below the root. Known
    faults: 1076_MTI_SAD_XX is silent, 1064_IEO_DIS_MD lasts a minute and 1064_TIE_SAD_XX does not play (issue 8);
    a plain copy of the repository holds Git LFS pointers for sound files.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "cremad"
    language = "en"
    published = 7442
    speakers = tuple(f"{number}" for number in range(1001, 1092))
    codes = {"sentence": _SENTENCES, "level": _LEVELS}
    pattern = re.compile(
        r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]+)_(?P<level>[A-Z]{1,2})", re.IGNORECASE
    )
    example = "1001_DFA_ANG_XX.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Actor, sentence, emotion, intensity."""
        part = {name: value.upper() for name, value in match.groupdict().items()}
        return {
            "id": _clip(match[0]),
            "label": _LABELS.get(part["emotion"], part["emotion"]),
            "transcript": _SENTENCES.get(part["sentence"]),
            "sentence": part["sentence"],
            "speaker": part["actor"],
            "extra": {"intensity": _LEVELS.get(part["level"], part["level"])},
        }

    def read(self) -> UtteranceTable:
        """Every recording once, sorted by name, with votes and actors where their tables are there.

        Raises:
            UserError: when no file is named as the corpus names its files, or a table has faults.
        """
        table = super().read()
        folder = self.folder()
        faults = Faults()
        votes = _read_votes(folder, faults)
        actors = _read_actors(folder, faults)
        faults.check()
        unheard = [row.id for row in table if votes and row.id not in votes]
        tell_left_out(
            unheard,
            f"{self.name}: recordings below {folder} are in no table of votes",
            "correct the recordings' names, or restore the tables' rows",
        )
        heard = set(table.values("speaker"))
        tell_left_out(
            [actor for actor in self.speakers if actor in heard and actor not in actors] if actors else [],
            f"{self.name}: actors are not in VideoDemographics.csv below {folder}, so nothing is known of them",
            "restore the table's rows",
        )
        tell_left_out(
            [f"{name} {actor['gender']}" for name, actor in actors.items() if actor["gender"] not in _SEXES],
            f"{self.name}: words under Sex in VideoDemographics.csv are neither Male nor Female",
            "correct their spelling",
        )
        there = set(table.values("id"))
        tell_left_out(
            [name for name in votes if name not in there],
            f"{self.name}: recordings that the tables of votes name are not below {folder}",
            "restore them, or go on without",
        )

        def add(row: Utterance) -> Utterance:
            actor = actors.get(row.speaker or "", {})
            facts = {name: actor.get(name) for name in ("age", "race", "ethnicity")} if actors else {}
            return replace(row, votes=votes.get(row.id), gender=actor.get("gender"), extra=row.extra | facts)

        return table.map(add)


def _clip(name: str) -> str:
    """A recording's name in the tables: some releases have one file end in _X that they call _XX."""
    name = PurePath(name.upper()).stem
    return f"{name}X" if name.endswith("_X") else name


def _read_votes(folder: Path, faults: Faults) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    mixed: list[str] = []
    with faults.gather():
        if file := find_table(folder, "tabulatedVotes.csv"):
            for line, row in read_rows(file, ("filename", *(code.lower() for code in _VOTES)), faults):
                # The first digit of a row's name is what was shown: 1 voice, 2 face, 3 both.
                if any(_OTHERS.fullmatch(cell) for name, cell in row.items() if _NAMELESS.fullmatch(name)):
                    continue
                try:
                    counts = {label: read_number(row[code.lower()]) for code, label in _VOTES.items()}
                    if any(count is not None and count < 0 for count in counts.values()):
                        raise ValueError
                except ValueError:
                    faults.add(
                        f"{file}, line {line}: the counts of votes (A, D, F, H, N, S) must be numbers, none of "
                        "them below 0."
                    )
                    continue
                voted = {label: count for label, count in counts.items() if count}
                if voted and found.setdefault(_clip(row["filename"]), voted) != voted:
                    mixed.append(f"line {line}")
        tell_left_out(
            mixed,
            f"{CremaD.name}: {file} has several rows of one recording, and nothing tells which is of the voice; "
            "the first is used",
            "keep the column without a name, as the owners have it",
        )
    majority: dict[str, dict[str, float]] = {}
    contradicted: list[str] = []
    with faults.gather():
        if file := find_table(folder, "summaryTable.csv"):
            for line, row in read_rows(file, ("filename", "voicevote"), faults):
                tied = [code.strip().upper() for code in row["voicevote"].split(":")]
                if not set(tied) <= set(_VOTES):
                    faults.add(
                        f"{file}, line {line}: VoiceVote is '{row['voicevote']}', none of {', '.join(_VOTES)}."
                    )
                    continue
                voted = {_VOTES[code]: 1 / len(tied) for code in tied}
                if not keep_first(majority, _clip(row["filename"]), voted):
                    contradicted.append(f"{file}, line {line}")
    tell_contradictions(contradicted, CremaD.name)
    if found:
        tell_left_out(
            sorted(set(majority) - set(found)),
            f"{CremaD.name}: recordings have no counts in tabulatedVotes.csv, and the majority's choice in "
            "summaryTable.csv stands for all of their votes",
            "complete tabulatedVotes.csv",
        )
    return majority | found


def _read_actors(folder: Path, faults: Faults) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    contradicted: list[str] = []
    ageless: list[str] = []
    with faults.gather():
        if file := find_table(folder, "VideoDemographics.csv"):
            for line, row in read_rows(file, ("actorid", "age", "sex"), faults):
                age = _AGE.fullmatch(row["age"])
                if row["age"] and not age:
                    ageless.append(f"{row['actorid']} {row['age']}")
                actor = {
                    "gender": row["sex"].lower() or None,
                    "age": int(age[1]) if age else None,
                    "race": row.get("race") or None,
                    "ethnicity": row.get("ethnicity") or None,
                }
                if not keep_first(found, row["actorid"], actor):
                    contradicted.append(f"{file}, line {line}")
    tell_contradictions(contradicted, CremaD.name)
    tell_left_out(
        ageless,
        f"{CremaD.name}: ages in VideoDemographics.csv below {folder} are no whole numbers and count as unknown",
        "correct them",
    )
    return found
