"""Recordings that are one sound saved twice: in another format, rate or loudness, with silence before or after."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch

from emollm.data.audio import SAMPLE_RATE, AudioError, load
from emollm.data.features import FeatureStore
from emollm.data.sounds import state_of
from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.models.cache import cache_folder

_VERSION = 1  # of the signature: raised whenever anything that it depends on changes
_SECONDS = 40.0  # only the beginning of longer recordings is listened to
_WINDOW, _HOP = 512, 320  # samples: 32 and 20 ms
_BANDS, _LOWEST, _HIGHEST = 16, 120.0, 3600.0  # hertz: what a telephone leaves of a voice
_RANGE = 35.0  # decibels below the loudest frames; what is softer counts as silence
_LENGTH = 2048  # frames of the transform over time: 41 s, so that shifts do not wrap around
_CHANGES = np.linspace(0.1, 8.1, 33)  # hertz: how fast loudness changes in speech
_WAVE = (60.0, 2000.0)  # hertz: the part of the wave that every codec keeps
_ALIKE = 0.5  # cosine of two signatures worth a closer look
_SAME = 0.6  # correlation of two waves that are one recording
_CLOSEST = 4  # recordings looked at closely, at most, for each
_CELLS = 2**24  # of the matrix of cosines that is in memory at a time (64 MiB)
_T = TypeVar("_T")
_R = TypeVar("_R")


def signature_store() -> FeatureStore:
    """Where signatures are kept: the folder ``signatures`` in emollm's cache."""
    return FeatureStore(cache_folder() / "signatures", f"near copies {_VERSION}")


def near_copies(
    first: Iterable[Utterance], second: Iterable[Utterance], store: FeatureStore | None = None
) -> list[tuple[str, str]]:
    """Which recordings of the second table are, to the ear, one of the first.

    Each recording has a signature that neither level nor shift changes; the cosines of all pairs come from one
    matrix product, made block by block; the few closest pairs are decoded and compared sample by sample: two takes
    of one sentence by one speaker sound alike, but their waves do not run together. It finds other formats, rates
    and levels, silence added or cut off, and a little noise; not another speed or pitch, and not a short piece of
    a long recording. ``tests/data/test_near_copies.py`` measures that, on RAVDESS and EmoDB.

    Args:
        first: utterances, as of training.
        second: utterances, as of the test part.
        store: keeps signatures between runs; None computes them anew.

    Returns:
        Key of the recording in the first table and key of its copy in the second, at most one pair for each
        recording of the second. What cannot be decoded is passed over.
    """
    known = [row for row in first if row.path is not None]
    asked = [row for row in second if row.path is not None]
    if not known or not asked:
        return []
    signatures = _signatures([*known, *asked], store)
    candidates = _closest(signatures[: len(known)], signatures[len(known) :])

    def original(number: int) -> int | None:
        return _original(asked[number], known, candidates[number])

    found = zip(candidates, _in_threads(original, list(candidates)), strict=True)
    return [(known[place].key, asked[number].key) for number, place in found if place is not None]


