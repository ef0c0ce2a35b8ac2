"""What lies below a corpus's folder, however its archives were packed and unpacked."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from emollm.data.audio import find_sound_files
from emollm.data.decode import is_pointer
from emollm.data.folders import parts_of, visible_files

_LOSSLESS = (".wav", ".wave", ".flac", ".aif", ".aiff", ".aifc", ".sph", ".nist", ".w64", ".rf64", ".au", ".caf")
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z")


def stem_of(path: PurePath) -> str:
    """The name of a file without folders and suffix."""
    return PurePath((parts_of(path) or [""])[-1]).stem


def sound_files(folder: Path) -> list[Path]:
    """Every visible sound file below a folder sorted: without loss, then others, then pointers of Git LFS."""
    return sorted(
        find_sound_files(folder), key=lambda path: (is_pointer(path), path.suffix.lower() not in _LOSSLESS)
    )


def by_stem(files: Iterable[Path]) -> dict[str, Path]:
    """Stem to file, to the first of several."""
    found: dict[str, Path] = {}
    for path in files:
        found.setdefault(stem_of(path), path)
    return found


def find_files(folder: Path, *names: str) -> list[Path]:
    """Every file below a folder that has one of the names, in any case; hidden ones are passed over."""
    wanted = {name.casefold() for name in names}
    return [path for path in visible_files(folder) if parts_of(path)[-1].casefold() in wanted]


def find_table(folder: Path, *names: str) -> Path | None:
    """The file below a folder that has one of the names, the first name first; None where there is none.

    Archives often hold a table twice. Where the two differ, a warning tells which one is read.
    """
    return first_table(find_files(folder, *names), *names)


def first_table(files: Sequence[Path], *names: str) -> Path | None:
    """As ``find_table``, among files that have one of the names."""
    for name in names:
        same = [path for path in files if parts_of(path)[-1].casefold() == name.casefold()]
        others = [path for path in same[1:] if not same_content(path, same[0])]
        if others:
            warnings.warn(
                f"{same[0]} is read; {others[0]} has the same name and another content: remove one of them.",
                stacklevel=3,
            )
        if same:
            return same[0]
    return None


def archives(folder: Path) -> list[str]:
    """What below a folder is not unpacked yet, as paths below it."""
    return [
        path.relative_to(folder).as_posix() for path in visible_files(folder) if path.suffix.lower() in _PACKED
    ]


def or_unpack(folder: Path, fix: str) -> str:
    """What to do where a corpus is not found: unpack what lies there packed, else as said."""
    packed = archives(folder)
    return f"unpack the archives there ({', '.join(packed[:3])})" if packed else fix


def tell_left_out(names: Sequence[str], what: str, fix: str) -> None:
    """Warn of what is in one half of a corpus and not in the other, so that nothing is left out in silence.

    Args:
        names: of what is left out; nothing is said of nothing.
        what: says of a table, folder or corpus what is the matter.
        fix: what to do.
    """
    if names:
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        warnings.warn(f"{what} ({len(names)}: {shown}): {fix}.", stacklevel=3)


def same_content(file: Path, other: Path) -> bool:
    """Whether two files are copies of each other, byte for byte."""
    return _content(file) == _content(other)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
