"""What a model says of a batch, and the figures of a part of the data: of its labels, and of its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torchmetrics.text import WordErrorRate

from emollm.data.batch import Batch
from emollm.metrics import EmotionMetrics, Results, plain_words


@dataclass
class Scores:
    """What a model says of a batch.

    Attributes:
        log_scores: (B, K) log-likelihood of each label, joined with a vote where there is one; None for a task
            without labels.
        predictions: (B,) label index, -1 for an answer that could not be read.
        transcripts: what the model itself wrote down, one an utterance, or None.
        temperature: divides the scores before they become probabilities; 1 leaves them as they are.
    """

    log_scores: Tensor | None
    predictions: Tensor | None = None
    transcripts: list[str | None] | None = None
    temperature: float = 1.0

    @property
    def probabilities(self) -> Tensor | None:
        """(B, K) softmax over the label set."""
        return None if self.log_scores is None else (self.log_scores.float() / self.temperature).softmax(-1)


class Figures(nn.Module):
    """Collects what a model says of the validation or the test part.

    Args:
        labels: the label set.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self.emotions = EmotionMetrics(labels)
        self.words = WordErrorRate()

    def reset(self) -> None:
        """Forget the last pass."""
        self.emotions.reset()
        self.words.reset()

    def update(self, scores: Scores, batch: Batch) -> None:
        """Add a batch; under DDP with nothing in it too, as every process must gather."""
        if scores.probabilities is not None:
            known = batch.targets >= 0
            corpora = [u.corpus for u, has in zip(batch.utterances, known.tolist(), strict=True) if has]
            predictions = scores.predictions[known] if scores.predictions is not None else None
            self.emotions.update(scores.probabilities[known], batch.targets[known], corpora, predictions)
        if scores.transcripts is not None:
            pairs = zip(scores.transcripts, batch.transcripts, strict=True)
            said = [(plain_words(heard or ""), plain_words(true)) for heard, true in pairs if true is not None]
            self.words.update([heard for heard, _ in said], [true for _, true in said])

    def results(self) -> Results | None:
        """What the labels say; None where no utterance with a label was scored."""
        if not self.emotions.update_count:
            return None
        try:
            return self.emotions.compute()
        except ValueError:  # nothing could be read; told only after all processes have gathered
            self.emotions.unsync(should_unsync=self.emotions._is_synced)  # torchmetrics forgets to, on an error
            return None

    def word_error_rate(self) -> float | None:
        """Share of wrong words; None where nothing was transcribed whose words are known."""
        if not self.words.update_count:
            return None
        rate = float(self.words.compute())
        return rate if math.isfinite(rate) else None
