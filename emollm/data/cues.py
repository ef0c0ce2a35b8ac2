"""The voice in words: "high pitch, fast, loud", by comparison with the same speaker's other recordings.

LLMs read such cues as they read a transcript. A number of hertz means nothing to them, nor does it across
speakers, so each recording is placed among those of its own speaker; where a speaker has few, among those of the
same gender or of the whole corpus.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emollm.data.audio import SAMPLE_RATE
from emollm.data.utterance import UtteranceTable

_FRAME, _HOP = 1024, 320  # 64 ms, which holds three periods of the lowest voice; 20 ms
_LOWEST, _HIGHEST = 60.0, 600.0  # hertz
_VOICED = -30.0  # decibels below the loudest frame; quieter frames have no pitch worth a word
_MANY = 6  # recordings from which on terciles mean something
_WORDS = {
    "pitch": ("low pitch", "medium pitch", "high pitch"),
    "variation": ("flat melody", "some melody", "lively melody"),
    "rate": ("slow", "medium pace", "fast"),
    "loudness": ("quiet", "medium loudness", "loud"),
}


@dataclass(frozen=True)
class Voice:
    """How a recording sounds; NaN where there is nothing to measure.

    Attributes:
        pitch: median fundamental frequency of the loud frames, in semitones above 55 Hz.
        variation: spread of the pitch (80 % of the frames), in semitones.
        rate: syllable-like bursts a second (onsets of energy).
        loudness: mean level of the loud frames, in decibels below full scale.
    """

    pitch: float
    variation: float
    rate: float
    loudness: float


def measure(samples: np.ndarray) -> Voice:
    """(S,) float32 at 16 kHz → pitch, variation, rate and loudness (librosa's YIN, RMS and onsets)."""
    import librosa

    level = librosa.feature.rms(y=samples, frame_length=_FRAME, hop_length=_HOP)[0]
    decibels = 20 * np.log10(np.maximum(level, 1e-6))
    loud = decibels > decibels.max() + _VOICED
    pitch = librosa.yin(samples, fmin=_LOWEST, fmax=_HIGHEST, sr=SAMPLE_RATE, frame_length=_FRAME, hop_length=_HOP)
    heard = pitch[: len(loud)][loud[: len(pitch)]]
    # YIN answers with a bound of its range where there is no period.
    heard = heard[(heard > 1.05 * _LOWEST) & (heard < 0.95 * _HIGHEST)]
    semitones = 12 * np.log2(heard / 55.0)
    onsets = librosa.onset.onset_detect(y=samples, sr=SAMPLE_RATE, hop_length=_HOP)
    low, middle, high = np.quantile(semitones, (0.1, 0.5, 0.9)) if len(semitones) > 4 else (math.nan,) * 3
    return Voice(
        pitch=float(middle),
        variation=float(high - low),
        rate=len(onsets) / (len(samples) / SAMPLE_RATE),
        loudness=float(decibels[loud].mean()),
    )


def verbalise(table: UtteranceTable, voices: Sequence[Voice | None]) -> list[str | None]:
    """The cues of each utterance in words, by terciles among comparable recordings.

    Args:
        table: N utterances.
        voices: what was measured of each; None for one that could not be read.

    Returns:
        For example ``"high pitch, lively melody, fast, loud"``; None where nothing was measured.
    """
    groups = _groups(table, voices)
    said: list[list[str]] = [[] for _ in table]
    for feature, words in _WORDS.items():
        values = np.array([math.nan if voice is None else getattr(voice, feature) for voice in voices])
        for rows in groups.values():
            known = rows[~np.isnan(values[rows])]
            if not len(known):
                continue
            bounds = np.quantile(values[known], (1 / 3, 2 / 3))
            for row in known:
                said[row].append(words[int(np.searchsorted(bounds, values[row]))])
    return [", ".join(words) or None for words in said]


def _groups(table: UtteranceTable, voices: Sequence[Voice | None]) -> dict[str, np.ndarray]:
    """Rows that are compared with each other: by speaker, by gender, or by corpus."""
    measured = [voice is not None for voice in voices]

    def sizes(names: list[str]) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for name, has in zip(names, measured, strict=True):
            counts[name] += has
        return counts

    speakers = [f"{row.corpus}/speaker {row.speaker}" if row.speaker else "" for row in table]
    genders = [f"{row.corpus}/gender {row.gender}" if row.gender else "" for row in table]
    by_speaker, by_gender = sizes(speakers), sizes(genders)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(table):
        if speakers[index] and by_speaker[speakers[index]] >= _MANY:
            groups[speakers[index]].append(index)
        elif genders[index] and by_gender[genders[index]] >= _MANY:
            groups[genders[index]].append(index)
        else:
            groups[row.corpus].append(index)
    return {name: np.array(rows) for name, rows in groups.items()}
