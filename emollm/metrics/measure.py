"""The figures themselves: torchmetrics where it agrees with scikit-learn, the confusion matrix elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional import concordance_corrcoef
from torchmetrics.functional.classification import multiclass_confusion_matrix

from emollm.metrics.results import ClassResult, Result

CALIBRATION_BINS = 15


def measure(probabilities: Tensor, targets: Tensor, predictions: Tensor, labels: Sequence[str]) -> Result:
    """Figures of a set of utterances.

    Recall, precision and F1 are those of scikit-learn with ``zero_division=0``. torchmetrics' own versions
    know no answer outside the label set, so they are taken from the confusion matrix here.

    Args:
        probabilities: (N, K), rows sum to one.
        targets: (N,) label index, 0 to K - 1.
        predictions: (N,) label index, or -1 for an answer that could not be read.
        labels: the K labels.

    Raises:
        ValueError: when there are no utterances.
    """
    total, count = len(targets), len(labels)
    if total == 0:
        raise ValueError("There are no utterances to measure.")
    targets, predictions = targets.cpu(), predictions.cpu()
    columns = torch.where(predictions < 0, count, predictions)
    confusion = multiclass_confusion_matrix(columns, targets, num_classes=count + 1)[:count]
    unparsed = int(confusion[:, count].sum())

    right = confusion.diagonal().double()
    support, answered = confusion.sum(1).double(), confusion[:, :count].sum(0).double()
    recall, precision = _share(right, support), _share(right, answered)
    f1 = _share(2 * right, support + answered)
    in_targets, in_either = support > 0, support + answered > 0
    return Result(
        n=total,
        wa=float(right.sum() / total),
        ua=float(recall[in_targets].mean()),
        macro_f1=float(f1[in_either].mean()),
        weighted_f1=float((f1 * support).sum() / total),
        **_of_probabilities(probabilities, targets),
        unparsed=unparsed / total,
        per_class={
            label: ClassResult(float(recall[k]), float(precision[k]), float(f1[k]), int(support[k]))
            for k, label in enumerate(labels)
        },
        confusion=(confusion if unparsed else confusion[:, :count]).tolist(),
    )


def ccc(predictions: Tensor, targets: Tensor) -> float:
    """Concordance correlation coefficient (Lin, Biometrics 1989) of valence, arousal or dominance.

    Variances are sample variances (N - 1), as in torchmetrics.

    Args:
        predictions: (N,) values, N at least 2.
        targets: (N,) values on the same scale.

    Raises:
        ValueError: when there are fewer than two values.
    """
    if len(targets) < 2:
        raise ValueError("A concordance correlation needs at least two values.")
    return float(concordance_corrcoef(predictions.detach().cpu().double(), targets.detach().cpu().double()))


def _of_probabilities(probabilities: Tensor, targets: Tensor) -> dict[str, float]:
    # float64, on the CPU because not every accelerator has it; no larger than 1, which a rounding error may be.
    values = probabilities.cpu().double().clamp(0, 1)
    one_hot = torch.nn.functional.one_hot(targets, values.shape[1])
    # Softmax may round a small probability to 0: the bound of scikit-learn for a file that is read as float64.
    chances = values[torch.arange(len(targets)), targets].clamp_min(torch.finfo(torch.float64).eps)
    return {
        "ece": _calibration_error(values, targets),
        "nll": float(-chances.log().mean()),
        "brier": float((values - one_hot).square().sum(1).mean()),
    }


def _calibration_error(values: Tensor, targets: Tensor) -> float:
    """Guo et al., ICML 2017, section 2; bins hold their lower edge, the last one both.

    Not torchmetrics', which sums in float32 (3e-6 off for 200,000 utterances) and gives a confidence of exactly 1
    a bin of its own.
    """
    top, answers = values.max(1)
    place = (top * CALIBRATION_BINS).long().clamp_max(CALIBRATION_BINS - 1)
    gaps = values.new_zeros(CALIBRATION_BINS).index_add_(0, place, top - (answers == targets).double())
    return float(gaps.abs().sum() / len(targets))


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole``, 0 where ``whole`` is 0."""
    return torch.where(whole > 0, part / whole.clamp_min(1), 0.0)
