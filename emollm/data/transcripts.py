"""Transcripts for utterances that come without: written once by a transcriber, and kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from emollm.data.sounds import SoundIndex, State
from emollm.data.store import SoundStore
from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.files import write_text
from emollm.models.cache import cache_folder

if TYPE_CHECKING:
    from emollm.data.batch import Batch
    from emollm.models.transcribe import Transcriber

DEFAULT = "packaged:whisper-base"
"""The transcriber that needs neither a hub nor a GPU."""
_DECODING = "greedy 1"  # raise it when a transcriber writes something else
_CPU = torch.device("cpu")
_PIECE = 1 << 20  # bytes at both ends of a large file that tell it apart


class Transcripts(SoundStore):
    """One small file an utterance, in a folder that belongs to one transcriber.

    It is named by the sound and the language that was given; transcripts of sound without a file are written anew.

    Args:
        source: who writes: ``packaged:whisper-base``, a local folder, or a size that faster-whisper knows.
        index: what is known of sound files; None opens the one in the folder ``transcripts`` of emollm's cache,
            where they all are.
        device: where the transcriber computes, if it can.
    """

    suffix = ".json"

    def __init__(self, source: str, index: SoundIndex | None = None, device: torch.device = _CPU) -> None:
        super().__init__(cache_folder() / "transcripts", identity(source, device), index)
        self.source = source
        self.device = device

    def also(self, utterance: Utterance) -> str:
        """A transcriber that is told the language writes other words."""
        return f"|{utterance.language}"

    def recall(self, utterance: Utterance) -> Utterance:
        """The utterance with its transcript, if it has one or one was written before."""
        if utterance.transcript is not None or utterance.path is None:
            return utterance
        try:
            text = json.loads(self.file(utterance).read_text(encoding="utf-8"))["text"]
        except (OSError, ValueError, KeyError, TypeError):
            return utterance
        return replace(utterance, transcript=text)

    def write(self, utterance: Utterance, samples: np.ndarray, state: State | None = None) -> str:
        """Write down what is said, and keep it if the disk allows.

        Args:
            utterance: its language, if it is known, is told to the transcriber.
            samples: (S,) float32 at 16 kHz.
            state: of the file that they are from, before it was opened.

        Raises:
            UserError: when the transcriber cannot be loaded.
        """
        text = self._transcriber(samples, utterance.language)
        if utterance.path is not None and self.is_of(utterance, state):
            with contextlib.suppress(OSError):
                content = {"text": text, "transcriber": self.source}
                write_text(self.file(utterance), json.dumps(content, ensure_ascii=False))
        return text

    def fill(self, batch: Batch) -> Batch:
        """The batch with a transcript for every utterance; what cannot be transcribed is broken from here on.

        Raises:
            UserError: when the transcriber cannot be loaded.
        """
        if batch.waveforms is None:
            return batch
        utterances, faults = [], {}
        states = batch.states or [None] * len(batch)
        for row, (utterance, length, state) in enumerate(
            zip(batch.utterances, batch.lengths, states, strict=True)
        ):
            if utterance.transcript is None:
                text, fault = self.attempt(utterance, batch.waveforms[row, : int(length)], state)
                utterance = replace(utterance, transcript=text)
                if fault is not None:
                    faults[row] = fault
            utterances.append(utterance)
        return replace(batch, utterances=utterances).without(faults)

    def attempt(
        self, utterance: Utterance, waveform: torch.Tensor, state: State | None = None
    ) -> tuple[str | None, str | None]:
        """The transcript of a (S,) waveform, or why there is none.

        Raises:
            UserError: when the transcriber cannot be loaded.
        """
        self.load()
        try:
            return self.write(utterance, waveform.cpu().numpy(), state), None
        except Exception as error:  # CTranslate2 raises what it likes; one clip must not end the run
            reason = next(iter(str(error).splitlines()), "no reason given")
            return None, f"cannot be transcribed ({type(error).__name__}: {reason})"

    def load(self) -> None:
        """Have the transcriber ready.

        Raises:
            UserError: when it cannot be loaded.
        """
        self._transcriber  # noqa: B018

    def close(self) -> None:
        """Give the transcriber's memory back."""
        self.__dict__.pop("_transcriber", None)

    def __getstate__(self) -> dict[str, object]:
        """Workers look up; only the main process writes."""
        return {name: value for name, value in self.__dict__.items() if name != "_transcriber"}

    @cached_property
    def _transcriber(self) -> Transcriber:
        from emollm.models.transcribe import Transcriber

        try:
            return Transcriber(self.source, self.device)
        except UserError as error:
            text = str(error)
            if "data.transcriber" not in text:
                text = (
                    f"data.transcriber: {text.rstrip('.')}, or leave transcripts out with --data.transcriber none."
                )
            raise UserError(text) from error


def identity(source: str, device: torch.device = _CPU) -> str:
    """What the words of a transcriber depend on beside the sound: its weights, its precision, how it decodes.

    Of a packaged model the checksums are known; of a local folder the ends of its files are read; a name of the
    hub is taken at its word.
    """
    from emollm.models.packaged import PREFIX, find
    from emollm.models.transcribe import place

    weights: list[object] = [source]
    if source.startswith(PREFIX):
        weights = [(file.name, file.sha256) for file in find(source).files]
    elif Path(source).is_dir():
        weights = [(file.name, *_ends(file)) for file in sorted(Path(source).iterdir()) if file.is_file()]
    *_, precision = place(device)
    return json.dumps([_DECODING, precision, weights])


def _ends(file: Path) -> tuple[int, str]:
    """Size of a file, and the digest of its first and last bytes: all of a small one, enough of a large one."""
    with file.open("rb") as stream:
        content = stream.read(_PIECE)
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _PIECE))
        content += stream.read(_PIECE)
    return size, hashlib.sha256(content).hexdigest()
