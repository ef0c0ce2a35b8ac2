"""A logistic regression that answers beside the LLM, from the same statistics over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emollm.data.batch import Batch
from emollm.data.processes import gather
from emollm.errors import UserError
from emollm.models.speech_llm import AudioPath
from emollm.modules.logistic import Logistic, check_l2
from emollm.modules.speaker_range import View
from emollm.modules.standardise import mean_and_scale


@dataclass
class Vote:
    """A logistic regression on the statistics that the interface is given, which answers beside the LLM.

    It is fitted before the first step (where stages train backbone layers first, before the first step that leaves
    them as they are), and anew where a run is resumed, to the whole training part: each utterance
    as it is and, with ``model.speaker_range``, once more in its own speaker's range. Mixing, augmentation (but for
    speeds), ``balance_loss`` and ``trainer.limit_train_batches`` do not reach it. Its log-probabilities and the
    LLM's are averaged (a logarithmic opinion pool: Genest and Zidek, 1986). Where no sound reaches the model, or
    it is asked for more than the emotion, the LLM answers alone. All statistics are in memory at once: utterances
    × ranges × layers × 2 × width × 4 bytes, 88 MB for 3,565 utterances, two ranges, three layers of Whisper-base,
    and some copies of them while it is fitted.
    """

    share: float = 0.5
    """Of the logistic regression in that mean; 0 leaves the answer to the LLM."""
    l2: float = 1.0
    """How strongly its weights are drawn to zero; ``1 / C`` of scikit-learn."""

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise UserError(f"model.vote.share is {self.share}: it must be 0 or more, below 1.")
        check_l2(self.l2, "model.vote.l2")


class Voter(nn.Module):
    """The logistic regression of a ``Vote``; it has no vote before it is fitted or loaded.

    Args:
        inputs: F, number of statistics.
        labels: K, number of labels.
        vote: its settings.
    """

    def __init__(self, inputs: int, labels: int, vote: Vote) -> None:
        super().__init__()
        self.vote = vote
        # No parameters, for no gradient reaches them: what standardises the statistics is folded in.
        self.register_buffer("weight", torch.zeros(labels, inputs))
        self.register_buffer("bias", torch.zeros(labels))

    def fit(self, statistics: Tensor, targets: Tensor) -> None:
        """Find the minimum.

        Args:
            statistics: (N, F).
            targets: (N,).
        """
        mean, scale = mean_and_scale(statistics)
        head = Logistic(statistics.shape[1], len(self.bias), self.vote.l2).to(statistics.device)
        with torch.enable_grad():
            head.fit((statistics - mean) / scale, targets, head.optimizer())
        weight = head.weight.detach() / scale
        self.weight.copy_(weight)
        self.bias.copy_(head.bias.detach() - weight @ mean)

    def forget(self) -> None:
        """Have no vote, as before it was fitted."""
        self.weight.zero_()
        self.bias.zero_()

    def forward(self, log_scores: Tensor, statistics: Tensor) -> Tensor:
        """The joint answer.

        Args:
            log_scores: (B, K) of the LLM.
            statistics: (B, F).

        Returns:
            (B, K) weighted mean of both log-probabilities.
        """
        if not self.fitted:
            return log_scores
        with torch.autocast(statistics.device.type, enabled=False):
            own = nn.functional.linear(statistics.float(), self.weight, self.bias).log_softmax(-1)
            share = self.vote.share
            return (1 - share) * log_scores.float().log_softmax(-1) + share * own

    @property
    def fitted(self) -> bool:
        """Whether it was fitted or loaded; a training part of one label only leaves nothing to say either."""
        return bool(self.weight.any())

    def note(self) -> str:
        """What a report says of it."""
        return (
            "A logistic regression on the backbone's statistics answers beside the LLM: "
            f"{100 * self.vote.share:g} % of the mean of their log-probabilities are its."
        )


class VoterRows:
    """What a voter is fitted to: rows of statistics, collected by one process or by several."""

    def __init__(self) -> None:
        self._names: list[tuple[str, float, str]] = []
        self._statistics: list[Tensor] = []
        self._targets: list[Tensor] = []

    def add(self, batch: Batch, view: View, statistics: Tensor) -> None:
        """Keep the (B, F) statistics of a batch in one range; what has no label teaches nothing."""
        labelled = (batch.targets >= 0).cpu()
        pairs = zip(batch.utterances, labelled.tolist(), strict=True)
        self._names += [(row.key, row.speed, view) for row, known in pairs if known]
        self._statistics.append(statistics.cpu()[labelled])
        self._targets.append(batch.targets.cpu()[labelled])

    def of_all_processes(self) -> tuple[Tensor, Tensor]:
        """(N, F) statistics and (N,) targets, in an order that does not depend on who heard what.

        Sums then end with the same rounding, however many processes there are.

        Raises:
            UserError: when there is nothing to be fitted to.
        """
        mine = (self._names, self._statistics, self._targets)
        names, statistics, targets = (sum(theirs, []) for theirs in zip(*gather(mine), strict=True))
        if not names:
            raise UserError("model.vote: none of the training recordings could be read.")
        order = sorted(range(len(names)), key=names.__getitem__)
        return torch.cat(statistics)[order], torch.cat(targets)[order]


def make_voter(audio: AudioPath, labels: int, vote: Vote, held_at_last: bool) -> Voter:
    """The voter for what an interface is given.

    Args:
        audio: backbone and interface.
        labels: K.
        vote: its settings.
        held_at_last: whether the last stage leaves trained backbone layers as they are.

    Raises:
        UserError: when that is no statistics, or training changes them.
    """
    if not audio.pools_first or not (audio.backbone.frozen or held_at_last):
        raise UserError(
            "model.vote is about statistics that training does not change, or no more in its last stage: take "
            "model.layers: concat, the StatisticsInterface and a frozen backbone (or a last stage with "
            "train_backbone: false), or leave it out."
        )
    return Voter(2 * len(audio.backbone.layers) * audio.backbone.width, labels, vote)
