"""What must be said of some of a row's utterances or speakers, with their number, which folds add up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Remark = dict[str, Any]
"""``text`` with the places {n} and {of}, and the two numbers."""


def spoken(about: str, remarks: Iterable[Remark]) -> str:
    """A description, and behind it the remarks that hold for any."""
    return " ".join([about, *(one["text"].format(n=one["n"], of=one["of"]) for one in remarks if one["n"])])


def together(remarks: Iterable[Remark]) -> list[Remark]:
    """The remarks of several folds, those of one text as one."""
    sums: dict[str, Remark] = {}
    for one in remarks:
        known = sums.setdefault(one["text"], {"text": one["text"], "n": 0, "of": 0})
        known["n"] += one["n"]
        known["of"] += one["of"]
    return list(sums.values())