def signature(samples: np.ndarray) -> np.ndarray:
    """What a recording sounds like, wherever in the file it lies and however loud it is.

    Loudness over time in 16 bands, cut off 35 dB below the loudest frames so that silence is zero; the magnitudes
    of its Fourier transform over time, which a shift leaves as they are; of these the differences between
    neighbouring bands, since all bands of all speech rise and fall together.

    Args:
        samples: (S,) at 16 kHz.

    Returns:
        (480,) float32 of length one; zeros where nothing ever changes.
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, _WINDOW // 2), _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), axis=1)) ** 2 @ _filters()
    level = 10 * np.log10(np.maximum(power, 1e-16))
    loudest = np.sort(level.max(axis=1))[-max(1, len(level) // 20)]
    audible = np.maximum(0.0, level - (loudest - _RANGE))
    changes = np.abs(np.fft.rfft(audible, _LENGTH, axis=0))
    rates = np.arange(len(changes)) * SAMPLE_RATE / (_HOP * _LENGTH)
    slow_to_fast = [
        changes[(rates >= low) & (rates < high)].mean(axis=0) * low
        for low, high in zip(_CHANGES[:-1], _CHANGES[1:], strict=True)
    ]
    values = np.diff(np.stack(slow_to_fast), axis=1).ravel().astype(np.float32)
    return values / max(float(np.linalg.norm(values)), 1e-9)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """How much of two waves is the same, at the best shift and in either polarity.

    Args:
        one: (S,) at 16 kHz.
        other: (S',) at 16 kHz.

    Returns:
        The correlation between 60 and 2000 Hz: 1 for copies; two takes of one sentence stay below 0.5.
    """
    size = 1 << (len(one) + len(other) - 1).bit_length()
    a, b = _low_band(one, size), _low_band(other, size)
    product = np.zeros(2 * len(a), a.dtype)  # twice the samples: a shift need not be of whole samples
    product[: len(a)] = a * np.conj(b)
    peak = np.abs(np.fft.irfft(product)).max() * (len(product) - 1)
    energy = np.sqrt(np.sum(np.abs(a) ** 2) * np.sum(np.abs(b) ** 2))
    return float(peak / max(float(energy), 1e-12))


def _low_band(samples: np.ndarray, size: int) -> np.ndarray:
    spectrum = np.fft.rfft(samples, size)[: size // 8 + 1]  # up to 2 kHz
    hertz = np.arange(len(spectrum)) * SAMPLE_RATE / size
    return np.where((hertz >= _WAVE[0]) & (hertz <= _WAVE[1]), spectrum, 0)


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(_WINDOW // 2 + 1, _LOWEST, _HIGHEST, _BANDS, SAMPLE_RATE).numpy()


def _signatures(rows: Sequence[Utterance], store: FeatureStore | None) -> np.ndarray:
    """(N, 480) float32, zeros for what cannot be heard; a sound that is there twice is decoded once."""
    sounds = {(row.path, row.start, row.end): row for row in rows}
    _filters()  # imported once, before the threads ask for it
    made = dict(zip(sounds, _in_threads(lambda row: _signature(row, store), list(sounds.values())), strict=True))
    return np.stack([made[row.path, row.start, row.end] for row in rows]).astype(np.float32)


def _signature(row: Utterance, store: FeatureStore | None) -> np.ndarray:
    kept = store.read(row) if store is not None else None
    if kept is not None:
        return kept.numpy()
    state = None if row.path is None else state_of(row.path)
    samples = _samples(row)
    if samples is None:
        return np.zeros((len(_CHANGES) - 1) * (_BANDS - 1), np.float16)
    made = signature(samples).astype(np.float16)
    if store is not None and store.is_of(row, state):
        with contextlib.suppress(UserError):  # a full disk: the next audit computes it again
            store.write(row, torch.from_numpy(made))
    return made


def _closest(known: np.ndarray, asked: np.ndarray) -> dict[int, list[int]]:
    """For the rows of the second matrix the few rows of the first that are alike, the likest first."""
    found: dict[int, list[int]] = {}
    step = max(1, _CELLS // len(known))
    for begin in range(0, len(asked), step):
        cosines = asked[begin : begin + step] @ known.T
        for number in np.flatnonzero(cosines.max(axis=1) >= _ALIKE):
            places = np.flatnonzero(cosines[number] >= _ALIKE)
            order = np.argsort(-cosines[number, places], kind="stable")[:_CLOSEST]
            found[begin + int(number)] = [int(place) for place in places[order]]
    return found


def _original(row: Utterance, known: Sequence[Utterance], places: Iterable[int]) -> int | None:
    samples = _samples(row)
    if samples is not None:
        for place in places:
            other = _samples(known[place])
            if other is not None and likeness(samples, other) >= _SAME:
                return place
    return None


def _samples(row: Utterance) -> np.ndarray | None:
    """The sound, or the first seconds of a long one; None for what cannot be heard."""
    assert row.path is not None
    stop = (row.start or 0.0) + _SECONDS
    try:
        return load(row.path, row.start, stop if row.end is None else min(row.end, stop))
    except AudioError:
        return None


def _in_threads(work: Callable[[_T], _R], items: list[_T]) -> Iterator[_R]:
    """Decoders and transforms let go of the interpreter, so threads are enough."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        yield from pool.map(work, items, chunksize=1)
