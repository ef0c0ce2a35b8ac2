"""ASED: Amharic sentences, spoken by 65 speakers in five emotions."""

from __future__ import annotations

import re
from typing import Any

from emollm.data.corpora.base import FileNameCorpus

_LABELS = {"n": "neutral", "f": "fear", "h": "happy", "s": "sad", "a": "angry"}


class Ased(FileNameCorpus):
    """The Amharic Speech Emotion Dataset (Retta et al. 2023, doi:10.1145/3529759; github.com/Ethio2021/ASED_V1).

    Free for research. 2474 recordings of 65 speakers (25 women, 40 men): 522 neutral, 510 fear, 486 angry, 486
    happy and 470 sad. No official split, no transcripts.

    Read as ``05Angry/a5-01-01-01-01.wav``: emotion, sentence, repetition, gender (01 woman, 02 man), speaker.
    Sentence 01 of one emotion is another sentence than 01 of the next: **each sentence belongs to one emotion**,
    so a model that reads transcripts can score perfectly; ``sentence`` is emotion and number. Known faults: one
    file is named with a capital (S4-…), and five speakers have recordings of both genders.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "ased"
    language = "am"
    published = 2474
    pattern = re.compile(
        r"(?P<emotion>[A-Za-z]+)\d-(?P<sentence>\d\d)-(?P<take>\d\d)-(?P<gender>\d\d)-(?P<speaker>\d\d)"
    )
    example = "a5-01-01-01-01.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Emotion, sentence, repetition, gender, speaker."""
        emotion = match["emotion"].lower()
        return {
            "label": _LABELS.get(emotion, emotion),
            "sentence": f"{emotion}{match['sentence']}",
            "speaker": match["speaker"],
            "gender": {"01": "female", "02": "male"}.get(match["gender"]),
            "extra": {"repetition": int(match["take"])},
        }
