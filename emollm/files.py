"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from uuid import uuid4


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
