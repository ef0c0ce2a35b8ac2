"""Options of a recipe that have no effect together with its others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emollm.modules.emotion_llm import EmotionLLM


def idle_options(module: EmotionLLM) -> Iterator[str]:
    """What a fit of this module is asked for in vain, a sentence each."""
    emotion = [template for template in module.stage_templates if template.task == "emotion"]
    answers_by_head = any(stage.answer == "head" for stage in module.stages)
    inputs: Collection[str] = {name for template in module.templates for name in template.inputs}
    if module.vote is not None and not ("audio" in module.template.inputs and module.template.task == "emotion"):
        yield (
            f"model.vote has no effect: the prompt '{module.template.name}', with which the model is measured, "
            "does not take audio and ask for the emotion alone."
        )
    if module.speaker_range is not None and not module.needs_audio:
        yield "model.speaker_range has no effect: no prompt takes audio."
    if module.transcript_dropout and "transcript" not in inputs:
        yield "model.transcript_dropout has no effect: no prompt shows a transcript."
    if module.label_loss.smoothing and not answers_by_head and (module.objective == "tokens" or not emotion):
        yield (
            "model.label_smoothing has no effect: the loss is over tokens, not over the label set "
            "(model.objective)."
        )
