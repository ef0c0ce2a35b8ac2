"""A whole table gets its transcripts before a run, so that the run itself needs no sound for them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rich.progress import track
from torch.utils.data import DataLoader

from emollm.data.batch import Item, UtteranceDataset
from emollm.data.processes import gather, mine, say
from emollm.data.transcripts import Transcripts
from emollm.data.utterance import Utterance, UtteranceTable

_THREADS = 8


def transcribed(
    table: UtteranceTable, transcripts: Transcripts, min_seconds: float, max_seconds: float, workers: int
) -> tuple[UtteranceTable, dict[str, str]]:
    """Look up or write every transcript that a table lacks; processes share the work, and all get all of it.

    Safe to interrupt: what is written stays written.

    Args:
        table: utterances with unique keys.
        transcripts: looks up and writes.
        min_seconds: shorter recordings are broken.
        max_seconds: longer recordings are broken.
        workers: processes that decode.

    Returns:
        The table with transcripts; and, by key, why an utterance still has none.

    Raises:
        UserError: when something has to be written and the transcriber cannot be loaded.
    """
    table = _recalled(table, transcripts)
    # What any process lacks: a run beside this one may be writing too, and some look later than others.
    asked = set().union(*gather({row.key for row in table if row.transcript is None}))
    if not asked:
        return table, {}
    say(f"Transcripts: {len(asked)} of {len(table)} are written by {transcripts.source}: {transcripts.folder}")
    transcripts.load()
    texts, faults = _write(
        mine([row for row in table if row.key in asked]), transcripts, min_seconds, max_seconds, workers
    )
    transcripts.close()
    for others, reasons in gather((texts, faults)):
        texts |= others
        faults |= reasons
    return table.map(lambda row: replace(row, transcript=texts.get(row.key, row.transcript))), faults


def _recalled(table: UtteranceTable, transcripts: Transcripts) -> UtteranceTable:
    with ThreadPoolExecutor(_THREADS) as pool:  # reading and hashing let go of the interpreter
        return UtteranceTable(pool.map(transcripts.recall, table))


def _write(
    rows: list[Utterance], transcripts: Transcripts, min_seconds: float, max_seconds: float, workers: int
) -> tuple[dict[str, str], dict[str, str]]:
    dataset = UtteranceDataset(UtteranceTable(rows), True, min_seconds, max_seconds)
    loader = DataLoader(dataset, batch_size=None, num_workers=min(workers, len(rows)), collate_fn=_as_it_is)
    texts: dict[str, str] = {}
    faults: dict[str, str] = {}
    for item in track(
        loader, f"Transcribing {len(rows)} utterances once", len(rows), disable=not sys.stderr.isatty()
    ):
        heard = item.utterance, item.waveform, item.state
        text, fault = (None, item.error) if item.error else transcripts.attempt(*heard)
        if text is not None:
            texts[item.utterance.key] = text
        else:
            faults[item.utterance.key] = fault or "cannot be transcribed"
    return texts, faults


def _as_it_is(item: Item) -> Item:
    return item
