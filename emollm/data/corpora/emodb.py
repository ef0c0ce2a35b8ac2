"""EmoDB: ten German sentences, spoken by ten actors in seven emotions."""

from __future__ import annotations

import re
from typing import Any

from emollm.data.corpora.base import FileNameCorpus

# The German words' initials: Wut (anger), Langeweile, Ekel, Angst, Freude, Trauer, neutral.
_LABELS = {
    "W": "angry",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    # The owners' list prints "Stück Papier"; their own labels of syllables, and the recordings, have "Blatt".
    "a05": "Das schwarze Blatt Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
_SPEAKERS = {
    "03": ("male", 31),
    "08": ("female", 34),
    "09": ("female", 21),
    "10": ("male", 32),
    "11": ("male", 26),
    "12": ("male", 30),
    "13": ("female", 32),
    "14": ("female", 35),
    "15": ("male", 25),
    "16": ("female", 31),
}


class Emodb(FileNameCorpus):
    """The Berlin Database of Emotional Speech (Burkhardt et al. 2005, Interspeech).

    535 recordings: 10 speakers, 10 sentences, 7 emotions. Every sentence is spoken in every emotion, so the
    transcript tells nothing. The literature reports leave-one-speaker-out (``LeaveOneSpeakerOut``).

    ``extra`` holds ``age`` in years and ``version``, the letter that tells takes of the same sentence apart.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "emodb"
    language = "de"
    published = 535
    speakers = _SPEAKERS.keys()
    codes = {"sentence": _SENTENCES}
    pattern = re.compile(
        r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[A-Z])(?P<version>[a-z]?)", re.IGNORECASE
    )
    example = "03a01Fa.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Speaker, sentence, emotion, version."""
        part = {name: value.lower() for name, value in match.groupdict().items()}
        part["emotion"] = part["emotion"].upper()
        gender, age = _SPEAKERS.get(part["speaker"], (None, None))
        return {
            "id": "".join(part.values()),
            "label": _LABELS.get(part["emotion"], part["emotion"]),
            "transcript": _SENTENCES.get(part["sentence"]),
            "sentence": part["sentence"],
            "speaker": part["speaker"],
            "gender": gender,
            "extra": {"age": age, "version": part["version"] or None},
        }
