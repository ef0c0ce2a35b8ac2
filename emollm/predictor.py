"""The same predictions from Python, in three lines."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from emollm import factory
from emollm.data import audio
from emollm.data.batch import Collate, Item, UtteranceDataset
from emollm.data.context import USUAL_TURNS, with_context
from emollm.data.cues import measure, with_cues
from emollm.data.listing import recordings
from emollm.data.loaders import lengths_of
from emollm.data.sampler import in_batches, usual_batch_size
from emollm.data.sounds import SoundIndex
from emollm.data.transcripts import Transcripts
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.data.voices import Voices, cued
from emollm.errors import UserError
from emollm.prediction import Prediction, columns

if TYPE_CHECKING:
    from emollm.modules.base import EmotionModule

_LENGTHS = (audio.SHORTEST, audio.LONGEST)
_TAKES = "give a folder, a file, a DataFrame, a list of paths, or a list of NumPy arrays of samples"


class Predictor:
    """Labels recordings with a loaded model.

    >>> import emollm
    >>> model = emollm.load()                    # or a checkpoint, or an exported folder
    >>> frame = model.predict("recordings/")     # doctest: +SKIP

    Args:
        module: a built module with its weights.
        transcriber: who writes missing transcripts (``packaged:whisper-base``); ``none`` leaves them out.
        batch_size: recordings a batch; it changes no score. None takes 8, and 32 on a GPU.
    """

    def __init__(
        self, module: EmotionModule, transcriber: str = "packaged:whisper-base", batch_size: int | None = None
    ) -> None:
        self.module = module
        self.batch_size = batch_size or usual_batch_size(module.device.type)
        self._collate = Collate({})
        self._transcripts: Transcripts | None = None
        if transcriber != "none" and module.needs_transcript:
            self._transcripts = Transcripts(transcriber, SoundIndex(), module.device)

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
            source: a folder, file, list or table as on the command line; paths; a DataFrame with the columns
                of such a table; or one or more arrays (S,) of samples.
            sample_rate: of arrays, in hertz.

        Raises:
            UserError: when the source is none of these, arrays and paths are mixed, or the rate is no number.
        """
        if not isinstance(sample_rate, int | float | np.number) or sample_rate < 1 or sample_rate % 1:
            raise UserError(f"sample_rate is {sample_rate!r}: give a whole number of hertz.")
        sample_rate = int(sample_rate)
        rows: dict[int, dict[str, Any]] = {}
        for places, items in self._batches(source, sample_rate):
            places_of = defaultdict(list)  # a table may name a recording twice
            for place, item in zip(places, items, strict=True):
                places_of[item.utterance.key].append(place)
            for prediction in self._predict(items):
                rows[places_of[prediction.utterance.key].pop(0)] = prediction.row()
        return pd.DataFrame([rows[place] for place in sorted(rows)], columns=columns(self.labels))

    def _predict(self, items: list[Item]) -> list[Prediction]:
        batch = self._collate(items)
        if self._transcripts is not None:
            batch = self._transcripts.fill(batch)
        with torch.inference_mode():
            return self.module.predict_step(batch.to(self.module.device))

    def _batches(self, source: Any, sample_rate: int) -> Iterator[tuple[list[int], list[Item]]]:
        """Places in the source, and the items there, of about one length."""
        given = _given(source)
        if isinstance(given, list) and given and isinstance(given[0], np.ndarray):
            sizes, cues = [array.size for array in given], self._cues(given, sample_rate)
            for places in in_batches(range(len(given)), self.batch_size, lambda part: [sizes[i] for i in part]):
                yield places, [_from_array(given[i], sample_rate, f"array {i}", cues[i]) for i in places]
            return
        turns = USUAL_TURNS if self.module.turns is None else self.module.turns
        table, faults = with_context(recordings(given), turns), {}
        if "cues" in self.module.inputs:
            table, faults = cued(table, Voices(SoundIndex()), *_LENGTHS, 0)
        dataset = UtteranceDataset(
            table, self.module.needs_audio, *_LENGTHS, transcripts=self._transcripts, faults=faults
        )
        lengths = lengths_of(table, self.module.needs_audio, SoundIndex())
        for places in in_batches(range(len(table)), self.batch_size, lengths):
            yield places, dataset.__getitems__(places)

    def _cues(self, arrays: Sequence[np.ndarray], sample_rate: int) -> list[str | None]:
        """The voice of each array in words, where the prompt shows it."""
        if "cues" not in self.module.inputs:
            return [None] * len(arrays)
        items = (_from_array(array, sample_rate, "array") for array in arrays)
        voices = [None if item.waveform is None else measure(item.waveform.numpy()) for item in items]
        return with_cues(UtteranceTable(Utterance(id="array") for _ in arrays), voices).values("cues")


def load(
    path: str | Path | None = None, transcriber: str = "packaged:whisper-base", device: str = "cpu"
) -> Predictor:
    """Load a model to predict with.

    Args:
        path: a checkpoint, an exported folder, or None for the model that ships with emollm.
        transcriber: who writes missing transcripts; ``none`` leaves them out.
        device: where the model runs, as torch names it.

    Raises:
        emollm.errors.UserError: when there is no such model or device, or its frozen parts cannot be had.
    """
    try:
        place = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UserError(
            f"device is {device!r}, which is not here: give cpu, or cuda where there is a GPU."
        ) from error
    return Predictor(factory.load(path, place), transcriber)


def _given(source: Any) -> str | Path | pd.DataFrame | list[Any]:
    """What the command line takes too, or a list of paths alone or of arrays alone.

    Raises:
        UserError: when it is neither.
    """
    if isinstance(source, (str, Path, pd.DataFrame)):
        return source
    if isinstance(source, np.ndarray):
        return source.ravel().tolist() if source.dtype.kind in "UO" else [source]
    if isinstance(source, torch.Tensor) or not isinstance(source, Iterable):
        raise UserError(f"What to predict on is of type {type(source).__name__}: {_TAKES}.")
    items = list(source)
    arrays = bool(items) and isinstance(items[0], np.ndarray)
    for number, item in enumerate(items):
        if not isinstance(item, np.ndarray if arrays else (str, os.PathLike)):
            wanted = "an array as those before it" if arrays else "a path"
            raise UserError(
                f"Item {number} of what to predict on is of type {type(item).__name__}, not {wanted}: {_TAKES}."
            )
    return items


def _from_array(samples: np.ndarray, sample_rate: int, name: str, cues: str | None = None) -> Item:
    utterance = Utterance(id=name, cues=cues)
    try:
        waveform = audio.prepare(np.asarray(samples), sample_rate, *_LENGTHS)
    except audio.AudioError as error:
        return Item(utterance, error=str(error))
    return Item(utterance, torch.from_numpy(waveform))
