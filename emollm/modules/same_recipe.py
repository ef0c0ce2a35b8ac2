"""What of a recipe must be as it was when the weights were trained, beside what their names and shapes tell."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emollm.data.labels import canonical
from emollm.errors import UserError

Recipe = Mapping[str, Any]

_HEARS = ("whisper_padding", "trim_db")
"""Of the backbone: how it is given its sound, which may be changed on purpose."""
_SHARE = "share"
"""Of a vote: it may be changed on purpose too."""


def check_recipe(mine: Recipe, theirs: Recipe) -> None:
    """Hold a model's recipe against that of the weights it is given.

    Other layers of the backbone, or another stride of the interface, have the same shapes and mean something else.

    Args:
        mine: of the model; what it does not name is not compared.
        theirs: of the stored weights.

    Raises:
        UserError: when the weights would be used for something else than they were trained for.
    """
    for name, now, then in _differences(mine, theirs):
        if name.rpartition(".")[2] in (*_HEARS, _SHARE):
            warnings.warn(
                f"model.{name} is {now}, and the checkpoint was trained with {then}: scores will differ.",
                stacklevel=2,
            )
        else:
            raise UserError(
                f"model.{name} is {now}, and the checkpoint was trained with {then}: give that, or leave the "
                "option out; a checkpoint remembers it."
            )


def check_adapter(mine: Recipe, theirs: Recipe) -> None:
    """Hold the scale of a model's adapter against that of the weights it is given: no name or shape tells it.

    Args:
        mine: the recipe of the model; what it does not name is not compared.
        theirs: of the stored weights.

    Raises:
        UserError: when it is another one.
    """
    now, then = ((recipe.get("llm") or {}).get("adapter") or {} for recipe in (mine, theirs))
    scales = then.get("kind", "lora") in ("lora", "dora")
    if scales and "alpha" in now and "alpha" in then and now["alpha"] != then["alpha"]:
        raise UserError(
            f"model.llm.adapter.alpha is {now['alpha']}, and the checkpoint was trained with {then['alpha']}: "
            "give that, or leave the option out; a checkpoint remembers it."
        )


def check_layers(mine: Sequence[int] | None, theirs: Sequence[int] | None) -> None:
    """Hold the layers that a model hears against those of the weights it is given, however recipes count them.

    Raises:
        UserError: when they are others; nothing is said where either hears nothing, or an early emollm kept none.
    """
    if mine is not None and theirs is not None and list(mine) != list(theirs):
        raise UserError(
            f"model.backbone.layers are {list(mine)}, counted from the first, and the checkpoint was trained with "
            f"{list(theirs)}: give those, or leave the option out; a checkpoint remembers them."
        )


def check_labels(mine: Sequence[str], theirs: Sequence[str]) -> None:
    """Hold a head's labels against those of the weights it is given: the same number in another order would fit.

    Raises:
        UserError: when they are others, or in another order.
    """
    if list(map(canonical, mine)) != list(map(canonical, theirs)):
        raise UserError(
            f"model.labels are {', '.join(mine)}, and the checkpoint's head answers {', '.join(theirs)}, in that "
            "order: give those, or leave the option out; a checkpoint remembers them."
        )


def _differences(mine: Recipe, theirs: Recipe) -> Iterator[tuple[str, Any, Any]]:
    """Name, value now, and value then, of what differs."""
    parts = [("layers", mine, theirs)]
    parts += [(f"backbone.{name}", *_both("backbone", mine, theirs)) for name in ("layers", *_HEARS)]
    parts.append((f"vote.{_SHARE}", *_both("vote", mine, theirs)))
    interface = _both("interface", mine, theirs)
    parts.append(("interface.class_path", *interface))
    options = _both("init_args", *interface)
    # Dropout is for training alone, and may be another one in a run that goes on.
    parts += [(f"interface.init_args.{name}", *options) for name in options[1] if name != "dropout"]
    for name, now, then in parts:
        key = name.rpartition(".")[2]
        if name == "backbone.layers" and _from_the_end(now.get(key), then.get(key)):
            continue  # only the backbone knows which ones these are
        if key in now and key in then and _plain(now[key]) != _plain(then[key]):
            yield name, now[key], then[key]


def _plain(value: Any) -> Any:
    """Layers in ascending order, however they are written."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    return sorted(value) if isinstance(value, list) and all(isinstance(one, int) for one in value) else value


def _from_the_end(*layers: Any) -> bool:
    return any(one == "all" or (one is not None and min(_plain(one)) < 0) for one in layers)


def _both(name: str, mine: Recipe, theirs: Recipe) -> tuple[Recipe, Recipe]:
    return mine.get(name) or {}, theirs.get(name) or {}
