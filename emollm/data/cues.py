"""The voice in words: "high pitch, lively melody, fast, loud", next to the same speaker's other recordings.

LLMs read such cues as they read a transcript (Wu et al., "Beyond Silent Letters: Amplifying LLMs in Emotion
Recognition with Vocal Nuances", 2024). Hertz and decibels mean nothing to them, nor are they comparable across
speakers, so each recording is placed among those of its own speaker. This is not one clip at a time: the cues of a
recording depend on the other recordings of its part, or of what is predicted on, whose labels are never looked at.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emollm.data.audio import SAMPLE_RATE
from emollm.data.utterance import Utterance, UtteranceTable

_FRAME, _HOP = 1024, 320  # 64 ms, which holds three periods of the lowest voice; 20 ms
_BANDS = 40  # mel bands, whose energies tell of onsets
_LOWEST, _HIGHEST = 60.0, 600.0  # hertz
_HEARD = -30.0  # decibels below the loudest frame; quieter frames have no pitch worth a word
_FEW = 5  # frames with a pitch, of which quantiles mean nothing
_MANY = 6  # recordings from which on terciles mean something
_WORDS = {
    "pitch": ("low pitch", "medium pitch", "high pitch"),
    "melody": ("flat melody", "some melody", "lively melody"),
    "pace": ("slow", "medium pace", "fast"),
    "loudness": ("quiet", "medium loudness", "loud"),
}


@dataclass(frozen=True)
class Voice:
    """How a recording sounds; NaN where there is nothing to measure.

    Attributes:
        pitch: median fundamental frequency of the loud frames, in semitones above 55 Hz.
        melody: width of the middle 80 % of that pitch, in semitones.
        pace: onsets of energy, about one a syllable, a second between the first loud frame and the last.
        loudness: mean level of the loud frames, in decibels below full scale.
    """

    pitch: float
    melody: float
    pace: float
    loudness: float


def measure(samples: np.ndarray) -> Voice:
    """Pitch (YIN, de Cheveigné and Kawahara, JASA 2002), melody, pace and loudness of a recording.

    Args:
        samples: (S,) float32 at 16 kHz.
    """
    import librosa

    level = librosa.feature.rms(y=samples, frame_length=_FRAME, hop_length=_HOP)[0]
    decibels = 20 * np.log10(np.maximum(level, 1e-6))
    loud = decibels > decibels.max() + _HEARD
    first, last = np.flatnonzero(loud)[[0, -1]]
    pitch = librosa.yin(samples, fmin=_LOWEST, fmax=_HIGHEST, sr=SAMPLE_RATE, frame_length=_FRAME, hop_length=_HOP)
    heard = pitch[: len(loud)][loud[: len(pitch)]]
    # YIN answers with a bound of its range where there is no period.
    heard = heard[(heard > 1.05 * _LOWEST) & (heard < 0.95 * _HIGHEST)]
    low, middle, high = (math.nan,) * 3
    if len(heard) >= _FEW:
        low, middle, high = np.quantile(12 * np.log2(heard / 55.0), (0.1, 0.5, 0.9)).tolist()
    # Wider frames or more bands than these would not fit a tenth of a second, or would leave bands empty.
    rises = librosa.onset.onset_strength(y=samples, sr=SAMPLE_RATE, hop_length=_HOP, n_fft=_FRAME, n_mels=_BANDS)
    onsets = librosa.onset.onset_detect(onset_envelope=rises, sr=SAMPLE_RATE, hop_length=_HOP)
    return Voice(
        pitch=middle,
        melody=high - low,
        pace=len(onsets) / ((last - first + 1) * _HOP / SAMPLE_RATE),
        loudness=float(decibels[loud].mean()),
    )


def with_cues(table: UtteranceTable, voices: Sequence[Voice | None]) -> UtteranceTable:
    """The table with the cues of each utterance in words, by terciles among comparable recordings.

    These are the recordings of the same speaker if there are at least six, else those of the same gender in the
    same corpus, else those of the corpus, else all; among less than six in all, nothing can be said.

    Args:
        table: N utterances; cues that are there stay.
        voices: what was measured of each; None for one that could not be read.
    """
    values = np.array([[getattr(voice, name, math.nan) for name in _WORDS] for voice in voices])
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, (row, voice) in enumerate(zip(table, voices, strict=True)):
        if voice is not None:
            for group in _groups(row):
                groups[group].append(index)
    bounds: dict[tuple[str, ...], np.ndarray] = {}
    rows = []
    for index, (row, voice) in enumerate(zip(table, voices, strict=True)):
        group = next((group for group in _groups(row) if len(groups[group]) >= _MANY), None)
        if row.cues is not None or voice is None or group is None:
            rows.append(row)
            continue
        if group not in bounds:
            bounds[group] = np.stack([_terciles(column) for column in values[groups[group]].T])
        rows.append(replace(row, cues=_in_words(values[index], bounds[group])))
    return UtteranceTable(rows)


def _groups(row: Utterance) -> list[tuple[str, ...]]:
    """With whom a recording may be compared, the closest first."""
    speaker = [("speaker", row.corpus, row.speaker)] if row.speaker else []
    gender = [("gender", row.corpus, row.gender)] if row.gender else []
    return [*speaker, *gender, ("corpus", row.corpus), ("all",)]


def _terciles(values: np.ndarray) -> np.ndarray:
    """(N,) → its two terciles, NaN where nothing was measured."""
    known = values[~np.isnan(values)]
    return np.quantile(known, (1 / 3, 2 / 3)) if len(known) else np.full(2, math.nan)


def _in_words(values: np.ndarray, bounds: np.ndarray) -> str:
    """A value at a bound is in the middle, and so is every value where all are equal."""
    said = [
        words[1 + int(value > high) - int(value < low)]
        for words, value, (low, high) in zip(_WORDS.values(), values, bounds, strict=True)
        if not math.isnan(value)
    ]
    return ", ".join(said)
