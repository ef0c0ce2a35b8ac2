"""What training will cost, told before it starts: parameters and memory."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from torch import nn

from emollm.errors import UserError
from emollm.report.tables import narrow_table

GIB = 2**30
OPTIMIZER_STATES = {"adamw": 2, "adam": 2, "sgd": 0}
_TRAINED_BYTES = 4
"""Trained weights, and so their gradients and the optimiser's states, are float32."""


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


def memory_estimate(
    trainable_params: int, total_bytes: int, optimizer: str = "adamw", activation_bytes: float | None = None
) -> dict[str, float | None]:
    """Memory that training needs, in GiB; a lower bound, since frameworks and fragmentation take their part.

    Args:
        trainable_params: number of trained parameters, taken as float32.
        total_bytes: all weights at their actual dtype, trained ones included.
        optimizer: ``adamw`` and ``adam`` keep two values a trained parameter, ``sgd`` none.
        activation_bytes: see ``estimate_activation_bytes``; left out of the total where None.

    Returns:
        ``weights``, ``gradients``, ``optimizer``, ``activations`` (None where not estimated) and ``total``.

    Raises:
        UserError: when the optimizer is unknown.
    """
    if optimizer not in OPTIMIZER_STATES:
        raise UserError(f"There is no estimate for the optimizer '{optimizer}': {', '.join(OPTIMIZER_STATES)}.")
    gradients = trainable_params * _TRAINED_BYTES
    states = gradients * OPTIMIZER_STATES[optimizer]
    return {
        "weights": total_bytes / GIB,
        "gradients": gradients / GIB,
        "optimizer": states / GIB,
        "activations": None if activation_bytes is None else activation_bytes / GIB,
        "total": (total_bytes + gradients + states + (activation_bytes or 0.0)) / GIB,
    }


def estimate_activation_bytes(
    batch: int, tokens: int, layers: int, width: int, bytes_per_value: int = 2, values_per_width: float = 17.0
) -> float:
    """Rough size of what the LLM keeps for its backward pass: an estimate, right to a factor of two.

    batch x tokens x layers x width x bytes x 17. A transformer layer keeps 34 bytes a token and unit of width
    in 16-bit, attention maps apart, which fused attention does not keep (Korthikanti et al., "Reducing
    Activation Recomputation in Large Transformer Models", 2022, section 4.1): 17 values. The logits, one a
    scored position and entry of the vocabulary, are not counted.

    Args:
        batch: utterances in a batch.
        tokens: length of a prompt with its audio embeddings.
        layers: layers of the LLM.
        width: its hidden size.
        bytes_per_value: 2 for bfloat16, 4 for float32.
        values_per_width: kept values a layer, token and unit of width.
    """
    return batch * tokens * layers * width * bytes_per_value * values_per_width


def _count(parameter: nn.Parameter) -> int:
    # bitsandbytes packs two 4-bit weights into each byte of its tensor.
    packed = 2 * parameter.element_size() if type(parameter).__name__ == "Params4bit" else 1
    return parameter.numel() * packed


def _cells(total: int, trained: int, size: int) -> list[str]:
    share = f"{100 * trained / total:.2f} %" if total else "–"
    return [f"{total:,}", f"{trained:,}", share, f"{size / 1e6:,.1f}"]
