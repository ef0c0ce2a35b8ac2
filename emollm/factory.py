"""Modules from plain values: the same parser that reads YAML files builds what a checkpoint remembers."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import yaml

from emollm import weights
from emollm.errors import UserError
from emollm.modules.base import EmotionModule


def methods() -> dict[str, type[EmotionModule]]:
    """The LightningModules by the name that recipes use."""
    from emollm.modules.emotion_llm import EmotionLLM
    from emollm.modules.probe import Probe

    return {module.method: module for module in (EmotionLLM, Probe)}


def method_class(name: str) -> type[EmotionModule]:
    """The module of a method.

    Raises:
        UserError: when there is no such method.
    """
    if not isinstance(name, str) or name not in methods():  # a recipe may hold anything
        raise UserError(f"method is '{name}'; choose one of {', '.join(methods())}.")
    return methods()[name]


def build(method: str, recipe: dict[str, Any]) -> EmotionModule:
    """A module (not yet built) from the plain values of its constructor's arguments.

    Raises:
        UserError: when the values do not fit the constructor.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(method_class(method), "model")
    try:
        config = parser.parse_object({"model": deepcopy(recipe)})  # the parser writes into what it is given
    except ArgumentError as error:
        raise UserError(f"The stored recipe cannot be read: {error}") from error
    module = parser.instantiate(config).model
    module.recipe = yaml.safe_load(parser.dump(config, skip_none=False))["model"]
    return module


def load(path: str | Path | None = None, place: torch.device = torch.device("cpu")) -> EmotionModule:
    """A built module with its weights, from a checkpoint, an exported folder, or (None) the default model.

    Args:
        path: of the stored weights.
        place: the device that it is moved to.
    """
    stored = weights.read(path or weights.DEFAULT_MODEL)
    module = build(stored.specification["method"], stored.specification["model"])
    module.place = place
    weights.apply(stored, module)
    return module.eval().to(place)
