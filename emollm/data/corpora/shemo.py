"""ShEMO: Persian radio plays in six emotions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from emollm.data.corpora.base import FileNameCorpus
from emollm.data.corpora.rows import mend
from emollm.data.corpora.text import read_text
from emollm.data.utterance import Utterance, UtteranceTable

_LABELS = {"A": "angry", "F": "fear", "H": "happy", "N": "neutral", "S": "sad", "W": "surprise"}


class Shemo(FileNameCorpus):
    """The Sharif Emotional Speech Database (Mohamad Nezami et al. 2019, doi:10.1007/s10579-018-9427-x).

    Free for academic use; github.com/mansourehk/ShEMO. 3000 recordings of 87 speakers (31 women, 56 men): 1059
    angry, 1028 neutral, 449 sad, 225 surprise, 201 happy and 38 fear, so few that the owners leave fear out of
    their own experiments. No official split.

    Read as ``female/F01A01.wav``: gender and number of the speaker, emotion, count. Transcripts are the ``.ort``
    files of the same name, anywhere below the root; 162 recordings have none, and 162 transcripts have no
    recording (issue 2 of the repository: files renamed after relabelling).

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "shemo"
    language = "fa"
    pattern = re.compile(r"(?P<speaker>(?P<gender>[MF])\d\d)(?P<emotion>[A-Z])(?P<number>\d\d)")
    example = "F01A01.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Gender, speaker, emotion, count."""
        return {
            "label": _LABELS.get(match["emotion"], match["emotion"]),
            "speaker": match["speaker"],
            "gender": {"M": "male", "F": "female"}[match["gender"]],
        }

    def read(self) -> UtteranceTable:
        """Every recording once, sorted by name, with its transcript where there is one.

        Raises:
            UserError: when no file is named as the corpus names its files.
        """
        texts: dict[str, Path] = {}
        for path in sorted(self.folder().rglob("*.ort")):
            texts.setdefault(path.stem, path)

        def add(row: Utterance) -> Utterance:
            return replace(row, transcript=mend(read_text(texts[row.id])) or None) if row.id in texts else row

        return super().read().map(add)
