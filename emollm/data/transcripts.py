"""Transcripts that a recogniser wrote, kept on disk: a recording is transcribed once, whatever runs come later."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track

from emollm.data import audio
from emollm.data.batch import Batch
from emollm.data.features import content_of
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.files import write_text
from emollm.models.cache import cache_folder

if TYPE_CHECKING:
    from emollm.models.transcribe import Transcriber

_FORMAT = 1


class TranscriptStore:
    """One small file a transcript, named by what was heard and in a folder that belongs to one recogniser.

    Files appear whole or not at all; processes and runs share them.

    Args:
        folder: of all transcripts.
        source: of the recogniser, as ``data.transcriber`` names it.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder / hashlib.sha256(f"{_FORMAT}|{source}".encode()).hexdigest()[:16]

    def file(self, utterance: Utterance) -> Path:
        """Where the transcript of an utterance is, or will be.

        Raises:
            OSError: when the sound cannot be read.
        """
        digest = content_of(utterance)
        digest.update(f"|{utterance.language}".encode())
        name = digest.hexdigest()[:32]
        return self.folder / name[:2] / f"{name[2:]}.json"

    def read(self, utterance: Utterance) -> str | None:
        """The transcript, or None where there is none yet."""
        try:
            return json.loads(self.file(utterance).read_text(encoding="utf-8"))["text"]
        except (OSError, ValueError, KeyError):
            return None

    def write(self, utterance: Utterance, text: str) -> None:
        """Keep a transcript; a cache that cannot be written costs time, never the run."""
        try:
            write_text(self.file(utterance), json.dumps({"text": text}, ensure_ascii=False))
        except OSError:
            return


class Scribe:
    """Writes the transcripts that a corpus does not have: from the cache, or by the recogniser.

    Args:
        source: who writes, as ``data.transcriber``: ``packaged:whisper-base``…
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._store = TranscriptStore(cache_folder() / "transcripts", source)
        self._recogniser: Transcriber | None = None

    def table(self, table: UtteranceTable, min_seconds: float, max_seconds: float) -> UtteranceTable:
        """The table with a transcript for every utterance that has none and whose sound can be read.

        What cannot be read stays without; the run itself reports it. Safe to interrupt: what is written stays.

        Args:
            table: the utterances.
            min_seconds: shorter recordings are broken.
            max_seconds: longer recordings are broken.
        """
        without = [row for row in table if row.transcript is None and row.path is not None]
        found = {row.key: text for row in without if (text := self._store.read(row)) is not None}
        missing = [row for row in without if row.key not in found]
        text = f"Transcribing {len(missing)} utterances once"
        for row in track(missing, text, disable=not missing or not sys.stderr.isatty()):
            with contextlib.suppress(audio.AudioError):
                samples = audio.load(row.path, row.start, row.end, min_seconds, max_seconds)
                found[row.key] = self._write(row, samples)
        return table.map(lambda row: replace(row, transcript=found.get(row.key, row.transcript)))

    def batch(self, batch: Batch) -> Batch:
        """The batch with a transcript for every utterance; it must bring waveforms."""
        assert batch.waveforms is not None
        utterances = []
        for index, (row, length) in enumerate(zip(batch.utterances, batch.lengths, strict=True)):
            if row.transcript is None:
                text = self._store.read(row) if row.path is not None else None
                if text is None:
                    text = self._write(row, batch.waveforms[index, : int(length)].numpy())
                row = replace(row, transcript=text)
            utterances.append(row)
        return replace(batch, utterances=utterances)

    def _write(self, row: Utterance, samples: np.ndarray) -> str:
        if self._recogniser is None:
            from emollm.models.transcribe import Transcriber

            self._recogniser = Transcriber(self.source)
        text = self._recogniser(samples, row.language)
        if row.path is not None:
            self._store.write(row, text)
        return text
