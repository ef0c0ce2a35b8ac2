"""ASED: Amharic sentences, spoken by 65 speakers in five emotions."""

from __future__ import annotations

import re
from typing import Any

from emollm.data.corpora.base import FileNameCorpus

_LABELS = {"n": "neutral", "f": "fear", "h": "happy", "s": "sad", "a": "angry"}
_DIGITS = {"n": "1", "f": "2", "h": "3", "s": "4", "a": "5"}  # the emotion once more
_COMMON = ("01", "02")  # spoken in every emotion
_GENDERS = {"01": "female", "02": "male"}


class Ased(FileNameCorpus):
    """The Amharic Speech Emotion Dataset (Retta et al. 2023, doi:10.1145/3529759; github.com/Ethio2021/ASED_V1).

    Free for research. 2474 recordings of 65 speakers (25 women, 40 men): 522 neutral, 510 fear, 486 angry, 486
    happy and 470 sad. No official split, no transcripts.

    Read as ``05Angry/a5-01-01-01-01.wav``: emotion, sentence, repetition, gender (01 woman, 02 man), speaker.
    Sentences 01 and 02 are spoken in every emotion (624 recordings). Of the others **each belongs to one
    emotion**, 03 of one being another sentence than 03 of the next, so a model that reads transcripts can score
    almost perfectly; their ``sentence`` is emotion and number. Known faults: one file is named with a capital
    (S4-…), and five speakers have recordings of both genders.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "ased"
    language = "am"
    published = 2474
    speakers = tuple(f"{number:02}" for number in range(1, 66))
    codes = {
        "sentence": tuple(f"{number:02}" for number in range(1, 8)),
        "take": ("01", "02"),
        "gender": _GENDERS,
    }
    pattern = re.compile(
        r"(?P<emotion>[A-Za-z]+)(?P<digit>\d)-(?P<sentence>\d\d)-(?P<take>\d\d)-(?P<gender>\d\d)-(?P<speaker>\d\d)"
    )
    example = "a5-01-01-01-01.wav"

    def unknown_codes(self, match: re.Match[str]) -> list[str]:
        """Also a digit that is another emotion's than the letter before it."""
        letter, digit = match["emotion"].lower(), match["digit"]
        other = _DIGITS.get(letter, digit) != digit
        return super().unknown_codes(match) + ([f"digit {digit} behind {letter}"] if other else [])

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Emotion, sentence, repetition, gender, speaker."""
        emotion = match["emotion"].lower()
        return {
            "label": _LABELS.get(emotion, emotion),
            "sentence": match["sentence"] if match["sentence"] in _COMMON else f"{emotion}{match['sentence']}",
            "speaker": match["speaker"],
            "gender": _GENDERS.get(match["gender"]),
            "extra": {"repetition": int(match["take"])},
        }
