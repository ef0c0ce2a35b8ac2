"""What is known of sound files without opening them again: the digest of their bytes, and their length."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from emollm.data.audio import AudioError, duration
from emollm.data.utterance import Utterance

FILE = "sounds.jsonl"
_JUST_NOW = 2.0  # seconds: a file that changed so lately may change again without another time stamp
_THREADS = 8
_BLOCK = 1 << 20


State = tuple[int, ...]
"""Of a file: its size, when its bytes were changed, and when anything of it was."""


class Sound(NamedTuple):
    """What is known of one sound file."""

    digest: str
    """Of its bytes: 32 hexadecimal digits."""
    seconds: float | None
    """Its length by its header; None where the header cannot be read, or does not tell."""


class SoundIndex:
    """Remembers sound files by path, size and times of change, so that a corpus is not read at every start.

    A file of one JSON array a line, which processes append to; a line that was cut off is passed over. The file
    may be deleted at any time: it only saves work.

    Args:
        file: where it lies; None remembers the latest few thousand files of this process alone, so that memory
            stays flat over any number of files.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._known: dict[str, tuple[State, Sound]] | None = {} if file is None else None

    def known(self, path: Path) -> Sound | None:
        """What is known of a file as it is now, without reading it.

        Raises:
            OSError: when there is no such file.
        """
        state, sound = self._entries().get(os.path.abspath(path), (None, None))
        return sound if state == _state(path) else None

    def sound(self, path: Path) -> Sound:
        """What is known of a file; it is read if that is nothing.

        Raises:
            OSError: when it cannot be read.
        """
        known = self.known(path)
        if known is not None:
            return known
        name, state = os.path.abspath(path), _state(path)
        sound = _examine(name, state)
        if self.file is not None and time.time() - state[1] / 1e9 > _JUST_NOW:
            self._entries()[name] = (state, sound)
            with contextlib.suppress(OSError):  # a full or locked disk: the next run reads the file again
                self._append(name, state, sound)
        return sound

    def seconds(self, utterance: Utterance) -> float:
        """Length of an utterance, from memory or from its header.

        What cannot be read counts nothing here; the run reports it.
        """
        if utterance.path is None:
            return 0.0
        end = utterance.end
        if end is None:
            try:
                known = self.known(utterance.path)
                end = known.seconds if known is not None else duration(utterance.path)
            except (OSError, AudioError):
                return 0.0
        return max(0.0, (end or 0.0) - (utterance.start or 0.0))

    def all_seconds(self, utterances: Iterable[Utterance]) -> list[float]:
        """Length of each utterance, headers read side by side, as file systems far away need it."""
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(self.seconds, utterances))

    def _entries(self) -> dict[str, tuple[int, int, Sound]]:
        if self._known is None:
            entries = {}
            lines = self.file.read_bytes().splitlines() if self.file is not None and self.file.is_file() else []
            for line in lines:
                with contextlib.suppress(ValueError, TypeError):
                    name, *state, digest, seconds = json.loads(line)
                    entries[name] = (tuple(state), Sound(digest, seconds))
            self._known = entries  # at one stroke, as threads may ask at once
        return self._known

    def _append(self, name: str, state: State, sound: Sound) -> None:
        assert self.file is not None
        self.file.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps([name, *state, *sound]) + "\n"
        # One write in append mode: the system puts it behind whatever other processes wrote.
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def state_of(path: Path) -> State | None:
    """State of a file; None where it cannot be seen."""
    try:
        return _state(path)
    except OSError:
        return None


def _state(path: Path) -> State:
    found = path.stat()
    # The last one no program can set back, as cp -p, rsync and tar do with the one before.
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=1 << 12)
def _examine(name: str, state: State) -> Sound:
    """Read a file once, even where thousands of utterances are stretches of it."""
    digest = hashlib.sha256()
    with open(name, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    try:
        seconds = duration(name)
    except AudioError:
        seconds = None
    return Sound(digest.hexdigest()[:32], seconds)
