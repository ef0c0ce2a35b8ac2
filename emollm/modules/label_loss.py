"""The training loss over a closed label set: which labels an utterance may have, and how much each one counts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError


class LabelLoss:
    """Cross-entropy among the labels that an utterance may have.

    Args:
        labels: the label set.
        smoothing: share of each target that is spread over all labels that an utterance may have (Szegedy et al.
            2016).
        balance: count every label alike, however rare it is in the training part.
        soft: the target of an utterance with annotators' votes is the share of each label in them (as Fayek et al.
            2016 train on all annotators' labels); one without votes for any label of the set keeps its label.
        by_corpus: an utterance may have only the labels that its corpus knows: a corpus without surprise says
            nothing about how surprise does not sound.
    """

    def __init__(
        self, labels: Sequence[str], smoothing: float, balance: bool, by_corpus: bool, soft: bool = False
    ) -> None:
        if not 0 <= smoothing < 1:
            raise UserError(f"model.label_smoothing is {smoothing}: it is a share, 0 or more, below 1.")
        self.labels = list(labels)
        self.smoothing = smoothing
        self.balance = balance
        self.by_corpus = by_corpus
        self.soft = soft
        self._weight: dict[str, float] = {}
        self._known: dict[str, list[str]] = {}

    def learn(self, table: UtteranceTable) -> None:
        """Look at the labels of the training part."""
        heard = [row.label for row in table if row.label in self.labels]
        if self.soft and not any(row.votes for row in table):
            warnings.warn("model.soft_labels has no effect: no training utterance has votes.", stacklevel=2)
        if self.balance:
            # One in the mean over the training part, so that a batch's loss does not depend on who is in it.
            known = set(heard)
            self._weight = {label: len(heard) / len(known) / heard.count(label) for label in known}
        if self.by_corpus:
            for corpus in table.unique("corpus"):
                known = {row.label for row in table if row.corpus == corpus}
                self._known[corpus] = [label for label in self.labels if label in known]

    def choices(self, utterance: Utterance) -> list[str]:
        """The labels that an utterance may have, in the order of the label set."""
        return self._known.get(utterance.corpus, self.labels)

    def weights(self, targets: Tensor) -> Tensor:
        """(B,) how much each utterance counts."""
        weights = [self._weight.get(self.labels[target], 1.0) for target in targets.tolist()]
        return torch.tensor(weights, device=targets.device)

    def shares(self, targets: Tensor, utterances: Sequence[Utterance], may: Tensor) -> Tensor:
        """(B, K) share of each label in the target: all of one, or as annotators voted.

        Args:
            targets: (B,) positions in the label set.
            utterances: (B,) whose votes count.
            may: (B, K) bool, the labels that each may have; votes for others are nobody's.
        """
        shares = torch.nn.functional.one_hot(targets, len(self.labels)).float()
        if not self.soft:
            return shares
        votes = [[(row.votes or {}).get(label, 0.0) for label in self.labels] for row in utterances]
        counts = torch.tensor(votes, device=targets.device) * may
        total = counts.sum(1, keepdim=True)
        return torch.where(total > 0, counts / total.clamp(min=1e-9), shares)

    def __call__(self, scores: Tensor, targets: Tensor, utterances: Sequence[Utterance]) -> Tensor:
        """The mean loss of a batch.

        Args:
            scores: (B, K) logits, or log-likelihoods of the labels.
            targets: (B,) positions in the label set.
            utterances: (B,) what the scores are of.
        """
        may = torch.tensor(
            [[label in choices for label in self.labels] for choices in map(self.choices, utterances)],
            device=scores.device,
        )
        chances = scores.masked_fill(~may, -torch.inf).log_softmax(-1)
        right = (self.shares(targets, utterances, may) * chances.masked_fill(~may, 0.0)).sum(1)
        spread = chances.masked_fill(~may, 0.0).sum(1) / may.sum(1)
        losses = -(1 - self.smoothing) * right - self.smoothing * spread
        return (self.weights(targets) * losses).mean()
