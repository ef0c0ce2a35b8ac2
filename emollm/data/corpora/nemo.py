"""nEMO: ninety Polish sentences, spoken by nine actors in six emotions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from emollm.data.corpora.base import FileNameCorpus
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import find_table, stem_of, tell_left_out
from emollm.data.corpora.rows import keep_first, mend, read_rows, tell_contradictions
from emollm.data.corpora.text import POLISH
from emollm.data.labels import canonical
from emollm.data.utterance import Utterance, UtteranceTable

_SPEAKERS = {
    "EB0": ("female", 27),
    "IC0": ("female", 28),
    "KD0": ("female", 28),
    "KS0": ("male", 23),
    "MK0": ("female", 23),
    "MP0": ("male", 24),
    "SM0": ("male", 24),
    "TP0": ("male", 26),
    "WR0": ("male", 23),
}


class Nemo(FileNameCorpus):
    """nEMO (Christop 2024, LREC-COLING; github.com/amu-cai/nEMO, CC BY-NC-SA 4.0).

    4481 recordings: 809 neutral, 769 sad, 749 angry, 749 happy, 736 fear, 669 surprise. 9 speakers, 90 sentences,
    each in every emotion, so the transcript tells nothing. MK0 has no surprise, MP0 256 recordings. There is no
    official split.

    The file name tells speaker, emotion and sentence; ``data.tsv`` beside ``samples/`` gives the transcripts.
    ``extra`` holds ``age`` in years.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "nemo"
    language = "pl"
    published = 4481
    speakers = _SPEAKERS.keys()
    codes = {"sentence": tuple(f"{number}" for number in range(1, 91))}
    pattern = re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>[A-Z]+)_(?P<sentence>\d+)", re.IGNORECASE)
    example = "SM0_anger_77.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Speaker, emotion, sentence."""
        part = match.groupdict()
        speaker = part["speaker"].upper()
        gender, age = _SPEAKERS.get(speaker, (None, None))
        return {
            "label": canonical(part["emotion"]),
            "sentence": part["sentence"],
            "speaker": speaker,
            "gender": gender,
            "extra": {"age": age},
        }

    def read(self) -> UtteranceTable:
        """Every recording once, sorted by name, with its transcript where ``data.tsv`` is there.

        A row of it without a recording is told, and left out.

        Raises:
            UserError: when no file is named as the corpus names its files, or ``data.tsv`` has faults.
        """
        faults = Faults()
        file = find_table(self.folder(), "data.tsv")
        rows = read_rows(file, ("file_id", "raw_text"), faults, POLISH) if file else []
        faults.check()
        said: dict[str, tuple[str, str]] = {}
        tell_contradictions(
            [
                f"{file}, line {line}"
                for line, row in rows
                if not keep_first(
                    said,
                    stem_of(Path(row["file_id"])).casefold(),
                    (mend(row["raw_text"]), canonical(row.get("emotion", ""))),
                )
            ],
            self.name,
        )
        texts = {name: text for name, (text, _) in said.items()}
        table = super().read()
        heard = {row.id.casefold() for row in table}
        unheard = [row["file_id"] for _, row in rows if stem_of(Path(row["file_id"])).casefold() not in heard]
        tell_left_out(unheard, f"{self.name}: rows of {file} name recordings that are not there", "restore them")
        tell_left_out(
            [row.id for row in table if not texts.get(row.id.casefold())] if file else [],
            f"{self.name}: recordings are in no row of {file} that has a text, and have no transcript",
            "restore the table's rows, or correct the recordings' names",
        )
        labels = {row.id.casefold(): row.label for row in table}
        others = [
            f"line {line}: {row['file_id']} is {row['emotion']}"
            for line, row in rows
            if row.get("emotion")
            and labels.get(stem_of(Path(row["file_id"])).casefold(), "") not in ("", canonical(row["emotion"]))
        ]
        tell_left_out(
            others,
            f"{self.name}: rows of {file} have another emotion than their file's name, and the name counts",
            "correct one of the two",
        )

        def add(row: Utterance) -> Utterance:
            return replace(row, transcript=texts.get(row.id.casefold()) or None)

        return table.map(add)
