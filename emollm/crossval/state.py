"""What a cross-validation was begun with, so that the same call goes on in its folder and another one does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from emollm import __version__
from emollm.errors import UserError
from emollm.files import write_text

STATE = "crossval.json"
_FIGURES = ("confusion_*", "reliability", "emotions", "speakers", "folds", "corpora")
PICTURES = ("events.out.tfevents.*", *(f"{name}.png" for name in _FIGURES))
"""Patterns of what the report writes besides its numbers."""
_WRITTEN = ("predictions.csv", "metrics.json", "report.html", *PICTURES)
"""By the report, into the output folder."""


def state_of(args: list[str], configs: list[str], tests: Mapping[str, str | None]) -> dict[str, Any]:
    """All on which a fold's numbers depend; which folds and seeds are wanted may differ from call to call.

    Args:
        args: of the fits.
        configs: paths of their recipes, which stand among the arguments.
        tests: what is asked of the tests alone, by option.
    """
    recipes = {path: _text(path) for path in configs}
    return {
        "arguments": args,
        **tests,
        "emollm": __version__,
        "configs": recipes,
        # Templates of prompts, which a recipe or an argument names by their paths.
        "files": {path: _text(path) for path in _named(args, *map(yaml.safe_load, recipes.values()))},
    }


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


def begin(output: Path, state: dict[str, Any], restart: bool) -> None:
    """Begin in the output folder, or go on in it if it was begun with the same arguments.

    Raises:
        UserError: when it was begun with others.
    """
    file = output / STATE
    if file.is_file() and restart:
        for folder in output.glob("fold_*"):
            shutil.rmtree(folder)
        for name in _WRITTEN:  # it would look like the result of the new call
            for old in output.glob(name):
                old.unlink()
    elif file.is_file() and (before := json.loads(file.read_text(encoding="utf-8"))) != state:
        what = "other arguments or another recipe or template"
        if {**before, "data": state["data"]} == state:
            what = "other data" if "data" in before else "an earlier emollm, which did not keep what its data were"
        if before.get("emollm") != state["emollm"]:
            what = f"another version of emollm ({before.get('emollm', 'an early one')}, now {state['emollm']})"
        raise UserError(
            f"{output} was begun with {what} ({file}): choose another --output, or begin anew with --restart."
        )
    elif not file.is_file() and any(output.glob("fold_*")):
        raise UserError(f"{output} holds folds, but no {STATE}: choose another --output.")
    write_text(file, json.dumps(state, indent=2, ensure_ascii=False) + "\n")
