"""Which head the probe answers with, found by cross-validation over the training speakers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from emollm.data.protocols.speakers import share_out, speakers_known, voices
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from emollm.metrics import measure
from emollm.modules.ensemble import Ensemble, MLPs
from emollm.modules.logistic import Logistic, check_l2
from emollm.modules.standardise import mean_and_scale

Head = Logistic | MLPs


@dataclass
class Choice:
    """Heads to choose from: each answers for groups of training speakers whom it was not fitted on.

    Utterances count as they are: copies at other speeds and views in the speaker's own range are trained on alone.
    Random augmentation is in what is measured too, and the range of all training speakers, towards which that of
    each is drawn, in what is fitted.
    """

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
        if not all(0 <= dropout < 1 for dropout in self.dropout):
            raise UserError(f"model.choice.dropout is {self.dropout}: they are shares, 0 or more, below 1.")
        for name, values in (("l2", self.l2), ("dropout", self.dropout)):
            if len({f"{value:g}" for value in values}) < len(values):
                raise UserError(f"model.choice.{name} is {values}: name each value once.")

    def check_speakers(self, train: UtteranceTable) -> None:
        """Hold the groups against a training part.

        Raises:
            UserError: when not every speaker is known, or there are fewer of them than groups.
        """
        if not speakers_known(train):
            raise UserError(
                "model.choice groups the training part by speaker, and some of its utterances have none: name "
                "their speakers, or leave the choice out."
            )
        if (count := len(voices(train))) < self.groups:
            raise UserError(
                f"model.choice.groups is {self.groups}, and the training part has {count} speakers: give fewer "
                "groups, or leave the choice out."
            )


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
        self.settings: list[float | Ensemble] = [
            *choice.l2,
            *(replace(ensemble, dropout=dropout) for dropout in choice.dropout),
        ]
        # MLPs first: they begin where they would begin without a choice.
        self.mlps = MLPs(inputs, len(labels), ensemble) if choice.dropout else None
        self.logistic = Logistic(inputs, len(labels), 1.0) if choice.l2 else None
        self.register_buffer("mlps_answer", torch.tensor(not choice.l2))
        self.found: dict[str, float] = {}
        """UA of every head over the training speakers, 0 to 1, the chosen one first; empty before the fit."""

    @property
    def heads(self) -> list[Head]:
        """Those that may come to answer."""
        return [head for head in (self.logistic, self.mlps) if head is not None]

    @property
    def answering(self) -> Head:
        """The one that answers."""
        head = self.mlps if self.mlps_answer else self.logistic
        assert head is not None
        return head

    def forward(self, statistics: Tensor) -> Tensor:
        """(B, F) → (B, K), of the head that was chosen."""
        return self.answering(statistics)

    def choose(self, statistics: Tensor, targets: Tensor, speakers: Sequence[str], plain: Tensor) -> None:
        """Find the head whose UA is highest, the first of several, and let it be the one that answers.

        All are tried with the same random numbers, and randomness goes on behind them as if nothing had been
        tried: the head that is then fitted is the one that the same settings give without a choice.

        Args:
            statistics: (N, F) as they were collected, not standardised.
            targets: (N,).
            speakers: of the N rows, told apart by corpus; as many as there are groups, or more.
            plain: (N,) bool, False for copies and views, which are trained on and not measured.
        """
        group_of = share_out(speakers, self.choice.groups, 0)
        groups = torch.tensor([group_of[speaker] for speaker in speakers], device=targets.device)
        devices = [] if targets.device.type == "cpu" else [targets.device]
        found = []
        for setting in self.settings:
            with torch.random.fork_rng(devices, device_type=targets.device.type):
                found.append(self._try(setting, statistics, targets, groups, plain))
        order = sorted(range(len(found)), key=lambda place: -found[place])
        self.found = {_words(self.settings[place]): found[place] for place in order}
        best = self.settings[order[0]]
        self.mlps_answer.fill_(isinstance(best, Ensemble))
        if isinstance(self.answering, MLPs):
            self.answering.use_dropout(best.dropout)
        else:
            self.answering.l2 = best

    def _try(
        self, setting: float | Ensemble, statistics: Tensor, targets: Tensor, groups: Tensor, plain: Tensor
    ) -> float:
        """UA over all groups, each answered for by a head that was fitted on the others."""
        answers = torch.zeros(len(targets), len(self.labels), device=targets.device)
        sizes = statistics.shape[1], len(self.labels)
        for group in range(1, self.choice.groups + 1):
            held_out = groups == group
            known, tested = statistics[~held_out], statistics[held_out]
            mean, scale = mean_and_scale(known)
            head = MLPs(*sizes, setting) if isinstance(setting, Ensemble) else Logistic(*sizes, setting)
            head.to(targets.device)
            head.fit((known - mean) / scale, targets[~held_out], head.optimizer())
            with torch.no_grad():
                answers[held_out] = head.eval()((tested - mean) / scale)
        chances = answers[plain].softmax(-1)
        return measure(chances, targets[plain], chances.argmax(-1), self.labels).ua


def _words(setting: float | Ensemble) -> str:
    if isinstance(setting, Ensemble):
        return f"{setting.members} MLPs, dropout {setting.dropout:g}"
    return f"logistic regression, l2 {setting:g}"
