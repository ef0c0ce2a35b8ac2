"""What lies below a folder, as a user sees it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePath


def visible_files(folder: str | Path) -> Iterator[Path]:
    """Every file below a folder in sorted order; links are followed, what a system hides is passed over.

    Hidden are names with a dot in front (``._a.wav``, as a Mac leaves them) and ``__MACOSX``. A folder that may
    not be looked into is warned of.
    """
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=_tell_closed, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        yield from (Path(place, name) for name in sorted(names) if not _hidden(name))


def parts_of(path: PurePath) -> list[str]:
    r"""The folders of a path and its name.

    Zip archives made on Windows unpack elsewhere into files that are *named* ``Actor_01\03-01-….wav``.
    """
    return [name for part in path.parts for name in part.split("\\")]


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in parts_of(PurePath(name)))


def _tell_closed(error: OSError) -> None:
    """Warn of what ``os.walk`` would pass over."""
    warnings.warn(
        f"{error.filename} cannot be read ({error.strerror}), and what lies in it is left out.", stacklevel=3
    )
