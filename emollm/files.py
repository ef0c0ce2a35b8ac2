"""Files that appear whole or not at all, and folders in which one process works at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from pathlib import Path
from uuid import uuid4

_LONGEST = 160  # bytes of a name; file systems take 255, and others put something in front and behind


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file at one stroke, its folder included; several processes may write the same one.

    Raises:
        OSError: when it cannot be written; nothing is left behind then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f".{uuid4().hex}.part")
    try:
        scratch.write_bytes(content)
        os.replace(scratch, file)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise


def write_text(file: Path, content: str) -> None:
    """Write a text in UTF-8 at one stroke.

    Raises:
        OSError: as ``write_bytes``.
    """
    write_bytes(file, content.encode("utf-8"))


def file_name(name: str) -> str:
    """Somebody's name for a thing, as part of a file's: what that must not hold as ``%XX``, and not too long."""
    plain = re.sub(r"[^\w.-]", lambda found: f"%{ord(found[0]):02X}", name)
    if len(plain.encode("utf-8", "replace")) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST // 4]}_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}"


def hold(folder: Path, who: str) -> int | None:
    """Wait until nobody else works in a folder, and keep it until the lock, and each of its heirs, is closed.

    Args:
        folder: must exist; the lock is a hidden file in it.
        who: may be at work there, for the line that tells of waiting.

    Returns:
        The open lock; None where the system or the file system has no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{who} is at work in {folder}: waiting.", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        os.close(lock)
        return None
    return lock
