"""EMOVO: fourteen Italian sentences, spoken by six actors in seven emotions."""

from __future__ import annotations

import re
from typing import Any

from emollm.data.corpora.base import FileNameCorpus

_LABELS = {
    "dis": "disgust",
    "gio": "happy",
    "neu": "neutral",
    "pau": "fear",
    "rab": "angry",
    "sor": "surprise",
    "tri": "sad",
}
_SENTENCES = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna: nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato... ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}
_AGES = {"m1": 30, "m2": 27, "m3": 30, "f1": 28, "f2": 23, "f3": 25}


class Emovo(FileNameCorpus):
    """EMOVO (Costantini et al. 2014, LREC; free for research).

    588 recordings, 84 each of angry, disgust, fear, happy, neutral, sad and surprise. Three women and three men
    speak 14 sentences (some of them nonsense, n1 to n5) in every emotion, so the transcript tells nothing.

    Read as ``f1/dis-f1-b1.wav``: emotion, speaker, sentence. ``extra`` holds ``age`` in years.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "emovo"
    language = "it"
    published = 588
    speakers = _AGES.keys()
    speaker_folder = re.compile(r"([mf]\d)", re.IGNORECASE)
    codes = {"sentence": _SENTENCES}
    pattern = re.compile(r"(?P<emotion>[a-z]+)-(?P<speaker>[mf]\d)-(?P<sentence>[a-z]\d)", re.IGNORECASE)
    example = "dis-f1-b1.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Emotion, speaker, sentence."""
        part = {name: value.lower() for name, value in match.groupdict().items()}
        return {
            "id": match[0].lower(),
            "label": _LABELS.get(part["emotion"], part["emotion"]),
            "transcript": _SENTENCES.get(part["sentence"]),
            "sentence": part["sentence"],
            "speaker": part["speaker"],
            "gender": {"m": "male", "f": "female"}[part["speaker"][0]],
            "extra": {"age": _AGES.get(part["speaker"])},
        }
