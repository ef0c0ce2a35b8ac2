"""SAVEE: four Englishmen, fifteen sentences an emotion, seven emotions."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any

from emollm.data.corpora.base import FileNameCorpus
from emollm.data.corpora.files import stem_of
from emollm.data.folders import parts_of

_LABELS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
_COMMON = ("01", "02", "03")  # in every emotion
_SPEAKERS = ("DC", "JE", "JK", "KL")


class Savee(FileNameCorpus):
    """Surrey Audio-Visual Expressed Emotion (Haq and Jackson 2009, AVSP; kahlan.eps.surrey.ac.uk/savee).

    On request, for research. 480 recordings of 4 men: 120 neutral and 60 each of angry, disgust, fear, happy, sad
    and surprise. The owners pack ``AudioData/DC/a01.wav``; mirrors rename it ``DC_a01.wav``. Both are read, and
    the id is ``DC_a01`` either way.

    All speakers read the same lists: of an emotion's fifteen sentences three are in all lists, and the others
    belong to it alone, so a model that reads transcripts can exploit them; but twelve of these are among the
    thirty neutral ones, and nothing in the names tells which. ``sentence`` is emotion and number (``d04`` is the
    fourth disgust sentence), and the number alone for the first three, which are the common ones in MEAD's lists,
    made from SAVEE's.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "savee"
    language = "en"
    published = 480
    speakers = _SPEAKERS
    speaker_folder = re.compile(r"([A-Z]{2})", re.IGNORECASE)
    pattern = re.compile(rf"(?P<speaker>{'|'.join(_SPEAKERS)})_(?P<emotion>[A-Z]+)(?P<number>\d\d)", re.IGNORECASE)
    example = "DC/a01.wav or DC_a01.wav"

    def named(self, path: PurePath) -> str:
        """The file's name, behind the name of its folder if that is a speaker's."""
        stem = stem_of(path)
        folder = parts_of(Path(path).absolute())[-2].upper()
        return f"{folder}_{stem}" if folder in _SPEAKERS and not self.pattern.fullmatch(stem) else stem

    def unknown_codes(self, match: re.Match[str]) -> list[str]:
        """A number above that of the emotion's sentences: thirty neutral ones, fifteen of each other emotion."""
        last = 30 if match["emotion"].lower() == "n" else 15
        return [] if 1 <= int(match["number"]) <= last else [f"sentence {match['number']}"]

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Speaker, emotion, number."""
        speaker, emotion = match["speaker"].upper(), match["emotion"].lower()
        number = match["number"]
        return {
            "id": f"{speaker}_{emotion}{number}",
            "label": _LABELS.get(emotion, emotion),
            "sentence": number if number in _COMMON else f"{emotion}{number}",
            "speaker": speaker,
            "gender": "male",
        }
