"""SAVEE: four Englishmen, fifteen sentences an emotion, seven emotions."""

from __future__ import annotations

import re

from emollm.data.audio import find_sound_files
from emollm.data.corpora.base import Corpus
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_LABELS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
_SPEAKERS = ("DC", "JE", "JK", "KL")
_NAME = re.compile(rf"(?:(?P<speaker>{'|'.join(_SPEAKERS)})_)?(?P<emotion>[a-z]{{1,2}})(?P<number>\d\d)")


class Savee(Corpus):
    """Surrey Audio-Visual Expressed Emotion (Haq and Jackson 2009, AVSP; kahlan.eps.surrey.ac.uk/savee).

    On request, for research. 480 recordings of 4 men: 120 neutral and 60 each of angry, disgust, fear, happy, sad
    and surprise. The owners pack ``AudioData/DC/a01.wav``; mirrors rename it ``DC_a01.wav``. Both are read, and
    the id is ``DC_a01`` either way.

    ``sentence`` is emotion and number (``d03`` is the third disgust sentence): all speakers read the same list,
    and most of its sentences belong to one emotion alone, so a model that reads transcripts can exploit them.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "savee"

    def read(self) -> UtteranceTable:
        """Every recording once, sorted by name.

        Raises:
            UserError: when no file is named as the corpus names its files.
        """
        folder = self.folder()
        files = find_sound_files(folder)
        rows: dict[str, Utterance] = {}
        for path in files:
            match = _NAME.fullmatch(path.stem)
            speaker = match and (match["speaker"] or path.parent.name)
            if match is None or speaker not in _SPEAKERS:
                continue
            sentence = f"{match['emotion']}{match['number']}"
            rows.setdefault(
                f"{speaker}_{sentence}",
                Utterance(
                    id=f"{speaker}_{sentence}",
                    path=path,
                    label=_LABELS.get(match["emotion"], match["emotion"]),
                    sentence=sentence,
                    speaker=speaker,
                    corpus=self.name,
                    language="en",
                    gender="male",
                ),
            )
        if not rows:
            raise UserError(
                f"{self.name}: none of the {len(files)} sound files below {folder} is named like DC/a01.wav or "
                "DC_a01.wav: point root at the folder of the corpus."
            )
        return UtteranceTable(rows[name] for name in sorted(rows))
