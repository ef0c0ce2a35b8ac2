"""Which head the probe answers with, found by cross-validation over the training speakers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from emollm.data.protocols.speakers import share_out
from emollm.errors import UserError
from emollm.metrics import measure
from emollm.modules.ensemble import Ensemble, MLPs
from emollm.modules.logistic import Logistic, check_l2
from emollm.modules.standardise import mean_and_scale

Head = Logistic | MLPs


@dataclass
class Choice:
    """Heads to choose from: each answers for groups of training speakers whom it was not fitted on."""

    groups: int = 5
    """How many groups the training speakers are shared out into."""
    l2: list[float] = field(default_factory=lambda: [1.0, 10.0, 100.0])
    """Logistic regression with each of these pulls to zero."""
    dropout: list[float] = field(default_factory=lambda: [0.5, 0.7, 0.8])
    """MLPs with each of these shares of dropout, and else as ``model.ensemble`` says."""

    def __post_init__(self) -> None:
        if self.groups < 2:
            raise UserError(f"model.choice.groups is {self.groups}: one is held out of at least 2.")
        if len(self.l2) + len(self.dropout) < 2:
            raise UserError("model.choice: there is nothing to choose from; give two or more of l2 and dropout.")
        for l2 in self.l2:
            check_l2(l2, "model.choice.l2")
        for dropout in self.dropout:
            replace(Ensemble(), dropout=dropout)  # which refuses what is no share


class Chosen(nn.Module):
    """A head of either kind: which one, and how it was fitted, is found when it is fitted.

    Args:
        inputs: F, number of statistics.
        labels: the K labels.
        choice: what there is to choose from.
        ensemble: what the MLPs are like, but for dropout.
    """

    mlps_answer: Tensor

    def __init__(self, inputs: int, labels: Sequence[str], choice: Choice, ensemble: Ensemble) -> None:
        super().__init__()
        self.labels, self.choice = list(labels), choice
        # MLPs first: they begin where they would begin without a choice.
        self.mlps = MLPs(inputs, len(labels), ensemble)
        self.logistic = Logistic(inputs, len(labels), 1.0)
        self.register_buffer("mlps_answer", torch.tensor(False))
        self.found: dict[str, float] = {}
        """UA of every head over the training speakers, 0 to 1, the chosen one first; empty before the fit."""

    def forward(self, statistics: Tensor) -> Tensor:
        """(B, F) → (B, K), of the head that was chosen."""
        return self.mlps(statistics) if self.mlps_answer else self.logistic(statistics)

    def choose(self, statistics: Tensor, targets: Tensor, speakers: Sequence[str], plain: Tensor) -> Head:
        """Find the head whose UA is highest, the first of several, and let it be the one that answers.

        Randomness goes on behind it as if nothing had been tried: the head that is then fitted is the one that the
        same settings give without a choice.

        Args:
            statistics: (N, F) as they were collected, not standardised.
            targets: (N,).
            speakers: of the N rows, told apart by corpus.
            plain: (N,) bool, False for further views of an utterance, which are trained on and not measured.

        Returns:
            The head to fit.

        Raises:
            UserError: when there are fewer speakers than groups.
        """
        count = self.choice.groups
        if len(set(speakers)) < count:
            raise UserError(
                f"model.choice.groups is {count}, and the training part has {len(set(speakers))} speakers: give "
                "fewer groups, or leave the choice out."
            )
        group_of = share_out(speakers, count, 0)
        groups = torch.tensor([group_of[speaker] for speaker in speakers], device=targets.device)
        settings: list[float | Ensemble] = [
            *self.choice.l2,
            *(replace(self.mlps.ensemble, dropout=dropout) for dropout in self.choice.dropout),
        ]
        devices = [] if targets.device.type == "cpu" else [targets.device]
        with torch.random.fork_rng(devices):
            found = [self._try(one, statistics, targets, groups, plain) for one in settings]
        order = sorted(range(len(found)), key=lambda place: -found[place])
        self.found = {_words(settings[place]): found[place] for place in order}
        best = settings[order[0]]
        self.mlps_answer.fill_(isinstance(best, Ensemble))
        if isinstance(best, Ensemble):
            self.mlps.use_dropout(best.dropout)
            return self.mlps
        self.logistic.l2 = best
        return self.logistic

    def _try(
        self, setting: float | Ensemble, statistics: Tensor, targets: Tensor, groups: Tensor, plain: Tensor
    ) -> float:
        """UA over all groups, each answered for by a head that was fitted on the others."""
        answers = torch.zeros(len(targets), len(self.labels), device=targets.device)
        for group in range(1, self.choice.groups + 1):
            inside = groups != group
            mean, scale = mean_and_scale(statistics[inside])
            size = statistics.shape[1], len(self.labels)
            head = MLPs(*size, setting) if isinstance(setting, Ensemble) else Logistic(*size, setting)
            head.to(targets.device)
            head.fit((statistics[inside] - mean) / scale, targets[inside], head.optimizer())
            with torch.no_grad():
                answers[~inside] = head.eval()((statistics[~inside] - mean) / scale)
        chances = answers[plain].softmax(-1)
        return measure(chances, targets[plain], chances.argmax(-1), self.labels).ua


def _words(setting: float | Ensemble) -> str:
    if isinstance(setting, Ensemble):
        return f"{setting.members} MLPs, dropout {setting.dropout:g}"
    return f"logistic regression, l2 {setting:g}"
