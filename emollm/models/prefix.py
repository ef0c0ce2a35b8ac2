"""The constant beginning of a prompt, computed once: its keys and values are kept and lent to every batch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from emollm.models.llm import CausalLM


class PrefixCache:
    """Keys and values of the prompts' constant beginnings, by their tokens and the state of the weights.

    What is kept is used only while the trained weights are those it was computed with: PyTorch counts every
    change of a tensor in place, by an optimiser as by loading.

    Args:
        llm: the language model.
    """

    def __init__(self, llm: CausalLM) -> None:
        self._llm = llm
        self._kept: dict[Any, Any] = {}

    def lend(self, tokens: Sequence[int], batch: int) -> Any:
        """A fresh cache, (batch, heads, len(tokens), width) a layer, that a forward may extend."""
        state = self._state()
        if state not in self._kept:
            self._kept = {state: {}}  # of weights that have changed nothing is used again
        known = self._kept[state]
        if tuple(tokens) not in known:
            known[tuple(tokens)] = self._compute(tokens)
        lent = copy.deepcopy(known[tuple(tokens)])
        lent.batch_repeat_interleave(batch)
        return lent

    def _state(self) -> tuple[Any, ...]:
        model = self._llm.model
        weight = self._llm.embed.weight
        trained = tuple(p._version for p in model.parameters() if p.requires_grad)
        return trained, weight.device, weight.dtype, self._llm.merged

    @torch.no_grad()
    def _compute(self, tokens: Sequence[int]) -> Any:
        from transformers import DynamicCache

        ids = torch.tensor([list(tokens)], device=self._llm.embed.weight.device)
        kept = DynamicCache()
        self._llm.model(inputs_embeds=self._llm.embed(ids), past_key_values=kept, use_cache=True, logits_to_keep=1)
        return kept
