"""Words that several messages are made of."""

from __future__ import annotations

from collections.abc import Sequence


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first names of a list that may be long, and how many there are more."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
