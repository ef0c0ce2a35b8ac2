"""The same predictions from Python, in three lines."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
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
from emollm.data.validate import WORDLESS, wordless
from emollm.data.voices import Voices, cued
from emollm.errors import UserError
from emollm.modules.listener import IN_RANGES, Listener, by_folder
from emollm.prediction import Prediction, columns

if TYPE_CHECKING:
    from emollm.modules.base import EmotionModule

_LENGTHS = (audio.SHORTEST, audio.LONGEST)
_Given = str | Path | pd.DataFrame | list[Any]
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
        speaker_range: bool = False,
    ) -> pd.DataFrame:
        """One row a recording, broken ones with their reason in the column ``error``.

        Args:
            source: a folder, file, list or table as on the command line; paths; a DataFrame with the columns
                of such a table; or one or more arrays (S,) of samples.
            sample_rate: of arrays, in hertz.
            speaker_range: normalise features by the speaker's other recordings here, where a guard finds it safe;
                speakers are named by a column ``speaker``, else by folders; arrays, of which nobody is named, are
                taken in the range of all of them. Everything is heard two or three times.

        Raises:
            UserError: when the source is none of these, arrays and paths are mixed, the rate is no number,
                ``speaker_range`` is neither true nor false, or the model was trained without ranges.
        """
        if not isinstance(sample_rate, int | float | np.number) or sample_rate < 1 or sample_rate % 1:
            raise UserError(f"sample_rate is {sample_rate!r}: give a whole number of hertz.")
        if not isinstance(speaker_range, bool):
            raise UserError(f"speaker_range is {speaker_range!r}: give True or False.")
        sample_rate = int(sample_rate)
        given = _given(source)
        with self._in_ranges(given, sample_rate) if speaker_range else nullcontext():
            predictions = dict(self._pass(given, sample_rate, speaker_range))
        rows = [predictions[place].row() for place in sorted(predictions)]
        return pd.DataFrame(rows, columns=columns(self.labels))

    @contextmanager
    def _in_ranges(self, given: _Given, sample_rate: int) -> Iterator[None]:
        """Hear all recordings, and then show them in the ranges that are safe, for a while."""
        module = self.module
        listener = Listener(module)
        name = module.name
        try:
            module.name += IN_RANGES
            while not listener.done:
                listener.begin()
                listener.add(prediction for _, prediction in self._pass(given, sample_rate, by_speaker=True))
                listener.end()
            yield
        finally:
            module.name, module.view = name, "plain"
            module.ranges.listen()  # which forgets everybody
            module.ranges.stop()

    def _pass(self, given: _Given, sample_rate: int, by_speaker: bool) -> Iterator[tuple[int, Prediction]]:
        """Each recording's place in the source, and what the model says of it, batch by batch."""
        for places, items in self._batches(given, sample_rate, by_speaker):
            places_of = defaultdict(list)  # a table may name a recording twice
            for place, item in zip(places, items, strict=True):
                places_of[item.utterance.key].append(place)
            for prediction in self._predict(items):
                yield places_of[prediction.utterance.key].pop(0), prediction

    def _predict(self, items: list[Item]) -> list[Prediction]:
        batch = self._collate(items)
        if self._transcripts is not None:
            batch = self._transcripts.fill(batch)
        with torch.inference_mode():
            return self.module.predict_step(batch.to(self.module.device))

    def _batches(
        self, given: _Given, sample_rate: int, by_speaker: bool
    ) -> Iterator[tuple[list[int], list[Item]]]:
        """Places in the source, and the items there, of about one length."""
        mute = self.module.needs_words and self._transcripts is None
        if isinstance(given, list) and given and isinstance(given[0], np.ndarray):
            sizes, cues = [array.size for array in given], self._cues(given, sample_rate)
            for places in in_batches(range(len(given)), self.batch_size, lambda part: [sizes[i] for i in part]):
                items = [_from_array(given[i], sample_rate, f"array {i}", cues[i]) for i in places]
                yield places, [replace(item, error=item.error or WORDLESS) for item in items] if mute else items
            return
        turns = USUAL_TURNS if self.module.turns is None else self.module.turns
        table, faults = with_context(recordings(given), turns), {}
        table = by_folder(table) if by_speaker else table
        if "cues" in self.module.inputs:
            table, faults = cued(table, Voices(SoundIndex()), *_LENGTHS, 0)
        if mute:
            faults |= wordless(table)
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


def _given(source: Any) -> _Given:
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
