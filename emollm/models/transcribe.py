"""Transcripts for recordings that come without: Whisper through faster-whisper."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import torch

from emollm.errors import UserError
from emollm.wording import first_line

_CPU = torch.device("cpu")
_RENAMED = {"jv": "jw", "nb": "no", "iw": "he"}  # to Whisper's codes


def place(device: torch.device) -> tuple[str, int, str]:
    """Where and in which precision CTranslate2 computes: the GPU it is given, if it can use it, else the CPU.

    Its wheels are built for CUDA 12 and bring no cuBLAS, while those of torch may bring that of another CUDA.

    Returns:
        ``cuda`` or ``cpu``, the index of the device, and ``float16`` or ``float32``.
    """
    if device.type == "cuda" and _uses_gpus():
        return "cuda", device.index or 0, "float16"
    return "cpu", 0, "float32"


@cache
def _uses_gpus() -> bool:
    try:
        import ctranslate2
    except ImportError:  # nothing can be transcribed at all, which is said where it is tried
        return False
    try:
        usable = "float16" in ctranslate2.get_supported_compute_types("cuda")
        ctypes.CDLL("cublas64_12.dll" if os.name == "nt" else "libcublas.so.12")
    except (OSError, RuntimeError, ValueError) as error:
        print(f"Transcripts are written on the CPU: CTranslate2 cannot use the GPU ({error}).", file=sys.stderr)
        return False
    return usable


@cache
def _code(language: str | None) -> str | None:
    """Whisper's code for a language as tables write it: ``de``, ``DE``, ``de-DE``, ``German``; else None."""
    if language is None:
        return None
    from transformers.models.whisper.tokenization_whisper import LANGUAGES, TO_LANGUAGE_CODE

    word = language.strip().casefold()
    for written in (word, word.replace("_", "-").partition("-")[0]):
        if (code := _RENAMED.get(written) or TO_LANGUAGE_CODE.get(written, written)) in LANGUAGES:
            return code
    warnings.warn(
        f"Whisper knows no language '{language}' and finds out by itself what is spoken: write its codes, as de "
        "for German.",
        stacklevel=2,
    )
    return None


class Transcriber:
    """Writes down what is said, greedily, one clip at a time, so that a clip's text never depends on others.

    Args:
        source: ``packaged:whisper-tiny.en``, ``packaged:whisper-base``, a local folder in CTranslate2 format, or
            a size that faster-whisper knows (``small``), which it fetches from the hub.
        device: where to compute, if CTranslate2 can.
        language: ISO 639-1 code; None lets Whisper find out.
    """

    def __init__(self, source: str, device: torch.device = _CPU, language: str | None = None) -> None:
        from emollm.models.packaged import whisper_ctranslate2_folder

        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise UserError(
                f"data.transcriber is '{source}', which needs faster-whisper: "
                'pip install "emollm[packaged]", or leave transcripts out with --data.transcriber none.'
            ) from error
        self.source = source
        self.language = language
        name = source.removeprefix("packaged:")
        folder = whisper_ctranslate2_folder(name) if source.startswith("packaged:") else Path(source)
        try:
            # Said outright, because CTranslate2 warns when it has to turn float16 weights into float32 by itself.
            kind, index, precision = place(device)
            self._model = WhisperModel(
                str(folder) if folder.exists() else source, kind, index, compute_type=precision
            )
        except Exception as error:  # faster-whisper, CTranslate2 and the hub client raise many types
            raise UserError(
                f"The transcriber '{source}' cannot be loaded ({first_line(error)}): give a local "
                "CTranslate2 folder, packaged:whisper-base, or none in data.transcriber."
            ) from error

    def __call__(self, samples: np.ndarray, language: str | None = None) -> str:
        """(S,) float32 at 16 kHz → text."""
        segments, _ = self._model.transcribe(
            samples,
            language=_code(language or self.language),
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()
