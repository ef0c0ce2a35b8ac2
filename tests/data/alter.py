"""Speech-like sounds, and what happens to recordings on their way from one folder to another."""

import numpy as np
import soundfile
import soxr

RATE = 16_000


def voice(seed, seconds=2.5):
    """A sound with the pitch, syllables and formants of nobody in particular."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    at = np.linspace(0, 1, count)

    def curve(points, low, high):
        return np.interp(at, np.linspace(0, 1, points), rng.uniform(low, high, points))

    phase = 2 * np.pi * np.cumsum(curve(8, 90, 250)) / RATE
    formants = [curve(12, low, high) for low, high in ((300, 800), (900, 2200), (2300, 3200))]
    pitch = np.gradient(phase) * RATE / (2 * np.pi)
    sound = sum(
        np.sin(k * phase) * sum(np.exp(-(((k * pitch - f) / 150) ** 2)) for f in formants) for k in range(1, 20)
    )
    sound *= np.interp(at, np.linspace(0, 1, 25), rng.uniform(0, 1, 25) ** 2)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def write(path, sound, rate=RATE, **options):
    soundfile.write(path, sound if rate == RATE else soxr.resample(sound, RATE, rate), rate, **options)


def _noise(sound, decibels, rng):
    scale = np.sqrt(np.mean(sound**2)) * 10 ** (-decibels / 20)
    return sound + scale * rng.standard_normal(len(sound)).astype(np.float32)


def _pad(sound, rng):
    return np.pad(sound, rng.integers(RATE // 10, RATE, 2))


def _trim(sound, rng):
    """Without up to a second of what is soft at either end."""
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
    begin, end = rng.integers(RATE // 10, RATE, 2)
    return sound[min(begin, loud[0]) : max(len(sound) - end, loud[-1] + 1)]


ALTERATIONS = {
    "mp3": lambda path, x, rng: write(f"{path}.mp3", x),
    "mp3 of the lowest rate": lambda path, x, rng: write(f"{path}.mp3", x, compression_level=0.99),
    "mp3 at 44.1 kHz": lambda path, x, rng: write(f"{path}.mp3", x, 44_100),
    "ogg": lambda path, x, rng: write(f"{path}.ogg", x),
    "ogg of the lowest rate": lambda path, x, rng: write(f"{path}.ogg", x, compression_level=1.0),
    "opus": lambda path, x, rng: write(f"{path}.opus", x, format="OGG", subtype="OPUS"),
    "opus of the lowest rate": lambda path, x, rng: write(
        f"{path}.opus", x, format="OGG", subtype="OPUS", compression_level=1.0
    ),
    "8 kHz": lambda path, x, rng: write(f"{path}.wav", x, 8000),
    "8 kHz, u-law": lambda path, x, rng: write(f"{path}.wav", x, 8000, subtype="ULAW"),
    "20 dB softer": lambda path, x, rng: write(f"{path}.wav", 0.1 * x),
    "as loud as can be": lambda path, x, rng: write(f"{path}.wav", x / np.abs(x).max()),
    "clipped": lambda path, x, rng: write(f"{path}.wav", np.clip(2 * x / np.abs(x).max(), -1, 1)),
    "padded": lambda path, x, rng: write(f"{path}.wav", _pad(x, rng)),
    "trimmed": lambda path, x, rng: write(f"{path}.wav", _trim(x, rng)),
    "noise at 30 dB": lambda path, x, rng: write(f"{path}.wav", _noise(x, 30, rng), subtype="FLOAT"),
    "noise at 20 dB": lambda path, x, rng: write(f"{path}.wav", _noise(x, 20, rng), subtype="FLOAT"),
    "all of it": lambda path, x, rng: write(f"{path}.mp3", _noise(_pad(0.3 * x, rng), 20, rng), 8000),
}
"""Name to a function that saves a sound again; it gets a path without a suffix."""
