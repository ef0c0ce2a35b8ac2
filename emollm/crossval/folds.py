"""The folds of a recipe, found without making its model."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser

from emollm.arguments import classes_in_flags, fault_of, in_turn, pairs, read_yaml
from emollm.data.datamodule import EmotionData
from emollm.data.digest import digest
from emollm.data.validate import check
from emollm.errors import UserError


@dataclass
class Folds:
    """The folds of a recipe's protocol.

    Attributes:
        names: every value of ``fold`` as it is written on a command line.
        flag: whether the protocol takes one.
        data: a digest of the table.
    """

    names: list[str]
    flag: bool
    data: str


def folds_of(args: Sequence[str]) -> Folds:
    """Ask the protocol of a recipe for its folds, and try the first; the corpora are read, no model is made.

    Args:
        args: the arguments of a fit, of which the data and the labels count.

    Raises:
        UserError: when the data part cannot be made or read, or the protocol cannot split the table.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action=ActionConfigFile)
    parser.add_class_arguments(EmotionData, "data", sub_configs=True)
    parsed: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        recipes = [read_yaml(value) for name, value in pairs(args) if name in ("--config", "-c")]
        configs = iter(in_turn([*recipes, classes_in_flags(args)]))
        for index, (name, value) in enumerate(pairs(args)):
            if name in ("--config", "-c"):
                file = Path(scratch) / f"{index}.yaml"
                file.write_text(yaml.safe_dump(_data_of(next(configs), value)), encoding="utf-8")
                parsed += ["--config", str(file)]
            elif name == "--model.labels":
                parsed.append(f"--data.labels={value}")
            elif name == "--data" or name.startswith("--data."):
                parsed.append(f"{name}={value}")
        try:
            data: EmotionData = parser.instantiate_classes(parser.parse_args(parsed)).data
        except ArgumentError as error:
            raise UserError(f"{fault_of(error)}. 'emollm fit --help' shows every option.") from error
    table = data.utterances()
    folds = data.protocol.folds(table)
    flag = hasattr(data.protocol, "fold") and len(folds) > 1
    tried = copy.copy(data.protocol)
    if flag:  # whatever fold the recipe names: it is replaced in every run
        tried.fold = folds[0]
    tried.split(table)
    # A label outside of the set would end each fold by itself, one of them after its fit.
    check(table.where(lambda row: row.label is not None), data.labels, False, False)
    return Folds([str(fold) for fold in folds], flag, digest(table))


def _data_of(recipe: dict[str, Any], path: str) -> dict[str, Any]:
    """The data part of a recipe alone, with the labels that it has from the model, without the fold it names.

    Raises:
        UserError: when one of both parts is no mapping.
    """
    for part in ("data", "model"):
        if not isinstance(recipe.get(part) or {}, dict):
            raise UserError(f"{path}: '{part}' must be a mapping of options, and is {recipe[part]!r}.")
    values = copy.deepcopy(recipe.get("data") or {})
    labels = (recipe.get("model") or {}).get("labels")
    arguments = protocol.get("init_args") if isinstance(protocol := values.get("protocol"), dict) else None
    if isinstance(arguments, dict):
        arguments.pop("fold", None)  # every fold is asked for by name; a flag may leave fewer than it says
    return {"data": values if labels is None else {**values, "labels": labels}}
