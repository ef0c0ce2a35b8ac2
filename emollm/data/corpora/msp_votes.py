"""MSP-Podcast: which emotion each worker heard, from ``labels_detailed.csv``."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import stem_of, tell_left_out
from emollm.data.corpora.rows import read_cells
from emollm.data.corpora.text import read_text
from emollm.data.labels import EMOTIONS, canonical
from emollm.errors import UserError

_FIX = "take the table as the corpus's owners distribute it"


def read_votes(file: Path) -> dict[str, dict[str, float]]:
    """Votes by segment in lower case; the table has one row a worker and segment, with his one primary emotion.

    Releases 1.6 and 2.0 have a column ``EmoClass_Major``; those between have ``EmoDetail``, which holds worker,
    primary emotion, secondary ones, arousal, valence and dominance: ``WORKER00000001; Angry; Sad,Annoyed; A:5.0;
    V:2.0; D:6.0;``. A worker who wrote an emotion of his own (``Other-Curious``) votes for ``other``, as the
    consensus has it.

    No label depends on the votes, so what cannot be read is a warning.

    Args:
        file: the table.
    """
    faults = Faults()
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    strange = []
    with faults.gather():
        lines = read_cells(read_text(file), file, faults)
        _, header = next(lines, (1, []))
        names = [name.casefold() for name in header]
        column = next((name for name in ("emoclass_major", "emodetail") if name in names), None)
        if column is None or "filename" not in names:
            raise UserError(f"{file} has no columns FileName and EmoClass_Major, or FileName and EmoDetail.")
        name_at, emotion_at = names.index("filename"), names.index(column)
        for line, cells in lines:
            cells += [""] * (len(names) - len(cells))
            emotion = cells[emotion_at]
            if column == "emodetail":
                emotion = (emotion.split(";") + [""])[1]
            word = "other" if emotion.strip().casefold().startswith("other") else canonical(emotion)
            if not word or not cells[name_at]:
                faults.add(f"{file}, line {line}: no segment or no emotion.")
                continue
            votes[stem_of(Path(cells[name_at])).casefold()][word] += 1
            if word not in EMOTIONS:
                strange.append(f"'{word}' in line {line}")
    tell_left_out(
        [fault.rstrip(".") for fault in faults.found], "msp_podcast: votes of workers are left out", _FIX
    )
    tell_left_out(
        strange,
        f"msp_podcast: votes in {file} are for no known emotion and kept as they are",
        "correct their spelling",
    )
    return {name: {word: float(count) for word, count in counts.items()} for name, counts in votes.items()}
