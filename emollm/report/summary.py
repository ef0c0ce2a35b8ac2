"""What training will cost, told before it starts: parameters and memory."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from torch import nn

from emollm.report.tables import narrow_table

GIB = 2**30
_TRAINED_BYTES = 4
"""Trained weights, and so their gradients and the optimiser's states, are float32."""
_STATES = 2
"""Values that AdamW keeps for each trained weight."""


def parameter_table(parts: Mapping[str, nn.Module]) -> Table:
    """Parameters of each part: all, trained, their share, and the weights' memory at their actual dtype.

    Args:
        parts: the parts by name; a parameter that two of them share counts once, for the first.
    """
    table = narrow_table("Parameters", "part", ["total", "trained", "share", "weights, MB"])
    seen: set[int] = set()
    sums = [0, 0, 0]
    for name, part in parts.items():
        own = [p for p in part.parameters() if id(p) not in seen]
        seen.update(id(p) for p in own)
        counts = [
            sum(_count(p) for p in own),
            sum(_count(p) for p in own if p.requires_grad),
            sum(p.numel() * p.element_size() for p in own),
        ]
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
        table.add_row(name, *_cells(*counts))
    table.add_section()
    table.add_row("all", *_cells(*sums), style="bold")
    return table


def memory_estimate(trainable_params: int, total_bytes: int) -> dict[str, float]:
    """Memory that training with AdamW needs, in GiB; a lower bound, since activations come on top.

    Args:
        trainable_params: number of trained parameters, taken as float32.
        total_bytes: all weights at their actual dtype, trained ones included.

    Returns:
        ``weights``, ``gradients``, ``optimizer`` and ``total``.
    """
    gradients = trainable_params * _TRAINED_BYTES
    states = _STATES * gradients
    parts = {"weights": total_bytes, "gradients": gradients, "optimizer": states}
    return {name: size / GIB for name, size in {**parts, "total": sum(parts.values())}.items()}


def _count(parameter: nn.Parameter) -> int:
    # bitsandbytes packs two 4-bit weights into each byte of its tensor.
    packed = 2 * parameter.element_size() if type(parameter).__name__ == "Params4bit" else 1
    return parameter.numel() * packed


def _cells(total: int, trained: int, size: int) -> list[str]:
    share = f"{100 * trained / total:.2f} %" if total else "–"
    return [f"{total:,}", f"{trained:,}", share, f"{size / 1e6:,.1f}"]
