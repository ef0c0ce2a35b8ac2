"""The curriculum: which prompt is trained for how many epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from emollm.errors import UserError


@dataclass
class Stage:
    """One step of the curriculum (EmoSLLM, Fig. 1: the task is ASR or SER)."""

    epochs: int
    """Passes over the training part."""
    prompt: str | dict[str, str | list[str]] | None = None
    """Template that is trained, by name or path (``asr``, ``joint``…); None takes the model's own prompt."""
    answer: Literal["llm", "head"] = "llm"
    """``head`` warms the interface up: a linear head answers in the LLM's place, which costs next to nothing
    (the pooled auxiliary loss of BLSP-Emo, there ``input_er``)."""
    rate: float = 1.0
    """Share of the learning rates in this stage."""
    train_adapter: bool = True
    """False trains the interface (and trained backbone layers) alone, the LLM's adapter not."""
    train_backbone: bool = True
    """False leaves what ``backbone.trained_layers`` trains as earlier stages made it, and so must all stages after
    it. Ranges and votes are learned when the first of them begins, from what the backbone then says; before that,
    no utterance is shown in its speaker's range, and figures are logged as ``warm/``."""
    average: float = 0.0
    """Share of the stage, its end, over which weights are averaged: the mean is what is validated and kept as the
    best, while training goes on from the last weights. 0 keeps the weights themselves. A run that outlasts its
    stages goes on averaging."""

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UserError(f"model.stages: epochs is {self.epochs}; a stage lasts at least one epoch.")
        if self.average and self.answer == "head":
            raise UserError(
                "model.stages: average is for stages in which the LLM answers: leave it out of a warm-up."
            )
        if not 0 <= self.average <= 1:
            raise UserError(f"model.stages: average is {self.average}; it is a share of the stage, from 0 to 1.")


def progress(stages: Sequence[Stage], epoch: float) -> float:
    """Share of the stage at hand that lies behind when an epoch (from 0, with its fraction) is reached."""
    index = stage_at(stages, int(epoch))
    return (epoch - sum(stage.epochs for stage in stages[:index])) / stages[index].epochs


def stage_at(stages: Sequence[Stage], epoch: int) -> int:
    """Index of the stage that an epoch (from 0) belongs to; the last stage goes on for ever."""
    end = 0
    for index, stage in enumerate(stages):
        end += stage.epochs
        if epoch < end:
            return index
    return len(stages) - 1
