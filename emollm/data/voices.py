"""What was measured of voices, kept on disk, and measured before a run for the prompts that tell of it."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from rich.progress import track
from torch.utils.data import DataLoader

from emollm.data.batch import Item, UtteranceDataset
from emollm.data.cues import Voice, measure, with_cues
from emollm.data.processes import gather, mine, say
from emollm.data.sounds import SoundIndex, state_of
from emollm.data.store import SoundStore
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.files import write_text
from emollm.models.cache import cache_folder

_MEASURE = "yin 1"  # raise it when ``measure`` tells something else
_THREADS = 8

Heard = tuple[str, Voice | None, str | None]
"""Key, what was measured, and why nothing was."""


class Voices(SoundStore):
    """One small file an utterance, named by its sound.

    Args:
        index: what is known of sound files; None opens the one in the folder ``voices`` of emollm's cache.
    """

    suffix = ".json"

    def __init__(self, index: SoundIndex | None = None) -> None:
        super().__init__(cache_folder() / "voices", _MEASURE, index)

    def read(self, utterance: Utterance) -> Voice | None:
        """What was measured before; None where that is nothing."""
        if utterance.path is None:
            return None
        try:
            values = json.loads(self.file(utterance).read_text(encoding="utf-8"))
            return Voice(**{name: math.nan if value is None else float(value) for name, value in values.items()})
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def write(self, utterance: Utterance, voice: Voice) -> None:
        """Keep what was measured, if the disk allows."""
        values = {name: None if math.isnan(value) else value for name, value in asdict(voice).items()}
        with contextlib.suppress(OSError):
            write_text(self.file(utterance), json.dumps(values))


def cued(
    table: UtteranceTable, voices: Voices, min_seconds: float, max_seconds: float, workers: int
) -> tuple[UtteranceTable, dict[str, str]]:
    """Tell each utterance's voice in words; processes share the measuring, and all get all of it.

    Args:
        table: utterances with unique keys; cues that are there stay.
        voices: what was measured before.
        min_seconds: shorter recordings are broken.
        max_seconds: longer recordings are broken.
        workers: processes that decode and measure.

    Returns:
        The table with cues; and, by key, why an utterance has none.
    """
    if None not in table.values("cues"):
        return table, {}
    with ThreadPoolExecutor(_THREADS) as pool:  # reading and hashing let go of the interpreter
        known = dict(zip([row.key for row in table], pool.map(voices.read, table), strict=True))
    # What any process lacks: a run beside this one may be measuring too.
    asked = set().union(*gather({key for key, voice in known.items() if voice is None}))
    faults: dict[str, str] = {}
    if asked:
        say(f"Voices: {len(asked)} of {len(table)} are measured: {voices.folder}")
        rows = mine([row for row in table if row.key in asked])
        for found in gather(_listen(rows, voices, min_seconds, max_seconds, workers)):
            known |= {key: voice for key, voice, _ in found}
            faults |= {key: reason for key, _, reason in found if reason is not None}
    return with_cues(table, [known[row.key] for row in table]), faults


def _listen(
    rows: list[Utterance], voices: Voices, min_seconds: float, max_seconds: float, workers: int
) -> list[Heard]:
    dataset = UtteranceDataset(UtteranceTable(rows), True, min_seconds, max_seconds)
    loader = DataLoader(dataset, batch_size=None, num_workers=min(workers, len(rows)), collate_fn=_heard)
    found, states = [], [None if row.path is None else state_of(row.path) for row in rows]
    heard = track(loader, f"Measuring {len(rows)} voices once", len(rows), disable=not sys.stderr.isatty())
    for row, state, one in zip(rows, states, heard, strict=True):
        if one[1] is not None and voices.is_of(row, state):
            voices.write(row, one[1])
        found.append(one)
    return found


def _heard(item: Item) -> Heard:
    if item.waveform is None:
        return item.utterance.key, None, item.error
    return item.utterance.key, measure(item.waveform.numpy()), None
