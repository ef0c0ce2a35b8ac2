"""The constant beginning of a prompt, computed once: its keys and values are lent to every row that begins so."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from emollm.models.attention import attention
from emollm.models.merging import state_of


def with_past(model: Any, past: Any) -> dict[str, Any]:
    """Keys and values of earlier positions under the argument's name in this release: transformers renames it."""
    known = inspect.signature(model.get_decoder().forward).parameters
    return {"cache" if "cache" in known else "past_key_values": past}


class PrefixCache:
    """Keys and values of what prompts begin with, by their tokens.

    Without gradients they are kept from batch to batch, for as long as the weights are those they were computed
    with. With gradients they are computed anew for every batch, once for all its rows, and the gradient runs back
    through them.

    Args:
        model: a Hugging Face causal LM, with or without an adapter.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept: dict[tuple[int, ...], Any] = {}
        self._weights: tuple[Any, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether keys and values are all that the architecture remembers of tokens: not in state-space models."""
        config = self._model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        stateful = getattr(self._model, "_is_stateful", False)
        return not stateful and kinds <= {"full_attention", "sliding_attention"}

    def lend(self, tokens: Sequence[int], batch: int) -> Any:
        """A cache that a forward may extend: (batch, heads, len(tokens), width) keys and values a layer."""
        if torch.is_grad_enabled():
            return _spread(self._compute(tokens), batch)
        weights = self._state()
        if weights != self._weights:
            self.forget()
            self._weights = weights
        if tuple(tokens) not in self._kept:
            self._kept[tuple(tokens)] = self._compute(tokens)
        return _spread(self._kept[tuple(tokens)], batch)

    def forget(self) -> None:
        """Drop what was kept."""
        self._kept = {}

    def _state(self) -> tuple[Any, ...]:
        weight = self._model.get_input_embeddings().weight
        place = weight.device, weight.dtype, torch.is_autocast_enabled(weight.device.type)
        return *place, *state_of(self._model)

    def _compute(self, tokens: Sequence[int]) -> Any:
        from transformers import DynamicCache

        embed, kept = self._model.get_input_embeddings(), DynamicCache()
        ids = torch.tensor([list(tokens)], device=embed.weight.device)
        decoder = self._model.get_decoder()
        with attention(self._model, len(tokens) ** 2):
            decoder(inputs_embeds=embed(ids), **with_past(self._model, kept), use_cache=True)
        return kept


def _spread(kept: Any, batch: int) -> Any:
    """The same keys and values for every row, without a copy of them; what is added goes into new tensors."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    lent = DynamicCache()
    for known in kept.layers:
        layer = DynamicLayer()
        layer.lazy_initialization(known.keys, known.values)
        layer.keys = known.keys.expand(batch, -1, -1, -1)
        layer.values = known.values.expand(batch, -1, -1, -1)
        lent.layers.append(layer)
    return lent
