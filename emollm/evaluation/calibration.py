"""Confidence that can be believed: a temperature, and a threshold below which an answer is uncertain."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from emollm.errors import UserError
from emollm.files import write_text
from emollm.metrics.measure import measure

LOWEST, HIGHEST = 0.05, 20.0
_AT_BOUND = 1.01  # the search ends near a bound, not on it
_CERTAIN = 1e-6  # in nats; what is left of the loss where all is right
_FLOOR = math.log(1e-30)  # of a log-probability; float32 may round one to minus infinity
_FIX = "calibrate again with emollm validate --calibrate true, or delete the file"

Probabilities = TypeVar("Probabilities", Tensor, np.ndarray)


@dataclass(frozen=True)
class Calibration:
    """How the confidences of a model are corrected; a small file of its own beside the weights.

    Attributes:
        temperature: divides the log-scores; above 1 where the model is too sure of itself.
        threshold: a calibrated confidence; answers below it are uncertain. None where no threshold keeps the
            errors as few as wanted.
        n: validation utterances it was fitted on.
        protocol: whose validation part that was.
        ece_before: expected calibration error on that part, at temperature 1.
        ece_after: the same at ``temperature``; like ``nll_after``, seen in fitting and so a little flattering.
        nll_before: negative log-likelihood, in nats, at temperature 1.
        nll_after: the same at ``temperature``.
    """

    temperature: float
    threshold: float | None = None
    n: int = 0
    protocol: str = ""
    ece_before: float | None = None
    ece_after: float | None = None
    nll_before: float | None = None
    nll_after: float | None = None

    @property
    def fault(self) -> str | None:
        """Why the confidences could not be calibrated; None where they could."""
        if self.temperature >= HIGHEST / _AT_BOUND:
            return (
                f"the temperature ends at its upper bound, {HIGHEST:g}, as the scores on the {self.n} validation "
                "utterances tell next to nothing of the right label, or are far too sure of a wrong one; train "
                "longer, or validate on more"
            )
        # Where all answers are right, every small temperature makes them certain, and none is the best.
        certain = self.nll_after is not None and self.nll_after < _CERTAIN
        if self.temperature <= LOWEST * _AT_BOUND or certain:
            return (
                f"the temperature ends at {self.temperature:.2g}, towards its lower bound, {LOWEST:g}, as hardly "
                f"any answer on the {self.n} validation utterances is wrong; validate on more or other speakers"
            )
        return None

    def apply(self, probabilities: Probabilities) -> Probabilities:
        """Calibrated probabilities: those given, to the power of 1 / temperature, made to sum to one.

        No answer changes, only how sure it is.

        Args:
            probabilities: (..., K), rows sum to one; those of temperature 1.
        """
        # By the largest first, so that small temperatures do not turn all of a row into zeros.
        is_tensor = isinstance(probabilities, Tensor)
        top = probabilities.amax(-1, keepdim=True) if is_tensor else probabilities.max(-1, keepdims=True)
        powers = (probabilities / top) ** (1 / self.temperature)
        return powers / (powers.sum(-1, keepdim=True) if is_tensor else powers.sum(-1, keepdims=True))

    def to_json(self) -> str:
        """The text of ``calibration.json``."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str = "calibration.json") -> Calibration:
        """Read what ``to_json`` wrote.

        Args:
            text: the file's text.
            name: what errors call the file.

        Raises:
            UserError: when it is no calibration; the sentence names the field.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UserError(f"{name} is no JSON ({error}): {_FIX}.") from error
        if not isinstance(values, dict) or "temperature" not in values:
            raise UserError(f"{name} has no field 'temperature': {_FIX}.")
        known = {field.name for field in fields(cls)}
        for field, value in values.items():
            wanted = _wanted(field, value) if field in known else f"one of the fields {', '.join(sorted(known))}"
            if wanted:
                what = f"is {json.dumps(value)}, not" if field in known else "is not"
                raise UserError(f"{name}, field '{field}' {what} {wanted}: {_FIX}.")
        return cls(**values)

    @classmethod
    def read(cls, file: str | Path) -> Calibration:
        """Read a ``calibration.json``.

        Raises:
            UserError: when it is missing or no calibration.
        """
        try:
            return cls.from_json(Path(file).read_text(encoding="utf-8"), str(file))
        except FileNotFoundError as error:
            raise UserError(f"There is no calibration file {file}: correct the path.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The calibration {file} cannot be read ({error}): {_FIX}.") from error

    def write(self, file: str | Path) -> None:
        """Write a ``calibration.json`` at one stroke."""
        write_text(Path(file), self.to_json())


def fit_calibration(
    log_scores: np.ndarray, targets: np.ndarray, protocol: str = "", risk: float | None = None
) -> Calibration:
    """Fit the temperature, then the threshold of the calibrated confidences, on a validation part.

    Args:
        log_scores: (N, K) log-likelihood of each label at temperature 1; any constant may be added to a row.
        targets: (N,) label index.
        protocol: whose validation part it is.
        risk: share of errors allowed above the threshold; half of what there is where left out.

    Raises:
        UserError: when there is nothing to fit on, or scores are not finite.
    """
    temperature = fit_temperature(log_scores, targets)
    plain = np.exp(_log_probabilities(np.asarray(log_scores, dtype=float)))
    calibrated = Calibration(temperature).apply(plain)
    answers, targets = calibrated.argmax(1), np.asarray(targets)
    names = [str(label) for label in range(plain.shape[1])]
    before, after = (
        measure(torch.from_numpy(values), torch.from_numpy(targets).long(), torch.from_numpy(answers), names)
        for values in (plain, calibrated)
    )
    return Calibration(
        temperature=temperature,
        threshold=fit_threshold(calibrated.max(1), answers == targets, risk),
        n=len(targets),
        protocol=protocol,
        ece_before=before.ece,
        ece_after=after.ece,
        nll_before=before.nll,
        nll_after=after.nll,
    )


def fit_temperature(log_scores: np.ndarray, targets: np.ndarray) -> float:
    """The temperature of the smallest negative log-likelihood (Guo et al., ICML 2017, section 4.2).

    The likelihood is convex in 1 / temperature, so there is one best temperature; it is sought on a logarithmic
    scale between 0.05 and 20 and ends near a bound where all answers are right, or no better than chance.

    Args:
        log_scores: (N, K) log-likelihood of each label at temperature 1; any constant may be added to a row.
        targets: (N,) label index.

    Raises:
        UserError: when there are no utterances, or scores are not finite.
    """
    from scipy.optimize import minimize_scalar

    scores, targets = np.asarray(log_scores, dtype=float), np.asarray(targets)
    if len(targets) == 0:
        raise UserError("A temperature needs labelled validation utterances, and there are none.")
    if np.isnan(scores).any():
        raise UserError(
            "The validation scores are NaN: the model has diverged; train it at a lower learning rate."
        )
    scores = _log_probabilities(scores)
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        scaled = scores / math.exp(log_temperature)
        top = scaled.max(1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(1)) - scaled[rows, targets]).mean())

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    best = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return min(max(math.exp(best.x), LOWEST), HIGHEST)


def fit_threshold(confidences: np.ndarray, correct: np.ndarray, risk: float | None = None) -> float | None:
    """The smallest confidence such that, of the answers at or above it, no more than a share is wrong.

    Selective classification: "risk" is the share of errors among the answers that are kept (Geifman and
    El-Yaniv, NeurIPS 2017, section 2). It holds on the data given; on others it is met only about.

    Args:
        confidences: (N,) of the answers.
        correct: (N,) whether each is right.
        risk: share of errors allowed; half the share among all answers where left out.

    Returns:
        One of the confidences; 0 where all answers together are good enough; None where no threshold is.
    """
    confidences, wrong = np.asarray(confidences, dtype=float), ~np.asarray(correct, dtype=bool)
    if len(wrong) == 0:
        return None
    risk = wrong.mean() / 2 if risk is None else risk
    values, place = np.unique(confidences, return_inverse=True)
    # Answers and errors at or above each confidence, from the lowest to the highest.
    kept = np.bincount(place)[::-1].cumsum()[::-1]
    errors = np.bincount(place, wrong)[::-1].cumsum()[::-1]
    good = np.flatnonzero(errors <= risk * kept + 1e-9)
    if len(good) == 0:
        return None
    return float(values[good[0]]) if good[0] else 0.0


def _log_probabilities(scores: np.ndarray) -> np.ndarray:
    scores = scores - scores.max(1, keepdims=True)
    return np.maximum(scores - np.log(np.exp(scores).sum(1, keepdims=True)), _FLOOR)


def _wanted(field: str, value: Any) -> str | None:
    """What a field of the file should hold, where its value is not that."""
    if field == "protocol":
        return None if isinstance(value, str) else "a text"
    if value is None and field not in ("temperature", "n"):
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if field == "temperature":
        return None if number and value > 0 else "a number above 0"
    if field == "threshold":
        return None if number and 0 <= value <= 1 else "a number from 0 to 1"
    if field == "n":
        return None if number and isinstance(value, int) and value >= 0 else "a whole number"
    return None if number and value >= 0 else "a number from 0 on"
