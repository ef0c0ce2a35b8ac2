"""An adapter folded into the frozen weights for inference, and taken out again without a trace."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn


class Merging:
    """Saves the adapter's own products where nothing is trained any more.

    Only float32 weights are folded into. In bfloat16 the sum is rounded, and label scores move by as much as all
    other rounding of bfloat16 moves them (``benchmarks/llm.py`` prints it); there the adapter stays beside.

    Args:
        model: a Hugging Face causal LM, with or without an adapter of PEFT's.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._originals: list[tuple[nn.Parameter, Tensor]] = []
        self._state: tuple[Any, ...] = ()

    @property
    def merged(self) -> bool:
        """Whether the adapter is in the frozen weights now."""
        return bool(self._originals)

    def merge(self) -> bool:
        """Fold the adapter in, anew if it has changed; what cannot be folded in exactly stays as it is.

        Returns:
            Whether the frozen weights are others than before.
        """
        if self.merged and self._state == state_of(self._model):
            return False
        changed = self.unmerge()
        weights = self._adapted()
        if not weights or not all(weight.dtype == torch.float32 for weight in weights) or self._is_shared(weights):
            return changed
        # Lightning evaluates in inference mode, whose tensors could never be trained again.
        with torch.inference_mode(False), torch.no_grad():
            self._originals = [(weight, weight.data) for weight in weights]
            for weight, original in self._originals:
                weight.data = original.clone()
            self._model.merge_adapter()
        self._state = state_of(self._model)
        return True

    def unmerge(self) -> bool:
        """Put the very weights back: a difference of sums would not be what it was before.

        Returns:
            Whether the frozen weights are others than before.
        """
        if not self.merged:
            return False
        with torch.inference_mode(False), torch.no_grad():
            self._model.unmerge_adapter()
            for weight, original in self._originals:
                weight.data = original.to(weight.device)
        self._originals = []
        return True

    def _is_shared(self, weights: list[nn.Parameter]) -> bool:
        """Whether one of them is at work in two places, as where the embeddings are the output's matrix too."""
        uses = Counter(id(weight) for _, weight in self._model.named_parameters(remove_duplicate=False))
        return any(uses[id(weight)] > 1 for weight in weights)

    def _adapted(self) -> list[nn.Parameter]:
        if not hasattr(self._model, "peft_config"):
            return []
        from peft.tuners.tuners_utils import BaseTunerLayer

        layers = [module for module in self._model.modules() if isinstance(module, BaseTunerLayer)]
        return [weight for layer in layers for weight in layer.get_base_layer().parameters(recurse=False)]


def state_of(model: nn.Module) -> tuple[Any, ...]:
    """Something that is another after any change of the weights.

    PyTorch counts the changes of each tensor in place, by an optimiser as by loading; tensors that were made in
    inference mode are not counted, and cannot be trained.
    """
    return tuple((id(p), 0 if p.is_inference() else p._version) for p in model.parameters())
