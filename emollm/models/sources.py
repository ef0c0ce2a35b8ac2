"""Where weights come from: one string names a hub id, a local folder or a packaged model."""

from __future__ import annotations

import os
from pathlib import Path

from emollm.errors import UserError
from emollm.models.cache import cache_folder
from emollm.models.load_errors import readable_errors

__all__ = ["cache_folder", "readable_errors", "resolve"]


def resolve(source: str) -> str:
    """What to hand to ``from_pretrained`` for a source.

    Args:
        source: ``packaged:NAME``, a local folder (``~`` is understood), or a hub id as in
            ``microsoft/wavlm-large``.

    Returns:
        The absolute path of an ordinary Hugging Face folder, or the hub id unchanged. A packaged model is
        converted on first use.

    Raises:
        UserError: an unknown packaged model, a path where nothing lies, or a folder without config.json.
    """
    from emollm.models.packaged import PREFIX, prepare

    if source.startswith(PREFIX):
        return str(prepare(source))
    path = Path(source).expanduser()
    if source and path.exists():
        if not (path / "config.json").is_file():
            raise UserError(
                f"{source!r} is here but is no Hugging Face model folder: it has no config.json; "
                "give the folder that save_pretrained wrote."
            )
        return str(path.absolute())
    if not source or _looks_like_a_path(source):
        raise UserError(
            f"There is no folder {source!r}: give an existing model folder, a hub id such as "
            "microsoft/wavlm-large, or a packaged model such as packaged:whisper-base."
        )
    return source


def _looks_like_a_path(source: str) -> bool:
    """A hub id is NAME or OWNER/NAME and begins with a letter or a digit; all else is meant as a path."""
    return (
        source[0] in "./~" or source.count("/") > 1 or source.endswith("/") or (os.sep != "/" and os.sep in source)
    )
