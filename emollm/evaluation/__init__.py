"""Statistics of stored predictions: pure functions of tables."""

from emollm.evaluation.calibration import Calibration, fit_calibration, fit_temperature, fit_threshold
from emollm.evaluation.folds import over_folds
from emollm.evaluation.frame import columns, read, to_frame, write
from emollm.evaluation.intervals import Intervals, bootstrap
from emollm.evaluation.reliability import reliability
from emollm.evaluation.summary import summarise

__all__ = [
    "Calibration",
    "Intervals",
    "bootstrap",
    "columns",
    "fit_calibration",
    "fit_temperature",
    "fit_threshold",
    "over_folds",
    "read",
    "reliability",
    "summarise",
    "to_frame",
    "write",
]
