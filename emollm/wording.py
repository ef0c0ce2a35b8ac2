"""Words that several messages are made of."""

from __future__ import annotations

from collections.abc import Sequence


def seconds(value: float) -> str:
    """To the microsecond, without zeros at the end: stretches of hours differ by that."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first names of a list that may be long, and how many there are more."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def first_line(error: BaseException) -> str:
    """What an error of another library says in its first line, or its kind where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
