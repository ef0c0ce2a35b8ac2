"""JSON files beside the recordings, in which nothing that is there twice is lost in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emollm.data.corpora.rows import keep_first
from emollm.data.corpora.text import read_text
from emollm.errors import UserError


def read_json(file: Path, contradicted: list[str], fallback: str = "cp1252") -> Any:
    """What a file holds; of an object's keys that are there twice the first counts.

    Args:
        file: the JSON file, in any common encoding.
        contradicted: is told of keys that are there again with other content: Python's own reader takes the last.
        fallback: the encoding of what is no UTF-8.

    Raises:
        UserError: when it cannot be read or is not JSON.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        contradicted.extend(f"{file}, {name}" for name, value in pairs if not keep_first(found, name, value))
        return found

    try:
        return json.loads(read_text(file, fallback), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise UserError(f"{file}, line {error.lineno}: not JSON ({error.msg}).") from error
