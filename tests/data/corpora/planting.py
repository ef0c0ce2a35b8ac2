"""Small true trees of corpora for the tests of their readers."""

import numpy as np
import soundfile


def plant(root, *names):
    """Empty files: most readers look at names only."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return str(root)


def save(path, text, encoding="utf-8"):
    """A text file in a given encoding."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return str(path)


def record(path, seconds=0.2, rate=16000):
    """A tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * 220 * time), rate)
    return path
