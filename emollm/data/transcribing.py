"""What a data module writes where a corpus says nothing: transcripts, and the voice in words."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningDataModule

from emollm.data.batch import Batch
from emollm.data.sounds import SoundIndex
from emollm.data.transcribed import transcribed
from emollm.data.transcripts import DEFAULT, Transcripts
from emollm.data.utterance import UtteranceTable
from emollm.data.voices import Voices, cued


class TranscribingData(LightningDataModule):
    """A data module whose utterances may lack transcripts.

    Args:
        transcriber: who writes missing transcripts; ``none`` leaves them out.
        min_seconds: shorter recordings are broken.
        max_seconds: longer recordings are broken.
        num_workers: processes that decode.
        index: what is known of sound files.
    """

    def __init__(
        self, transcriber: str, min_seconds: float, max_seconds: float, num_workers: int, index: SoundIndex
    ) -> None:
        super().__init__()
        self.transcriber = transcriber
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.num_workers = num_workers
        self._index = index
        self._faults: dict[str, str] = {}
        self._transcripts: dict[str, Transcripts] = {}
        self._recognised: dict[str, int] = {}

    def transcripts(self) -> Transcripts:
        """Those of the transcriber; where there is none, of the one that is packaged.

        Raises:
            UserError: when there is no such transcriber.
        """
        source = DEFAULT if self.transcriber == "none" else self.transcriber
        if source not in self._transcripts:
            device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
            self._transcripts[source] = Transcripts(source, self.sounds, device)
        return self._transcripts[source]

    def recognised_lines(self, part: str, size: int) -> list[str]:
        """What a reader of figures must know of transcripts that are not the corpus's own.

        Args:
            part: of the split.
            size: utterances of it.
        """
        count = self._recognised.get(part, 0)
        if not count:
            return []
        return [f"{count} of {size} transcripts of {part} were written by {self.transcriber}, not by the corpus."]

    def cued(self, table: UtteranceTable) -> UtteranceTable:
        """A table whose utterances tell of their voices, each next to the others of its speaker in the table."""
        limits = (self.min_seconds, self.max_seconds)
        table, faults = cued(table, Voices(self.sounds), *limits, self.num_workers)
        self._faults |= faults
        return table

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Write the transcripts that a prediction needs and nobody has."""
        return self.transcripts().fill(batch) if self._dictates else batch

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Copy from pinned memory while the GPU works; Lightning itself waits for what is no plain tensor."""
        return batch.to(device, non_blocking=device.type == "cuda")

    def _needs(self, what: str, otherwise: bool) -> bool:
        module = self.trainer.lightning_module if self.trainer else None
        return getattr(module, f"needs_{what}", otherwise)

    @property
    def _dictates(self) -> bool:
        """Whether transcripts are written as batches come, instead of all before the first one."""
        predicts = self.trainer is not None and self.trainer.predicting
        return predicts and self.transcriber != "none" and self._needs("transcript", False)

    @property
    def sounds(self) -> SoundIndex:
        """What is known of sound files; who predicts on ever new recordings does not remember all of them."""
        return SoundIndex() if self.trainer is not None and self.trainer.predicting else self._index

    def _transcribed(self, table: UtteranceTable) -> tuple[UtteranceTable, dict[str, str]]:
        limits = (self.min_seconds, self.max_seconds)
        return transcribed(table, self.transcripts(), *limits, self.num_workers)
