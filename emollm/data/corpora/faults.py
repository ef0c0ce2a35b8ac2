"""Faults of a corpus, told all at once: nobody wants to mend a table one row an hour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emollm.errors import UserError

_SHOWN = 20


class Faults:
    """Collects what is wrong with a corpus while it is read to its end."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, fault: str) -> None:
        """One sentence that names file, field and fix."""
        self.found.append(fault)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Within it, a ``UserError`` is a fault among others, and what follows it is left out."""
        try:
            yield
        except UserError as error:
            self.add(str(error))

    def check(self) -> None:
        """Refuse the corpus if there was any fault.

        Raises:
            UserError: with all of them, each on a line of its own.
        """
        if len(self.found) == 1:
            raise UserError(self.found[0])
        if self.found:
            lines = [f"There are {len(self.found)} faults:", *(f"- {fault}" for fault in self.found[:_SHOWN])]
            if len(self.found) > _SHOWN:
                lines.append(f"- and {len(self.found) - _SHOWN} more")
            raise UserError("\n".join(lines))
