"""Which of transformers' ways to compute attention is the fastest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_FEW = 1 << 17
"""Attention scores a head. To keep more of them for the backward pass takes more memory than it is worth."""


@contextmanager
def attention(model: Any, scores: int, recomputed: bool = False) -> Iterator[None]:
    """Plain products of matrices for short sequences with gradients on a CPU, else as the model has it.

    The backward of torch's fused kernel is slow there: plain products make a training step of the packaged recipe
    a fifth shorter.

    Args:
        model: a Hugging Face causal LM, with or without an adapter.
        scores: of attention, a head: rows times queries times keys.
        recomputed: whether the backward pass computes the forward again, which must be by the same way.
    """
    config = model.config.get_text_config()
    device = model.get_input_embeddings().weight.device
    fused = getattr(config, "_attn_implementation", None) == "sdpa"
    if recomputed or not (fused and torch.is_grad_enabled() and device.type == "cpu" and scores <= _FEW):
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")
