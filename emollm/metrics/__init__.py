"""How good predictions are: one metric for every module, and the same numbers from stored predictions."""

from emollm.metrics.measure import ccc, measure
from emollm.metrics.metric import EmotionMetrics
from emollm.metrics.results import FIGURES, ClassResult, Result, Results
from emollm.metrics.stored import from_predictions
from emollm.metrics.words import plain_words

__all__ = [
    "FIGURES",
    "ClassResult",
    "EmotionMetrics",
    "Result",
    "Results",
    "ccc",
    "from_predictions",
    "measure",
    "plain_words",
]
