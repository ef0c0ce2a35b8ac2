"""With what a folder of results was begun, so that the same call goes on in it and another one does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from emollm import __version__
from emollm.errors import UserError
from emollm.files import write_text

State = dict[str, Any]
"""All on which results depend, as plain values."""


def state_of(args: list[str], configs: list[str], **more: Any) -> State:
    """What every call depends on: its arguments, the files that they name, and the version of emollm.

    Args:
        args: on which results depend.
        configs: paths of recipes, which stand among the arguments.
        more: what else results depend on; ``data`` is a digest of the utterances.
    """
    recipes = {path: _text(path) for path in configs}
    return {
        "arguments": args,
        **more,
        "emollm": __version__,
        "configs": recipes,
        # Templates of prompts, which a recipe or an argument names by their paths.
        "files": {path: _text(path) for path in _named(args, *map(yaml.safe_load, recipes.values()))},
    }


def begin(file: Path, state: State, leftovers: Iterable[Path], restart: bool) -> None:
    """Begin in a folder, or go on in it if it was begun with the same state.

    Args:
        file: of the state, in that folder.
        state: of this call.
        leftovers: files and folders of an earlier call, which would look like results of this one.
        restart: remove them, whatever it was begun with.

    Raises:
        UserError: when it was begun with another state.
    """
    if file.is_file() and restart:
        for old in leftovers:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    elif file.is_file() and (before := json.loads(file.read_text(encoding="utf-8"))) != state:
        raise UserError(
            f"{file.parent} was begun with {_difference(before, state)} ({file}): choose another --output, or "
            "begin anew with --restart."
        )
    write_text(file, json.dumps(state, indent=2, ensure_ascii=False) + "\n")


def _difference(before: State, state: State) -> str:
    if before.get("emollm") != state["emollm"]:
        return f"another version of emollm ({before.get('emollm', 'an early one')}, now {state['emollm']})"
    if {**before, "data": state["data"]} == state:
        return "other data" if "data" in before else "an earlier emollm, which did not keep what its data were"
    return "other arguments or another recipe, template or model"


def _text(path: str) -> str:
    return Path(path).expanduser().read_text(encoding="utf-8")


def _named(*values: Any) -> list[str]:
    """Every YAML file that is named anywhere in some plain values."""
    found: list[str] = []
    for value in values:
        if isinstance(value, dict):
            found += _named(*value.values())
        elif isinstance(value, list):
            found += _named(*value)
        elif isinstance(value, str) and (path := value.rpartition("=")[2]).endswith((".yaml", ".yml")):
            found += [path] if Path(path).expanduser().is_file() else []
    return found
