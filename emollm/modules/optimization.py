"""AdamW with one learning rate a part, and how the rates rise and fall over the stages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from emollm.errors import UserError


@dataclass
class Optimization:
    """AdamW with one learning rate a part, a linear warm-up and a cosine to zero over each stage."""

    learning_rate: float = 1e-3
    """Of what is trained from nothing: layer mix and interface, or the probe's head."""
    adapter_learning_rate: float = 2e-4
    """Of the LLM's adapter."""
    backbone_learning_rate: float = 1e-5
    """Of backbone layers that are trained."""
    weight_decay: float = 0.01
    """Of all that is trained."""
    warmup: float = 0.05
    """Share of a stage's steps."""

    def __post_init__(self) -> None:
        rates = (self.learning_rate, self.adapter_learning_rate, self.backbone_learning_rate, self.weight_decay)
        if not all(0 <= rate < math.inf for rate in rates):
            raise UserError("model.optimization: learning rates and weight_decay must not be negative.")
        if not 0 <= self.warmup < 1:
            raise UserError(f"model.optimization.warmup is {self.warmup}: it is a share, 0 or more, below 1.")


def part_of(name: str) -> str:
    """Which part a parameter of a speech LLM or a probe belongs to: ``adapter``, ``backbone`` or ``own``."""
    # From the front: an interface may call a part of its own llm or backbone.
    if name.startswith("model.llm."):
        return "adapter"
    return "backbone" if name.startswith(("model.audio.backbone.", "backbone.")) else "own"


def parameter_groups(module: nn.Module, optimization: Optimization) -> list[dict[str, Any]]:
    """What is trained, grouped by part, each at its own learning rate.

    Raises:
        UserError: when nothing is trained.
    """
    rates = {
        "adapter": optimization.adapter_learning_rate,
        "backbone": optimization.backbone_learning_rate,
        "own": optimization.learning_rate,
    }
    trained = [(part_of(name), p) for name, p in module.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for part, p in trained if part == kind], "lr": rate, "name": kind}
        for kind, rate in rates.items()
        if any(part == kind for part, _ in trained)
    ]
    if not groups:
        raise UserError("Nothing is trained: choose an adapter, an interface or trained_layers, or use test.")
    return groups


def rate_at(step: int, stages: Sequence[tuple[int, float]], steps_per_epoch: float, warmup: float) -> float:
    """Share of the full learning rates at an optimiser step.

    Args:
        step: from 0.
        stages: epochs of each stage and its share of the rates; each stage warms up and falls anew.
        steps_per_epoch: optimiser steps.
        warmup: share of a stage's steps.
    """
    length, rate = stages[0]
    for later in stages[1:]:
        if step < (total := max(1, round(length * steps_per_epoch))):
            break
        step, (length, rate) = step - total, later
    total = max(1, round(length * steps_per_epoch))
    rising = max(1, round(total * warmup))
    if step < rising:
        return rate * (step + 1) / rising
    return rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, total - rising))))
