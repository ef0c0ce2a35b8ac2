"""Attention for short sequences on a CPU, where plain products of matrices are the fastest way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from torch import Tensor, nn

_NAME = "grouped"
_FEW = 1 << 17
"""Attention scores a head. To keep more of them for the backward pass takes more memory than it is worth."""


@contextmanager
def attention(model: Any, scores: int, recomputed: bool = False) -> Iterator[None]:
    """``grouped_attention`` for short sequences on a CPU, else attention as the model has it.

    The backward of torch's fused kernel is slow there, and keys are copied for it: without them a training step of
    the packaged recipe is a fifth shorter.

    Args:
        model: a Hugging Face causal LM, with or without an adapter.
        scores: of attention, a head: rows times queries times keys.
        recomputed: whether the backward pass computes the forward again, which must be by the same way.
    """
    config = model.config.get_text_config()
    device = model.get_input_embeddings().weight.device
    fused = getattr(config, "_attn_implementation", None) == "sdpa"
    if recomputed or not (fused and device.type == "cpu" and scores <= _FEW):
        yield
        return
    _register()
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention in which the query heads that share a key head are the rows of one product: no key is copied.

    What transformers calls; where it asks for more than this computes, its own way does it.

    Args:
        module: the block's attention.
        query: (B, H, S, D).
        key: (B, G, T, D), with H a multiple of G.
        value: (B, G, T, D).
        attention_mask: (B or 1, 1, S, T), additive.
        dropout: of attention weights.
        scaling: of the scores; None for one over the root of D.
        others: what else the architecture hands over.

    Returns:
        (B, S, H, D), and None in the place of the weights.
    """
    own = dropout or others.get("position_bias") is not None
    if own or attention_mask is None or attention_mask.shape[1] != 1 or not attention_mask.is_floating_point():
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
    rows, heads, length, width = query.shape
    groups = key.shape[1]
    scaling = width**-0.5 if scaling is None else scaling
    # All heads of a group see alike. A view of five dimensions would do, but torch.compile stumbles over it.
    mask = attention_mask.expand(-1, heads // groups, -1, -1).flatten(1, 2)[:, None]
    scores = query.reshape(rows, groups, -1, width) @ key.transpose(2, 3) * scaling + mask
    mixed = scores.softmax(-1) @ value
    return mixed.view(rows, heads, length, -1).transpose(1, 2).contiguous(), None


@cache
def _register() -> None:
    """Make the name known to transformers, with masks as plain attention has them."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(_NAME, grouped_attention)
    AttentionMaskInterface.register(_NAME, eager_mask)
