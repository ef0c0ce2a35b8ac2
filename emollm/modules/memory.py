"""What stays the same for a whole fit, computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from torch import Tensor


class Memory:
    """Small results of training utterances, kept until there is no more room; what does not fit is computed anew.

    Args:
        room: bytes.
    """

    def __init__(self, room: int = 1 << 28) -> None:
        self._all = self._left = room
        self._kept: dict[Hashable, Tensor] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, name: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """What ``compute`` gives, or gave before under that name; nobody may change it."""
        if name in self._kept:
            return self._kept[name]
        value = compute()
        if (size := value.numel() * value.element_size()) <= self._left:
            self._kept[name] = value
            self._left -= size
        return value

    def forget(self) -> None:
        """Begin anew."""
        self._kept, self._left = {}, self._all
