"""What a measurement says, in plain values that go into a file as they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FIGURES = ("wa", "ua", "macro_f1", "weighted_f1", "ece", "nll", "brier")
"""Of a ``Result``, those that are logged."""


@dataclass
class ClassResult:
    """One emotion against all others; all shares lie between 0 and 1.

    Attributes:
        recall: of the utterances with this label, the share that was found; 0 where support is 0.
        precision: of the answers with this label, the share that was right; 0 where it was never answered.
        f1: harmonic mean of the two.
        support: utterances with this label.
    """

    recall: float
    precision: float
    f1: float
    support: int


@dataclass
class Result:
    """The figures of one set of utterances; all but ``n``, ``nll`` and ``brier`` are shares between 0 and 1.

    WA, UA, F1 and ``unparsed`` judge the answers; ECE, NLL and Brier judge the probabilities alone, which
    exist even where an answer could not be read.

    Attributes:
        n: utterances.
        wa: accuracy. An answer that could not be read is wrong, here and in every figure.
        ua: balanced accuracy: mean recall over the labels that occur in the targets.
        macro_f1: mean F1 over the labels that occur in the targets or in the answers.
        weighted_f1: mean F1 weighted by support.
        ece: expected calibration error of the most probable label over 15 equally wide bins.
        nll: mean negative log-likelihood of the target, in nats; a probability of 0 counts as 2.2e-16.
        brier: mean squared distance between probabilities and the one-hot target, summed over labels (0 to 2).
        unparsed: share of answers that could not be read.
        per_class: figures of each label, in the order of the label set.
        confusion: counts; rows are targets, columns answers, both in the order of the label set, and one last
            column for answers that could not be read if there are any.
    """

    n: int
    wa: float
    ua: float
    macro_f1: float
    weighted_f1: float
    ece: float
    nll: float
    brier: float
    unparsed: float
    per_class: dict[str, ClassResult]
    confusion: list[list[int]]


@dataclass
class Results:
    """All utterances together, and each corpus for itself.

    Attributes:
        labels: the label set.
        overall: all utterances.
        corpora: by name, in alphabetical order; utterances that name no corpus count in ``overall`` alone.
    """

    labels: list[str]
    overall: Result
    corpora: dict[str, Result]

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries of numbers, lists and strings, ready for JSON."""
        return asdict(self)
