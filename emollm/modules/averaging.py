"""The mean of the weights along a training run, which may do better on new speakers than those it ends with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

Named = Iterable[tuple[str, nn.Parameter]]


class WeightAverage:
    """Running mean of trained weights over steps of one stage (stochastic weight averaging, Izmailov et al. 2018).

    Attributes:
        stage: index of the stage whose steps are averaged; None before the first one.
        count: how many steps are in the mean.
        own: the model's own weights while it has the mean.
    """

    def __init__(self) -> None:
        self.stage: int | None = None
        self.count = 0
        self._mean: dict[str, Tensor] = {}
        self.own: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, stage: int, weights: Named) -> None:
        """Take the weights after a step into the mean; another stage begins a new one."""
        if stage != self.stage:
            self.stage, self.count, self._mean = stage, 0, {}
        self.count += 1
        for name, weight in weights:
            value = weight.detach().float()
            mean = self._mean.setdefault(name, torch.zeros_like(value)).to(value.device)
            self._mean[name] = mean.lerp_(value, 1 / self.count)

    @torch.no_grad()
    def put_in(self, weights: Named) -> None:
        """Let the model have the mean, and keep its own weights until ``take_out``."""
        for name, weight in weights:
            if name in self._mean:
                self.own[name] = weight.detach().clone()
                weight.copy_(self._mean[name])

    def end(self, weights: Named) -> None:
        """Let the model have the mean for good."""
        self.put_in(weights)
        self.own = {}

    @torch.no_grad()
    def take_out(self, weights: Named) -> None:
        """Give the model its own weights back, if it has not got them."""
        for name, weight in weights:
            if name in self.own:
                weight.copy_(self.own.pop(name))

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint that a run resumes from."""
        return {"stage": self.stage, "count": self.count, "mean": dict(self._mean)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` gave."""
        self.stage, self.count, self._mean = state["stage"], state["count"], dict(state["mean"])
