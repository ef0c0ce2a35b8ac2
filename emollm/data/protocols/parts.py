"""The three parts of a split, and the words that tables use for them."""

from __future__ import annotations

from typing import Literal

Part = Literal["train", "validation", "test"]

_WORDS: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "tr"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development"),
    "test": ("test", "testing", "tst", "eval", "evaluation"),
}
_PARTS = {word: part for part, words in _WORDS.items() for word in words}


def part_of(word: str) -> Part | None:
    """The part that a word means, in any case: ``Dev`` is ``validation``; None for other words."""
    return _PARTS.get(word.strip().casefold())
