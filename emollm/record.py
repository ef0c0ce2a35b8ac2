"""What ``emollm test`` keeps of a measurement beside its figures, and what of it is said on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd
from lightning.pytorch import Trainer

from emollm.data.audit import Part
from emollm.data.datamodule import EmotionData
from emollm.data.trained_on import independent, lines, shared
from emollm.machine import machine, versions
from emollm.modules.base import EmotionModule

Row = dict[str, Any]


def record(
    trainer: Trainer,
    module: EmotionModule,
    data: EmotionData,
    part: Part,
    measured: int,
    command: str,
    recipe: str,
) -> Row:
    """Everything that ``metrics.json`` holds but the figures: they are filled in by whoever measured them.

    Args:
        trainer: on whose device it was measured.
        module: that was measured, with its weights.
        data: of which a part was measured.
        part: which one.
        measured: how many of its utterances were asked for; a limit leaves some out.
        command: as the user typed it.
        recipe: the whole configuration as YAML.
    """
    parts, audit = data.parts, data.audit.to_dict(part)
    whole = len(getattr(parts, part))
    trained = module.trained_on
    if module.name != "untrained model":
        audit["lines"] = [*lines(trained, parts, part), *audit["lines"]]
    audit["lines"] += data.recognised_lines(part, whole)
    calibration = module.calibration
    heard = bool(trained and part == "test" and shared(trained, parts.test))
    asks = part == "test" and module.name != "untrained model"
    apart = independent(trained, parts) if asks else parts.speaker_independent
    return {
        "title": f"{part.capitalize()} of {module.name}",
        "part": part,
        "created": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": command,
        "model": module.name,
        "method": module.method,
        "labels": module.labels,
        "notes": module.notes(),
        "protocol": {
            "name": parts.name,
            "whole": parts.whole,
            "folds": [] if parts.fold is None else [str(parts.fold)],
            "speaker_independent": False if data.audit.test.same_files else apart,
            "train": len(parts.train),
            "validation": len(parts.validation),
            "test": len(parts.test),
        },
        "missing": f"Only {measured} of {whole} utterances were measured." if measured < whole else None,
        "rows": [],
        "summary": None,
        "calibration": calibration and {**asdict(calibration), "fault": calibration.fault, "heard": heard},
        "audit": audit,
        "matrix": None,
        "specification": {**module.specification(), "trained_on": None},  # too long, and told above
        "recipe": recipe,
        "versions": versions(),
        "machine": machine(trainer.strategy.root_device),
    }


def told(content: Row, frame: pd.DataFrame) -> Iterator[str]:
    """The sentences of the terminal, one a line.

    Args:
        content: what ``metrics.json`` holds.
        frame: the model's predictions.
    """
    yield from told_first(content, frame)
    if content["calibration"] and content["calibration"]["fault"]:
        yield f"Confidences are not to be relied on: {content['calibration']['fault']}."
    if content["summary"] is not None:
        low, high = content["summary"]["intervals"]["ua"]
        over = content["summary"]["intervals_over"]
        ua = content["summary"]["result"]["ua"]
        yield f"UA {100 * ua:.1f} % [{100 * low:.1f}, {100 * high:.1f}]: 95 % bootstrap interval over {over}."
    yield from told_last(content)


def told_first(content: Row, frame: pd.DataFrame) -> Iterator[str]:
    """What was measured, and what was not."""
    yield f"{len(frame)} utterances, {int(frame['error'].notna().sum())} with an error."
    if content["missing"] is not None:
        yield content["missing"]


def told_last(content: Row) -> Iterator[str]:
    """What is to be known of the model and of its split."""
    yield from content["notes"]
    for line in content["audit"]["lines"]:
        yield f"Audit: {line}"
