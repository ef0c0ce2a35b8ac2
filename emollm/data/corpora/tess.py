"""TESS: two hundred words in a carrier sentence, spoken by two women in seven emotions."""

from __future__ import annotations

import re
from typing import Any

from emollm.data.corpora.base import FileNameCorpus
from emollm.data.labels import canonical

_AGES = {"OAF": 64, "YAF": 26}


class Tess(FileNameCorpus):
    """The Toronto Emotional Speech Set (Pichora-Fuller and Dupuis 2020, doi:10.5683/SP2/E8H2MF, CC BY-NC-ND 4.0).

    2800 recordings, 400 each of angry, disgust, fear, happy, neutral, sad and surprise (ps, "pleasant surprise").
    Two women say "Say the word …" with 200 words in every emotion, so the transcript tells nothing.

    With two speakers, speaker-independent means training on one voice; scores near 100 % come from splits that
    share both. OA_bite_neutral lacks the F of its speaker, and a popular mirror holds every file twice; both are
    put right. ``extra`` holds ``age`` in years.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "tess"
    language = "en"
    published = 2800
    speakers = _AGES.keys()
    speaker_folder = re.compile(r"([OY]AF)_.*", re.IGNORECASE)
    pattern = re.compile(r"(?P<speaker>[OY]AF?)_(?P<word>[A-Z]+)_(?P<emotion>[A-Z_ ]+)", re.IGNORECASE)
    example = "OAF_back_angry.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Speaker, word, emotion."""
        part = match.groupdict()
        speaker = f"{part['speaker'].upper()[:2]}F"
        return {
            "id": f"{speaker}_{part['word']}_{part['emotion']}",
            "label": canonical(part["emotion"]),
            "transcript": f"Say the word {part['word']}",
            "sentence": part["word"],
            "speaker": speaker,
            "gender": "female",
            "extra": {"age": _AGES[speaker]},
        }
