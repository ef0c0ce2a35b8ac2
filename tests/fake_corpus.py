"""A small corpus in RAVDESS's true layout, made of tones: each emotion has a pitch, so models can learn it."""

from pathlib import Path

import numpy as np
import soundfile

ACTORS = ("01", "02", "03", "04")


def write_ravdess(root: Path, actors: tuple[str, ...] = ACTORS, emotions: int = 8) -> Path:
    """Every emotion by every actor; actor 01 is in EmoBox's first test fold."""
    for actor in actors:
        folder = root / f"Actor_{actor}"
        folder.mkdir(parents=True, exist_ok=True)
        for emotion in range(1, emotions + 1):
            name = f"03-01-{emotion:02d}-01-01-01-{actor}.wav"
            seconds = 0.3 + 0.05 * int(actor) + 0.02 * emotion
            soundfile.write(folder / name, tone(150 * emotion, seconds, seed=int(actor)), 16_000)
    return root


def tone(hertz: float, seconds: float, seed: int = 0) -> np.ndarray:
    """A sine with a little noise."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(seed).normal(scale=0.01, size=time.shape)
    return (0.3 * np.sin(2 * np.pi * hertz * time) + noise).astype(np.float32)
