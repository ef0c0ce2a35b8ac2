"""MSP-Podcast: spontaneous speech from podcasts, judged by many workers."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any, Literal

from emollm.data.audio import find_sound_files
from emollm.data.corpora.base import Corpus
from emollm.data.corpora.rows import find_files, mend, read_rows
from emollm.data.corpora.text import read_text
from emollm.data.protocols.parts import part_of
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_LABELS = {
    "A": "angry",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happy",
    "N": "neutral",
    "O": "other",
    "S": "sad",
    "U": "surprise",
    "X": None,  # no agreement
}
_COLUMNS = ("filename", "emoclass", "split_set")
_TABLES = ("labels_consensus.csv", "labels_consensus.json", "labels_concensus.csv", "labels_concensus.json")


class MspPodcast(Corpus):
    """MSP-Podcast (Lotfian and Busso 2019, doi:10.1109/TAFFC.2017.2736999).

    On request from lab-msp.com, for research. Needs ``Labels/labels_consensus.csv`` or ``.json``
    (``labels_concensus`` in early releases); recordings (``Audios/*.wav``) and transcripts
    (``Transcripts/*.txt``) are found anywhere below the root. Without any recording it is text only.

    Release 1.11 has 151654 segments: Train 84030, Development 19815, Test1 30647, Test2 14815,
    Test3 2347; the label set ``msp8`` leaves out other (O) and segments without agreement (X), which have no
    label; it wants ``data.other_labels: drop``.

    ``split`` follows the official partitions, and ``extra`` holds their own name as ``partition``. ``valence``,
    ``arousal`` and ``dominance`` are means of the workers, 1 to 7. Unknown speakers are None. The labels of Test3
    are hidden.

    Args:
        root: the folder of the corpus, absolute or below the current folder or ``EMOLLM_DATA``.
        test: the partition to test on; the other test partitions are left out.
    """

    name = "msp_podcast"

    def __init__(self, root: str, test: Literal["Test1", "Test2", "Test3"] = "Test1") -> None:
        super().__init__(root)
        self.test = test

    def read(self) -> UtteranceTable:
        """Every segment of the chosen partitions, in the order of the table.

        Raises:
            UserError: when there is no table below the root, or it lacks a column, or holds a code, partition or
                number that is none.
        """
        folder = self.folder()
        tables = find_files(folder, *_TABLES)
        if not tables:
            raise UserError(
                f"{self.name}: there is no Labels/labels_consensus.csv or .json below {folder}: point root at the "
                "folder of the corpus."
            )
        file = next((path for path in tables if path.suffix.lower() == ".csv"), tables[0])
        sounds = {path.stem: path for path in find_sound_files(folder)}
        texts = {path.stem: path for path in folder.glob("**/Transcripts/**/*.txt")}
        rows = []
        for row in _json_rows(file) if file.suffix.lower() == ".json" else read_rows(file, _COLUMNS):
            name = PurePath(row["filename"]).stem
            partition = row["split_set"]
            split = part_of(partition.rstrip("0123456789"))
            if split is None:
                raise UserError(
                    f"{file}: {name} is of the partition '{partition}', none of Train, Development, Test1."
                )
            if split == "test" and partition.casefold() != self.test.casefold():
                continue
            # Where recordings are at all, one that is missing is for the validator to name.
            path = sounds.get(name, folder / "Audios" / f"{name}.wav") if sounds else None
            text = mend(read_text(texts[name])) if name in texts else None
            rows.append(_utterance(file, row, name, split, path, text))
        if not rows:
            raise UserError(f"{file} has no rows of Train, Development or {self.test}.")
        return UtteranceTable(rows)


def _utterance(
    file: Path, row: dict[str, str], name: str, split: str, path: Path | None, text: str | None
) -> Utterance:
    code = row["emoclass"].upper()
    if code and code not in _LABELS:
        raise UserError(f"{file}: {name} is labelled '{row['emoclass']}', none of {', '.join(_LABELS)}.")
    speaker, gender = row.get("spkrid", ""), row.get("gender", "").lower()
    return Utterance(
        id=name,
        path=path,
        transcript=text or None,
        label=_LABELS.get(code),
        speaker=None if speaker.casefold() in ("", "unknown") else speaker,
        corpus=MspPodcast.name,
        language="en",
        gender=gender if gender in ("male", "female") else None,
        split=split,
        valence=_number(file, name, row.get("emoval", "")),
        arousal=_number(file, name, row.get("emoact", "")),
        dominance=_number(file, name, row.get("emodom", "")),
        extra={"partition": row["split_set"]},
    )


def _number(file: Path, name: str, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise UserError(f"{file}: {name} holds '{text}' where a number should be.") from None


def _json_rows(file: Path) -> list[dict[str, str]]:
    try:
        content: dict[str, Any] = json.loads(read_text(file).lstrip("\ufeff"))
        rows = []
        for name, facts in content.items():
            plain = {str(key).casefold(): str(value).strip() for key, value in facts.items()}
            rows.append({"filename": name, "emoclass": plain["emoclass"], "split_set": plain["split_set"]} | plain)
    except json.JSONDecodeError as error:
        raise UserError(f"{file}, line {error.lineno}: not JSON ({error.msg}).") from error
    except (AttributeError, KeyError) as error:
        raise UserError(f"{file} must map file names to objects with EmoClass and Split_Set ({error}).") from error
    return rows
