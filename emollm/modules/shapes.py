"""Stored weights against a model's own: whether they have the same shapes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from emollm.errors import UserError


def check_shapes(mine: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> None:
    """Hold the shapes of stored weights against a model's; names that it does not have are somebody else's fault.

    Raises:
        UserError: when a shape differs, as with another width of the interface, or another number of labels.
    """
    other = sorted(name for name in stored if name in mine and mine[name].shape != stored[name].shape)
    if other:
        name = other[0]
        raise UserError(
            f"The checkpoint does not fit the model: {len(other)} of its weights have another shape (for example "
            f"'{name}', {_text(stored[name])} in it and {_text(mine[name])} in the model); use the interface, "
            "adapter and labels it was trained with."
        )


def _text(weight: Tensor) -> str:
    return " x ".join(map(str, weight.shape)) or "a number"
