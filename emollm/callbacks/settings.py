"""How predictions were made beside the model's weights, so that rows of two kinds never mix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from emollm.evaluation.calibration import Calibration

if TYPE_CHECKING:
    from emollm.data.datamodule import EmotionData
    from emollm.models.prompts import PromptTemplate
    from emollm.modules.base import EmotionModule

Settings = dict[str, str]
"""What a row depends on, by the name that a person gives it."""


def settings_of(module: EmotionModule, data: EmotionData) -> Settings:
    """All that changes rows of one model.

    Batch size, precision and the like change no more than the rounding, and are left out.

    Args:
        module: a built module with its weights.
        data: whose table is labelled.
    """
    settings = {"label set": ", ".join(module.labels), "calibration": _calibration(module.calibration)}
    template = getattr(module, "template", None)  # the probe has no prompt
    if template is not None:
        settings["prompt"] = _prompt(template)
    settings["share of the vote"] = f"{module.vote.share:g}" if module.has_vote else "0"
    if "transcript" in module.inputs:
        settings["transcriber"] = data.transcriber
    if "context" in module.inputs:
        settings["context"] = f"{data.turns} turns"
    return settings


def differences(mine: Settings, others: Iterable[Settings]) -> list[str]:
    """What is not the same, in words; what one side does not tell, as an earlier version, is no difference."""
    found: dict[tuple[str, str], None] = {}
    for other in others:
        for name, value in other.items():
            if name in mine and mine[name] != value:
                found[name, value] = None
    return [f"another {name} ('{value}', not '{mine[name]}')" for name, value in found]


def _prompt(template: PromptTemplate) -> str:
    """Name and a digest of what the LLM reads: a YAML file may have been edited."""
    read = {name: value for name, value in template.to_dict().items() if name not in ("name", "about")}
    text = json.dumps(read, sort_keys=True, ensure_ascii=False)
    return f"{template.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _calibration(calibration: Calibration | None) -> str:
    if calibration is None:
        return "none"
    threshold = "none" if calibration.threshold is None else f"{calibration.threshold:.6g}"
    return f"temperature {calibration.temperature:.6g}, threshold {threshold}"
