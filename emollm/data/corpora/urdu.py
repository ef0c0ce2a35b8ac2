"""URDU: clips of Urdu talk shows in four emotions."""

from __future__ import annotations

import re
from typing import Any

from emollm.data.corpora.base import FileNameCorpus

_LABELS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}


class Urdu(FileNameCorpus):
    """URDU (Latif et al. 2018, FIT, arXiv 1812.10411; github.com/siddiquelatif/URDU-Dataset, for research only).

    400 recordings, 100 each of angry, happy, neutral and sad, from talk shows, without transcripts. The owners
    speak of 38 speakers (27 men, 11 women); the file names tell 29 apart.

    Read as ``Angry/SM1_F10_A010.wav``: S, gender and number of the speaker, number of the file, emotion and its
    count.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "urdu"
    language = "ur"
    published = 400
    pattern = re.compile(
        r"(?P<speaker>S(?P<gender>[MF])\d+)_F(?P<file>\d+)_(?P<emotion>[A-Z]+)(?P<number>\d+)", re.IGNORECASE
    )
    example = "SM1_F10_A010.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Speaker, file, emotion."""
        part = {name: value.upper() for name, value in match.groupdict().items()}
        return {
            "id": match[0].upper(),
            "label": _LABELS.get(part["emotion"], part["emotion"]),
            "speaker": part["speaker"],
            "gender": {"M": "male", "F": "female"}[part["gender"]],
        }
