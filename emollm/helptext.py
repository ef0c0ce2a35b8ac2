"""The help of a verb, kept on disk: to write it, Lightning's classes must be imported, which takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from emollm.models.cache import cache_folder


def show(verb: str, write: Callable[[], object]) -> None:
    """Print the help of a verb.

    It is written anew for another terminal width and whenever emollm, Lightning or jsonargparse changed.

    Args:
        verb: whose help is asked for.
        write: prints it.
    """
    file = cache_folder() / "help" / f"{verb}-{_state()}.txt"
    if not file.is_file():
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            write()
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            scratch = file.with_suffix(f".{os.getpid()}.part")
            scratch.write_text(text.getvalue(), encoding="utf-8")
            os.replace(scratch, file)
        print(text.getvalue(), end="")
        return
    print(file.read_text(encoding="utf-8"), end="")


def _state() -> str:
    """What the help depends on, in short."""
    sources = [f"{path}{path.stat().st_mtime_ns}" for path in sorted(Path(__file__).parent.rglob("*.py"))]
    versions = [version(name) for name in ("lightning", "jsonargparse")]
    width = str(shutil.get_terminal_size().columns)
    return hashlib.sha256("|".join([*sources, *versions, width]).encode()).hexdigest()[:12]
