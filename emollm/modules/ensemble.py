"""Several small MLPs whose probabilities are averaged: another head for the probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from emollm.errors import UserError
from emollm.modules.optimization import rate_at

_WARMUP = 0.05


@dataclass
class Ensemble:
    """MLPs that begin at other weights and see utterances in another order (Lakshminarayanan et al. 2017)."""

    members: int = 5
    """How many."""
    hidden: int = 256
    """Width of each one's hidden layer."""
    dropout: float = 0.7
    """On the statistics and after the hidden layer."""
    epochs: int = 20
    """Passes over the training part; they take seconds, as its statistics are in memory."""
    batch_size: int = 128
    """Utterances a step."""
    learning_rate: float = 3e-3
    """Of AdamW; it rises for a twentieth of the steps, then falls to zero."""
    weight_decay: float = 0.01
    """Of all weights."""
    label_smoothing: float = 0.1
    """Share of each target that is spread over all labels."""

    def __post_init__(self) -> None:
        if min(self.members, self.hidden, self.epochs, self.batch_size) < 1 or self.learning_rate <= 0:
            raise UserError(
                "model.ensemble: members, hidden, epochs and batch_size must be at least 1, "
                "and learning_rate above 0."
            )
        if not (0 <= self.dropout < 1 and 0 <= self.label_smoothing < 1):
            raise UserError("model.ensemble: dropout and label_smoothing are shares, 0 or more, below 1.")


class MLPs(nn.Module):
    """The members of an ensemble.

    Args:
        inputs: F, number of statistics.
        labels: K, number of labels.
        ensemble: how many there are, and of which size.
    """

    def __init__(self, inputs: int, labels: int, ensemble: Ensemble) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.members = nn.ModuleList(
            nn.Sequential(
                nn.Dropout(ensemble.dropout),
                nn.Linear(inputs, ensemble.hidden),
                nn.GELU(),
                nn.Dropout(ensemble.dropout),
                nn.Linear(ensemble.hidden, labels),
            )
            for _ in range(ensemble.members)
        )

    def forward(self, statistics: Tensor) -> Tensor:
        """(B, F) → (B, K), the logarithm of the members' mean probabilities."""
        answers = torch.stack([member(statistics).log_softmax(-1) for member in self.members])
        return answers.logsumexp(0) - torch.tensor(len(self.members)).log()

    def use_dropout(self, share: float) -> None:
        """Train with another share of dropout than it was made with."""
        self.ensemble = replace(self.ensemble, dropout=share)
        for part in self.modules():
            if isinstance(part, nn.Dropout):
                part.p = share

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW over all members."""
        rates = {"lr": self.ensemble.learning_rate, "weight_decay": self.ensemble.weight_decay}
        return torch.optim.AdamW(self.parameters(), **rates)

    def fit(self, inputs: Tensor, targets: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
        """Train every member for so many passes.

        Args:
            inputs: (N, F), standardised.
            targets: (N,).
            optimizer: what ``optimizer`` made, or a wrapper of it.

        Returns:
            The mean loss of the last step, a scalar.
        """
        epochs, steps = self.ensemble.epochs, -(-len(targets) // self.ensemble.batch_size)
        loss = torch.zeros(())
        for epoch in range(epochs):
            for step, loss in enumerate(self._losses(inputs, targets), epoch * steps):
                share = rate_at(step, [(epochs, 1.0)], steps, _WARMUP)
                for group in optimizer.param_groups:
                    group["lr"] = share * self.ensemble.learning_rate
                optimizer.zero_grad()
                loss.backward()
                for member in self.members:
                    nn.utils.clip_grad_norm_(member.parameters(), 1.0)
                optimizer.step()
        return loss.detach() / len(self.members)

    def _losses(self, inputs: Tensor, targets: Tensor) -> Iterator[Tensor]:
        """The losses of one pass, each the sum of all members' on a batch of its own."""
        size, smoothing = self.ensemble.batch_size, self.ensemble.label_smoothing
        orders = [torch.randperm(len(targets)).to(targets.device) for _ in self.members]
        for start in range(0, len(targets), size):
            losses = []
            for member, order in zip(self.members, orders, strict=True):
                rows = order[start : start + size]
                logits = member(inputs[rows])
                losses.append(nn.functional.cross_entropy(logits, targets[rows], label_smoothing=smoothing))
            yield torch.stack(losses).sum()
