"""Where the calibration of a model comes from, and where it lies: its own small file beside the weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from emollm.evaluation.calibration import Calibration, fit_calibration

if TYPE_CHECKING:
    from emollm.modules.base import EmotionModule

FILE = "calibration.json"


def file_beside(model: Path) -> Path:
    """Where the calibration of a checkpoint file, or of an exported folder, lies."""
    return model / FILE if model.is_dir() else model.with_suffix(f".{FILE}")


def read_beside(model: Path) -> Calibration | None:
    """The calibration of a checkpoint or an exported folder; None where it has none.

    Raises:
        UserError: when the file is there and cannot be read.
    """
    file = file_beside(model)
    return Calibration.read(file) if file.is_file() else None


def tell_fault(calibration: Calibration, file: Path) -> None:
    """Warn of confidences that could not be calibrated.

    Args:
        calibration: that of a model.
        file: where it lies.
    """
    if calibration.fault is not None:
        warnings.warn(
            f"The calibration in {file} is used and not to be relied on: {calibration.fault}.",
            stacklevel=2,
        )


def calibrate(module: EmotionModule, protocol: str) -> Calibration | None:
    """Fit the calibration on what the module last said of the validation part; None where that is nothing.

    Every process must call it, as what they collected is gathered. A calibration that the module already applies
    is taken out first, so that fitting twice gives the same.
    """
    metric = module.metrics["validation"].emotions
    if not metric.update_count:
        return None
    probabilities, targets = metric.collected()
    if len(targets) == 0:
        return None
    log_scores = probabilities.double().clamp_min(1e-30).log()
    if module.calibration is not None:
        log_scores = log_scores * module.calibration.temperature
    return fit_calibration(log_scores.numpy(), targets.numpy(), protocol)
