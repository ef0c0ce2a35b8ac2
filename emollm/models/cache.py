"""The user's cache: folders that are built once, by one process, and are either whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from emollm.errors import UserError

SEAL = "emollm_source.json"
_LEFTOVER = ".partial"


def cache_folder() -> Path:
    """The folder for what emollm makes once and keeps: ``EMOLLM_CACHE``, else the XDG cache folder."""
    chosen = os.environ.get("EMOLLM_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("emollm", appauthor=False)


def is_whole(folder: Path, origin: dict[str, str]) -> bool:
    """Whether ``folder`` was built from ``origin`` and every file it was sealed with is still there in full.

    Args:
        folder: a folder that ``build_once`` may have made.
        origin: what the folder is made from (checksums, version of the converter).
    """
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        return seal["origin"] == origin and all(
            (folder / name).stat().st_size == size for name, size in seal["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def build_once(folder: Path, origin: dict[str, str], fill: Callable[[Path], None], notice: str) -> Path:
    """Build ``folder`` unless it is whole already; a killed or second process does no harm.

    The files are written into a folder beside it that takes the final name only when all of them are on the
    disk, under a lock. What a killed process left behind is removed by the next one that holds the lock.

    Args:
        folder: where the result goes.
        origin: what it is made from; a folder made from something else is built anew.
        fill: writes the files into the (empty) folder it is given.
        notice: the line for stderr when there is something to do.

    Returns:
        ``folder``.

    Raises:
        UserError: the cache cannot be written.
    """
    if is_whole(folder, origin):
        return folder
    from filelock import FileLock
    from safetensors import SafetensorError

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if is_whole(folder, origin):
                return folder
            _remove_leftovers(folder)
            print(notice, file=sys.stderr, flush=True)
            fresh = folder.with_name(f".{folder.name}.new{_LEFTOVER}")
            fresh.mkdir()
            try:
                fill(fresh)
                _seal(fresh, origin)
                if folder.exists():
                    os.replace(folder, folder.with_name(f".{folder.name}.old{_LEFTOVER}"))
                os.replace(fresh, folder)
            finally:
                _remove_leftovers(folder)
    except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
        raise UserError(
            f"The cache folder {folder.parent} cannot be written ({getattr(error, 'strerror', None) or error}): "
            "make room there, or set EMOLLM_CACHE to a folder that you may write to."
        ) from error
    return folder


def _seal(folder: Path, origin: dict[str, str]) -> None:
    """Write down what the folder holds, and wait until the disk holds it too (a power cut is a kill as well)."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    seal = folder / SEAL
    seal.write_text(json.dumps({"origin": origin, "files": sizes}, indent=2) + "\n", encoding="utf-8")
    mode = seal.stat().st_mode  # safetensors writes for the owner alone; a shared cache is to be read by all
    for path in [*files, seal]:
        path.chmod(mode)
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _remove_leftovers(folder: Path) -> None:
    """Remove half-made and outdated folders; only the holder of the lock may call this."""
    for name in ("new", "old"):
        shutil.rmtree(folder.with_name(f".{folder.name}.{name}{_LEFTOVER}"), ignore_errors=True)
