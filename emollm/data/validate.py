"""Every fault of a table at once, before any training starts."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from emollm.data.audio import AudioError, duration
from emollm.data.labels import EMOTIONS, LabelSet
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

_EXAMPLES = 5
_THREADS = 8
WORDLESS = "no transcript, and this model reads words alone: add one, or let data.transcriber write it"


class _Fault(NamedTuple):
    kind: str
    """What is wrong and how to mend it, once for all utterances that have it."""
    where: str
    """The utterance, and what is special about it."""


def faults(
    table: UtteranceTable, label_names: LabelSet | None, needs_audio: bool, needs_transcript: bool
) -> list[str]:
    """Every fault of a table.

    Args:
        table: what is to be trained or tested on.
        label_names: the label set that every label must fit; None when labels are not needed.
        needs_audio: whether sound files must be there; their headers are read.
        needs_transcript: whether the prompt shows a transcript and nobody will write one.

    Returns:
        One sentence a fault, naming the file and what to do; empty when all is well.
    """
    return [f"{fault.where}: {fault.kind}" for fault in _all(table, label_names, needs_audio, needs_transcript)]


def check(table: UtteranceTable, label_names: LabelSet | None, needs_audio: bool, needs_transcript: bool) -> None:
    """Refuse a table that has faults; the arguments are those of ``faults``.

    Raises:
        UserError: with each kind of fault, how often there is one, and the first files that have it.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    for fault in _all(table, label_names, needs_audio, needs_transcript):
        kinds[fault.kind].append(fault.where)
    if not kinds:
        return
    count = sum(map(len, kinds.values()))
    lines = [f"The data have {count} fault{'' if count == 1 else 's'}; nothing was started."]
    for kind, places in kinds.items():
        lines.append(f"- {len(places)} × {kind}")
        lines += [f"    {place}" for place in places[:_EXAMPLES]]
        if len(places) > _EXAMPLES:
            lines.append(f"    and {len(places) - _EXAMPLES} more")
    raise UserError("\n".join(lines))


def wordless(table: UtteranceTable) -> dict[str, str]:
    """For a model that reads and does not hear: why utterances without a transcript cannot be labelled, by key."""
    return {row.key: WORDLESS for row in table if not (row.transcript or "").strip()}


def tell_dropped(dropped: UtteranceTable, total: int) -> None:
    """Warn of utterances that are left out, by label; a word that is no emotion may be misspelt: a file is named.

    Args:
        dropped: what ``data.other_labels: drop`` leaves out.
        total: how many utterances there were.
    """
    words = []
    for label, count in Counter(row.label for row in dropped).most_common():
        if label is None or label in EMOTIONS:
            words.append(f"{count} {label or 'without a label'}")
        else:
            first = next(row for row in dropped if row.label == label)
            words.append(f"{count} '{label}' (no known emotion; the first: {_where(first)})")
    if words:
        warnings.warn(
            f"data.other_labels: drop leaves out {len(dropped)} of {total} utterances: {', '.join(words)}.",
            stacklevel=2,
        )


def tell_absent(train: UtteranceTable, labels: LabelSet) -> None:
    """Warn of labels that a fit would have as empty classes.

    Args:
        train: the training part, with labels of the label set.
        labels: the label set.
    """
    present = set(train.values("label"))
    absent = [name for name in labels.names if name not in present]
    if absent:
        warnings.warn(
            f"No training utterance is labelled {' or '.join(absent)}, so a model cannot learn it: leave it out "
            "of model.labels, or take a corpus that has it.",
            stacklevel=2,
        )


def _all(
    table: UtteranceTable, labels: LabelSet | None, needs_audio: bool, needs_transcript: bool
) -> Iterator[_Fault]:
    if needs_audio:
        yield from _sound_faults(table)
    if labels is not None:
        yield from _label_faults(table, labels)
    if needs_transcript:
        for row in table:
            if not (row.transcript or "").strip():
                yield _Fault(
                    "no transcript, which the prompt shows: add it to the corpus, set data.transcriber, or choose "
                    "a prompt without one",
                    _where(row),
                )
    yield from _duplicates(table)


def _sound_faults(table: UtteranceTable) -> Iterator[_Fault]:
    for row in table:
        if row.path is None:
            yield _Fault(
                "no sound file is named: restore the recordings, add a column of paths, or choose a prompt "
                "without audio",
                row.key,
            )
    paths = list(dict.fromkeys(row.path for row in table if row.path is not None))
    with ThreadPoolExecutor(_THREADS) as pool:
        for path, reason in zip(paths, pool.map(_unreadable, paths), strict=True):
            if reason is not None:
                yield _Fault(f"{reason}: restore the file, or take it out of the corpus", str(path))


def _unreadable(path: Path) -> str | None:
    try:
        return None if duration(path) > 0 else "no samples in the file"
    except AudioError as error:
        return str(error)


def _label_faults(table: UtteranceTable, labels: LabelSet) -> Iterator[_Fault]:
    names = ", ".join(labels.names)
    for row in table:
        if row.label is None:
            yield _Fault("no label: label it, or take it out of the corpus", _where(row))
        elif labels.index(row.label) is None:
            yield _Fault(
                f"the label '{row.label}' is none of {names}: mend it, add it to the label set, or set "
                "data.other_labels to drop",
                _where(row),
            )


def _duplicates(table: UtteranceTable) -> Iterator[_Fault]:
    for key, count in Counter(row.key for row in table).items():
        if count > 1:
            yield _Fault(
                "the id occurs more than once: ids must be unique within a corpus", f"{key} ({count} times)"
            )
    stretches = Counter((row.path, row.start, row.end) for row in table if row.path is not None)
    for (path, _, _), count in stretches.items():
        if count > 1:
            yield _Fault("the recording is listed more than once: keep one row of it", f"{path} ({count} times)")


def _where(row: Utterance) -> str:
    return str(row.path) if row.path is not None else row.key
