"""Small files on disk, one an utterance, named by what was heard: the ground of the caches."""

from __future__ import annotations

import hashlib
from pathlib import Path

from emollm.data.sounds import FILE, SoundIndex, State, state_of
from emollm.data.utterance import Utterance

_FORMAT = 2


class SoundStore:
    """One small file an utterance, in a folder that belongs to one way of listening.

    A file is named by what was heard (the sound's bytes and the stretch of it) and its folder by who heard it, so
    nothing can be stale. Files appear whole or not at all; processes and runs share them, and a run that is killed
    leaves whole files behind.

    Args:
        folder: of all such stores.
        settings: what the content depends on beside the sound.
        index: what is known of sound files; None opens the one in the folder.
    """

    suffix: str
    """Ending of the files."""

    def __init__(self, folder: Path, settings: str, index: SoundIndex | None = None) -> None:
        self.folder = folder / hashlib.sha256(f"{_FORMAT}|{settings}".encode()).hexdigest()[:16]
        self.index = index or SoundIndex(folder / FILE)

    def file(self, utterance: Utterance) -> Path:
        """Where the content of an utterance is, or will be.

        Raises:
            OSError: when the sound cannot be read.
        """
        assert utterance.path is not None
        # By its sound, not by the utterance's key: an ablation lends an utterance another's sound.
        sound = self.index.sound(utterance.path)
        heard = f"{sound.digest}|{utterance.start}|{utterance.end}{self.also(utterance)}"
        if utterance.speed != 1:
            heard += f"|{utterance.speed:g} times as fast"
        name = hashlib.sha256(heard.encode()).hexdigest()[:32]
        return self.folder / name[:2] / f"{name[2:]}{self.suffix}"

    def is_of(self, utterance: Utterance, state: State | None) -> bool:
        """Whether an utterance's file is still the one that was opened; under another's name nothing is kept.

        Args:
            utterance: whose content is to be kept.
            state: of the file before it was opened; None where nobody looked.
        """
        return state is None or utterance.path is None or state_of(utterance.path) == state

    def also(self, utterance: Utterance) -> str:
        """What else of an utterance the content depends on."""
        return ""
