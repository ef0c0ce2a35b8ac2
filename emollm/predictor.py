"""The same predictions from Python, in three lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from emollm import factory
from emollm.data import audio
from emollm.data.batch import Collate, Item, UtteranceDataset
from emollm.data.datamodule import EmotionData
from emollm.data.listing import recordings
from emollm.data.utterance import Utterance
from emollm.prediction import columns

if TYPE_CHECKING:
    from emollm.modules.base import EmotionModule


class Predictor:
    """Labels recordings with a loaded model.

    >>> import emollm
    >>> model = emollm.load()                    # or a checkpoint, or an exported folder
    >>> frame = model.predict("recordings/")     # doctest: +SKIP

    Args:
        module: a built module with its weights.
        transcriber: who writes missing transcripts (``packaged:whisper-base``); ``none`` leaves them out.
        batch_size: recordings a batch; it changes no score.
    """

    def __init__(
        self, module: EmotionModule, transcriber: str = "packaged:whisper-base", batch_size: int = 8
    ) -> None:
        self.module = module
        self.batch_size = batch_size
        self._data = EmotionData(transcriber=transcriber, batch_size=batch_size)
        self._collate = Collate({})

    @property
    def labels(self) -> list[str]:
        """The label set."""
        return self.module.labels

    def predict(
        self,
        source: str | Path | pd.DataFrame | np.ndarray | Iterable[str | Path | np.ndarray],
        sample_rate: int = audio.SAMPLE_RATE,
    ) -> pd.DataFrame:
        """One row a recording, broken ones with their reason in the column ``error``.

        Args:
            source: a folder, file, list or table as on the command line; paths; a DataFrame with a column
                ``path``; or one or more arrays (S,) of samples.
            sample_rate: of arrays, in hertz.
        """
        rows = []
        items = self._items(source, sample_rate)
        while chunk := [item for _, item in zip(range(self.batch_size), items, strict=False)]:
            rows += self._rows(chunk)
        return pd.DataFrame(rows, columns=columns(self.labels))

    def _rows(self, items: list[Item]) -> list[dict[str, Any]]:
        batch = self._data.fill_transcripts(self._collate(items), self.module.needs_transcript)
        with torch.inference_mode():
            predictions = self.module.predict_step(batch.to(self.module.device))
        place = {item.utterance.id: index for index, item in enumerate(items)}
        return [p.row() for p in sorted(predictions, key=lambda p: place[p.utterance.id])]

    def _items(self, source: Any, sample_rate: int) -> Iterator[Item]:
        arrays = [source] if isinstance(source, np.ndarray) else source
        if isinstance(arrays, Sequence) and arrays and all(isinstance(a, np.ndarray) for a in arrays):
            for index, samples in enumerate(arrays):
                yield _from_array(samples, sample_rate, f"array {index}")
            return
        hears = self.module.needs_audio or self._data.transcriber != "none"
        dataset = UtteranceDataset(recordings(source), decode=hears)
        for index in range(len(dataset)):
            yield dataset[index]


def load(
    path: str | Path | None = None, transcriber: str = "packaged:whisper-base", device: str = "cpu"
) -> Predictor:
    """Load a model to predict with.

    Args:
        path: a checkpoint, an exported folder, or None for the model that ships with emollm.
        transcriber: who writes missing transcripts; ``none`` leaves them out.
        device: where the model runs, as torch names it.

    Raises:
        emollm.errors.UserError: when there is no such model, or its frozen parts cannot be had.
    """
    return Predictor(factory.load(path).to(device), transcriber)


def _from_array(samples: np.ndarray, sample_rate: int, name: str) -> Item:
    utterance = Utterance(id=name)
    try:
        waveform = audio.prepare(np.asarray(samples), sample_rate)
    except audio.AudioError as error:
        return Item(utterance, error=str(error))
    return Item(utterance, torch.from_numpy(waveform))
