"""Which column of somebody's table means what, and how its values are read."""

from __future__ import annotations

import json
import math
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from emollm.data.labels import canonical
from emollm.data.protocols.parts import part_of
from emollm.errors import UserError

NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "key", "utt_id", "uttid", "utterance_id", "segment_id"),
    "path": ("path", "file", "wav", "filename", "audio", "filepath", "file_path", "file_name", "audio_path")
    + ("audio_file", "audio_filepath", "wav_path", "wav_file", "wav_filename", "recording", "clip", "sound"),
    "label": ("label", "emotion", "emo", "emotion_label", "label_emotion", "emotions", "class", "target"),
    "transcript": ("transcript", "text", "sentence", "transcription", "utterance", "words"),
    "speaker": ("speaker", "spk", "speaker_id", "spk_id", "spkid", "speakerid", "actor", "actor_id", "client_id"),
    "session": ("session", "session_id", "sess"),
    "language": ("language", "lang", "locale"),
    "gender": ("gender", "sex"),
    "sentence": ("sentence_id", "text_id", "text_code", "prompt_id"),
    "split": ("split", "part", "partition", "subset", "split_set"),
    "dialogue": ("dialogue", "dialogue_id", "dialog_id", "dialog", "conversation", "conversation_id"),
    "turn": ("turn", "turn_id", "turn_index"),
    "start": ("start", "start_time", "begin", "start_seconds"),
    "end": ("end", "end_time", "stop", "end_seconds"),
    "votes": ("votes",),
    "valence": ("valence", "emoval"),
    "arousal": ("arousal", "activation", "emoact"),
    "dominance": ("dominance", "emodom"),
}
"""For each field of ``Utterance`` the names of columns that mean it, the likeliest first."""

_GENDERS = {"m": "male", "man": "male", "male": "male", "f": "female", "woman": "female", "female": "female"}
_MISSED = ("path", "label", "transcript", "speaker", "session", "language", "split", "dialogue")
"""Fields without which a run goes another way."""
_ALIKE = 0.8
"""How like a field's name that of a column is where it is taken for a slip: letters changed places (lable), or one
is missing (speakr)."""
_NOTHING = ("", "nan", "none", "null", "n/a")


def fields_of(header: Iterable[str], chosen: dict[str, str], source: str) -> dict[str, str]:
    """Which column holds which field.

    Args:
        header: the table's column names.
        chosen: field to column, as the user says; it beats the names known here.
        source: the table's path, for messages.

    Returns:
        Field to column.

    Raises:
        UserError: for a field or a column that does not exist.
    """
    columns = list(header)
    plain = {_plain(column): column for column in reversed(columns)}  # the first of equal names counts
    for field, column in chosen.items():
        if field not in NAMES:
            raise UserError(f"columns names the field '{field}', which is none of {', '.join(NAMES)}.")
        if column not in columns:
            raise UserError(f"{source} has no column '{column}': its columns are {', '.join(columns)}.")
    found = dict(chosen)
    for field, names in NAMES.items():
        match = next((plain[name] for name in names if name in plain), None)
        if field not in found and match is not None and match not in found.values():
            found[field] = match
    _tell_almost(plain, found, source)
    return found


def _tell_almost(plain: dict[str, str], found: dict[str, str], source: str) -> None:
    """Warn of a column that almost has the name of a field which no column holds: it is probably misspelt."""
    further = [name for name, column in plain.items() if column not in found.values()]
    for field in _MISSED:
        for name in NAMES[field] if field not in found else ():
            if almost := get_close_matches(name, further, n=1, cutoff=_ALIKE):
                column = plain[almost[0]]
                warnings.warn(
                    f"{source}: column '{column}' is not read, and its name is almost '{name}': rename it, or "
                    f"give the table columns: {{{field}: {column}}}.",
                    stacklevel=1,
                )
                break


def read_value(field: str, value: Any) -> Any:
    """A cell as its field wants it; None for an empty cell.

    Raises:
        ValueError: for a number that is none.
    """
    if isinstance(value, str):
        # Accents are written in two ways, and are one all the same; a path is as the file system has it.
        value = value.strip() if field == "path" else unicodedata.normalize("NFC", value.strip())
    # A transcript may well be the word "none"; every other field then has no value.
    if value is None or value == "" or (field != "transcript" and str(value).casefold() in _NOTHING):
        return None
    return _READ.get(field, str)(value)


def kind_of(field: str) -> str:
    """What a field's cells hold, for messages."""
    return {"votes": "mapping of emotion to count", "turn": "whole number"}.get(field, "number")


def _plain(column: str) -> str:
    return "_".join(column.casefold().replace("-", " ").replace("_", " ").split())


def _number(value: Any) -> float:
    number = float(str(value).replace(",", "."))
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _votes(value: Any) -> dict[str, float]:
    """A mapping, or the JSON of one, as a CSV holds it."""
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, dict):
        raise ValueError(value)
    votes: dict[str, float] = {}
    for word, text in value.items():
        count = _number(text)
        if count < 0:
            raise ValueError(value)
        votes[canonical(word)] = votes.get(canonical(word), 0.0) + count
    return votes


_READ: dict[str, Callable[[Any], Any]] = {
    "label": lambda value: canonical(str(value)),
    "split": lambda value: part_of(str(value)) or str(value),
    "gender": lambda value: _GENDERS.get(str(value).casefold(), str(value)),
    "turn": _whole,
    "votes": _votes,
} | dict.fromkeys(("start", "end", "valence", "arousal", "dominance"), _number)
