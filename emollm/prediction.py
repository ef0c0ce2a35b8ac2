"""One prediction: the row that every table, file and report is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from emollm.data.audio import SAMPLE_RATE
from emollm.data.utterance import Utterance
from emollm.wording import seconds

if TYPE_CHECKING:
    from emollm.data.batch import Batch
    from emollm.data.sounds import SoundIndex


@dataclass(frozen=True)
class Prediction:
    """What a model says of one utterance, or why it says nothing.

    Attributes:
        utterance: what was asked about.
        label: the predicted emotion; None where there is an error or an answer that could not be read.
        probabilities: label to probability; empty where there is an error.
        transcript: what the model read, or wrote down itself.
        duration: in seconds; None where no sound was decoded.
        model: the model's name.
        error: the reason why there is no prediction.
        threshold: confidence below which the model's calibration calls an answer uncertain; None if it has none.
    """

    utterance: Utterance
    label: str | None
    probabilities: dict[str, float]
    transcript: str | None
    duration: float | None
    model: str
    error: str | None = None
    threshold: float | None = None

    @property
    def uncertain(self) -> bool | None:
        """Whether the answer should not be relied on; None where nobody can tell."""
        if self.confidence is None or self.threshold is None:
            return None
        return self.confidence < self.threshold

    @property
    def confidence(self) -> float | None:
        """Probability of the predicted label."""
        return self.probabilities.get(self.label) if self.label is not None else None

    def row(self) -> dict[str, Any]:
        """The columns of a predictions file, in their order."""
        return {
            "path": name_of(self.utterance),
            "label": self.label,
            "confidence": _rounded(self.confidence),
            "uncertain": self.uncertain,
            **{f"p_{label}": _rounded(value) for label, value in self.probabilities.items()},
            "transcript": self.transcript,
            "duration": _rounded(self.duration),
            "model": self.model,
            "error": self.error,
        }


def name_of(utterance: Utterance) -> str:
    """How predictions call an utterance: by its file, and the stretch of it (a W3C media fragment)."""
    # Bytes that are no UTF-8 are written out: the name goes into files that must be.
    name = str(utterance.path or utterance.id).encode("utf-8", "backslashreplace").decode()
    if utterance.path is None or (utterance.start is None and utterance.end is None):
        return name
    end = "" if utterance.end is None else f",{seconds(utterance.end)}"
    return f"{name}#t={seconds(utterance.start or 0.0)}{end}"


def columns(labels: list[str]) -> list[str]:
    """Names of a predictions file's columns."""
    probabilities = [f"p_{label}" for label in labels]
    return ["path", "label", "confidence", "uncertain", *probabilities, "transcript", "duration", "model", "error"]


def from_scores(
    batch: Batch,
    probabilities: Tensor | None,
    predictions: Tensor | None,
    transcripts: list[str | None] | None,
    labels: list[str],
    model: str,
    threshold: float | None = None,
) -> list[Prediction]:
    """Predictions of a batch: first those that could be read, then the broken ones.

    Args:
        batch: what was asked about.
        probabilities: (B, K), or None for a task without labels.
        predictions: (B,) label index, -1 for an answer that could not be read; None takes the most probable.
        transcripts: what the model wrote down itself; None keeps what it was given.
        labels: the K labels.
        model: name of the model.
        threshold: confidence below which an answer is uncertain.
    """
    if predictions is None and probabilities is not None:
        predictions = probabilities.argmax(-1)
    durations = (batch.lengths / SAMPLE_RATE).tolist()
    # All at once: on a GPU each look at a number waits for all that goes before.
    chosen_labels = predictions.tolist() if predictions is not None else [-1] * len(batch)
    shares = probabilities.tolist() if probabilities is not None else [[]] * len(batch)
    rows = []
    for index, (utterance, chosen, values) in enumerate(zip(batch.utterances, chosen_labels, shares, strict=True)):
        rows.append(
            Prediction(
                utterance=utterance,
                label=labels[chosen] if chosen >= 0 else None,
                probabilities=dict(zip(labels, values, strict=False)),
                transcript=transcripts[index] if transcripts is not None else utterance.transcript,
                duration=(durations[index] or None) if index < len(durations) else None,
                model=model,
                error="the answer could not be read" if chosen < 0 and probabilities is not None else None,
                threshold=threshold,
            )
        )
    for utterance, reason in batch.broken:
        rows.append(Prediction(utterance, None, {}, utterance.transcript, None, model, reason))
    return rows


def with_durations(predictions: list[Prediction], sounds: SoundIndex) -> list[Prediction]:
    """Predictions with the lengths of their recordings; where features were stored, no sound was decoded."""
    asked = [one for one in predictions if one.duration is None and one.utterance.path is not None]
    # A stretch may be said to end behind its file.
    until = sounds.all_seconds(replace(one.utterance, end=None) for one in asked)
    named = sounds.all_seconds(one.utterance for one in asked)
    seconds = {id(one): min(pair) for one, *pair in zip(asked, until, named, strict=True)}
    return [replace(one, duration=seconds.get(id(one)) or one.duration) for one in predictions]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
