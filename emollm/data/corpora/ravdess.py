"""RAVDESS: two sentences, spoken by 24 actors in eight emotions."""

from __future__ import annotations

import re
from typing import Any

from emollm.data.corpora.base import FileNameCorpus

_LABELS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_INTENSITIES = {"01": "normal", "02": "strong"}
# The actors of each test fold of EmoBox (emo-box/EmoBox, data/ravdess/fold_*).
_EMOBOX_FOLDS = {
    1: ("01", "11", "20", "21"),
    2: ("04", "10", "12", "14"),
    3: ("08", "09", "19", "23"),
    4: ("03", "05", "07", "24"),
    5: ("02", "15", "16", "18"),
    6: ("06", "13", "17", "22"),
}
_FOLD_OF = {actor: fold for fold, actors in _EMOBOX_FOLDS.items() for actor in actors}


class Ravdess(FileNameCorpus):
    """The speech recordings of RAVDESS (Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391).

    1440 recordings: 24 actors (odd numbers are men), 2 sentences, 2 repetitions, 8 emotions in 2 intensities,
    neutral in one. Songs and videos below the root are passed over. Every sentence is spoken in every emotion, so
    the transcript tells nothing. 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are the same recording.

    ``extra`` holds ``intensity`` (normal, strong), ``repetition`` (1, 2) and ``emobox_fold`` (1 to 6, by actor).

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "ravdess"
    language = "en"
    published = 1440
    speakers = _FOLD_OF.keys()
    speaker_folder = re.compile(r"Actor_(\d\d)", re.IGNORECASE)
    codes = {
        "modality": ("01", "02", "03"),  # sound and picture, picture, sound
        "channel": ("01", "02"),  # spoken, sung
        "intensity": _INTENSITIES,
        "sentence": _SENTENCES,
        "repetition": ("01", "02"),
    }
    pattern = re.compile(
        r"(?P<modality>\d\d)-(?P<channel>\d\d)-(?P<emotion>[0-9A-Za-z]+)-(?P<intensity>\d\d)-(?P<sentence>\d\d)"
        r"-(?P<repetition>\d\d)-(?P<actor>\d\d)"
    )
    example = "03-01-06-01-02-01-12.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any] | None:
        """Modality, channel, emotion, intensity, statement, repetition, actor."""
        part = match.groupdict()
        if (part["modality"], part["channel"]) != ("03", "01"):  # with a picture, or sung
            return None
        return {
            "label": _LABELS.get(part["emotion"], part["emotion"]),
            "transcript": _SENTENCES.get(part["sentence"]),
            "sentence": part["sentence"],
            "speaker": part["actor"],
            "gender": "male" if int(part["actor"]) % 2 else "female",
            "extra": {
                "intensity": _INTENSITIES.get(part["intensity"], part["intensity"]),
                "repetition": int(part["repetition"]),
                "emobox_fold": _FOLD_OF.get(part["actor"]),
            },
        }
