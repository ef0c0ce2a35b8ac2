"""Words as they are compared when transcripts are measured."""

from __future__ import annotations


def plain_words(text: str) -> str:
    """Lower case, without punctuation, symbols and what stands in brackets: Whisper's basic normalisation.

    Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022, appendix C.
    """
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    return BasicTextNormalizer()(text).strip()
