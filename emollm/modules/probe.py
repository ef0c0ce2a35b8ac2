"""The baseline every table needs: the same backbone, statistics over time, and a small head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emollm.data.batch import Batch
from emollm.data.protocols.speakers import speaker_keys
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.models.backbones import Backbone, BackboneSpec, load_backbone
from emollm.models.pooling import mean_and_deviation
from emollm.modules.base import EmotionModule
from emollm.modules.choice import Choice, Chosen, Head
from emollm.modules.ensemble import Ensemble, MLPs
from emollm.modules.figures import Scores
from emollm.modules.logistic import Logistic, check_l2
from emollm.modules.optimization import Optimization
from emollm.modules.speaker_range import SpeakerRange, View
from emollm.modules.standardise import mean_and_scale


@dataclass
class Seen:
    """Of a batch, once for each way in which its utterances are taken.

    Attributes:
        statistics: (B, F).
        targets: (B,).
        utterances: the B utterances.
        plain: for each, whether it is taken as it is: in no other range, at no other speed.
    """

    statistics: Tensor
    targets: Tensor
    utterances: list[Utterance]
    plain: list[bool]


class Probe(EmotionModule):
    """Logistic regression on mean and deviation over time of the backbone's layers, side by side.

    The statistics are collected in one pass over the training part (with ``data.mixing``, of as many utterances,
    drawn with replacement) and standardised over all that was collected. Then L-BFGS finds the minimum of

        sum of the cross-entropies + ``l2`` / 2 · |weights|²,

    which is the only one there is: no learning rate, no epochs and no seed to choose, and the answer of
    scikit-learn's ``LogisticRegression(C=1 / l2)`` behind a ``StandardScaler``. Training stops there, whatever
    ``trainer.max_epochs`` says. The statistics are kept in memory meanwhile: utterances × layers × 2 × width × 4
    bytes, 15 MB for 1,200 utterances and three layers of Whisper-base.

    Args:
        labels: the closed label set: a name (``basic4``, ``ravdess8``…), or the labels themselves.
        backbone: the frozen audio encoder.
        l2: how strongly the weights are drawn to zero.
        speaker_range: takes each training utterance in other ranges too, as so many more.
        ensemble: answers with several MLPs in the place of logistic regression; ``l2`` then means nothing.
        choice: finds which of several heads to answer with, by the training speakers alone; what ``l2`` and
            ``ensemble.dropout`` say then means nothing.
        seed: of the MLPs' dropout and order, and of the augmentation of training features; where MLPs begin is
            ``seed_everything``'s.
    """

    method = "probe"
    answers_in_order = True
    draws_views = False

    def __init__(
        self,
        labels: str | list[str] = "basic4",
        backbone: BackboneSpec = BackboneSpec(),
        l2: float = 1.0,
        speaker_range: SpeakerRange | None = None,
        ensemble: Ensemble | None = None,
        choice: Choice | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(labels, Optimization(), seed, speaker_range)
        check_l2(l2, "model.l2")
        self.automatic_optimization = False
        self.backbone_spec = backbone
        self.l2 = l2
        self.ensemble = ensemble
        self.choice = choice
        self.found: dict[str, float] = {}
        """UA of each head over the training speakers, the chosen one first; empty where nothing was chosen."""
        self.backbone: Backbone
        self.head: Head | Chosen
        self.mean: Tensor
        self.deviation: Tensor
        self._seen: list[Seen] = []

    def build(self) -> None:
        """Load the backbone and make the head."""
        self.backbone = load_backbone(self.backbone_spec)
        size = 2 * len(self.backbone.layers) * self.backbone.width
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        if self.choice is not None:
            self.head = Chosen(size, self.labels, self.choice, self.ensemble or Ensemble())
        elif self.ensemble is not None:
            self.head = MLPs(size, len(self.labels), self.ensemble)
        else:
            self.head = Logistic(size, len(self.labels), self.l2)

    def parts(self) -> dict[str, nn.Module]:
        """Backbone and head."""
        return {"backbone": self.backbone, "head": self.head}

    @property
    def audio_backbone(self) -> Backbone:
        """The audio encoder."""
        return self.backbone

    def fingerprints(self) -> dict[str, str]:
        """Of the frozen backbone."""
        return {"backbone": self.backbone.fingerprint}

    # -- what it says ---------------------------------------------------------------------------------------

    def statistics(self, batch: Batch) -> Tensor:
        """(B, F) mean and deviation over time, layer by layer."""
        hidden, mask = self.hidden_states(batch)
        return torch.cat([part for layer in hidden.unbind(1) for part in mean_and_deviation(layer, mask)], dim=-1)

    def logits(self, batch: Batch) -> Tensor:
        """(B, K)."""
        return self.head((self.statistics(batch) - self.mean) / self.deviation)

    def _views(self) -> list[View]:
        """How each training utterance is taken, one after the other."""
        if self.speaker_range is None:
            return ["plain"]
        return ["plain", *["own"] * (self.speaker_range.own > 0), *["borrowed"] * self.speaker_range.copies]

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over the label set."""
        return nn.functional.cross_entropy(self.logits(batch), batch.targets)

    @torch.no_grad()
    def score(self, batch: Batch) -> Scores:
        """Log-probabilities of the labels."""
        return Scores(self.logits(batch).log_softmax(-1))

    # -- how it is fitted -----------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:  # type: ignore[override]
        """That of the head, or of each that there is to choose from.

        Raises:
            UserError: when the trainer computes in half precision, or in several processes.
        """
        if self.trainer.precision == "16-mixed":
            raise UserError(
                f"trainer.precision is {self.trainer.precision}: the probe is fitted in float32, write 32-true."
            )
        if self.trainer.world_size > 1:
            raise UserError("The probe is fitted by one process: set trainer.devices to 1.")
        return [head.optimizer() for head in self._heads()]

    def on_fit_start(self) -> None:
        """Look at the training speakers, where a head is chosen by them, before anything is heard."""
        if self.choice is not None:
            self.choice.check_speakers(self.trainer.datamodule.parts.train)
            if self.speaker_range is not None and self.speaker_range.copies:
                raise UserError(
                    "model.choice does not go with model.speaker_range.borrowed: who lends his range to those "
                    "whom a head is fitted on may be the very one it is tried on. Leave one of them out."
                )
        super().on_fit_start()

    def on_train_epoch_start(self) -> None:
        """Forget the last pass."""
        self._seen.clear()

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the statistics of a batch, what could not be read left out; with the last one, fit the head.

        Here and not in a later hook, because Lightning counts optimiser steps, and so saves, inside of it only.
        """
        if len(batch):
            with torch.no_grad():
                batch = self.encoded(batch)
                for place, view in enumerate(self._views()):
                    self.view, rows = view, batch.utterances
                    plain = [place == 0 and row.speed == 1 for row in rows]
                    self._seen.append(Seen(self.statistics(batch), batch.targets, rows, plain))
            self.view = "plain"
        if self.trainer.is_last_batch:
            with torch.autocast(self.device.type, enabled=False):
                self.fit_head()
            self.trainer.should_stop = True

    def fit_head(self) -> None:
        """Standardise what was collected, and fit the head to it; where there is a choice, make it first.

        Raises:
            UserError: when nothing was collected, or there are too few speakers to choose by.
        """
        if not self._seen:
            raise UserError("None of the training recordings could be read.")
        seen, self._seen = self._seen, []
        statistics = torch.cat([part.statistics for part in seen]).float()
        targets = torch.cat([part.targets for part in seen]).long()
        if isinstance(self.head, Chosen):
            self._choose(seen, statistics, targets)
        mean, scale = mean_and_scale(statistics)
        self.mean.copy_(mean)
        self.deviation.copy_(scale)
        head = self.head.answering if isinstance(self.head, Chosen) else self.head
        # Lightning's own wrapper of the optimiser counts the steps.
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        optimizer = optimizers[self._heads().index(head)]
        loss = head.fit((statistics - self.mean) / self.deviation, targets, optimizer)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(targets))

    def _heads(self) -> list[Head]:
        """Every head that may be fitted."""
        return self.head.heads if isinstance(self.head, Chosen) else [self.head]

    def _choose(self, seen: list[Seen], statistics: Tensor, targets: Tensor) -> None:
        """Choose by speaker among the training utterances, and tell what was found."""
        assert isinstance(self.head, Chosen)
        read = UtteranceTable(row for part in seen for row in part.utterances)
        speakers, groups = speaker_keys(read), self.head.choice.groups
        if (heard := len(set(speakers))) < groups:
            raise UserError(
                f"{heard} speakers of the training part were heard, and model.choice.groups is {groups}: the "
                "others' recordings cannot be read, or trainer.limit_train_batches leaves them out."
            )
        plain = torch.tensor([one for part in seen for one in part.plain], device=targets.device)
        self.head.choose(statistics, targets, speakers, plain)
        self.found = dict(self.head.found)
        chosen, *others = (f"{name} ({100 * ua:.1f})" for name, ua in self.found.items())
        print(f"\nHead: {chosen}, before {', '.join(others)}: UA % over {groups} groups of the training speakers.")

    # -- what weights say of themselves ---------------------------------------------------------------------

    def notes(self) -> list[str]:
        """Which head was chosen."""
        if not self.found:
            return []
        return [
            f"The head is {next(iter(self.found))}: the best of {len(self.found)} by the training speakers alone."
        ]

    def specification(self) -> dict[str, Any]:
        """With what there was to choose from and how each did."""
        return super().specification() | ({"chosen": self.found} if self.found else {})

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """With what there was to choose from and how each did."""
        super().on_load_checkpoint(checkpoint)
        self.found = checkpoint["emollm"].get("chosen", {})

    def recall(self, specification: dict[str, Any]) -> None:
        """With what there was to choose from and how each did."""
        super().recall(specification)
        self.found = specification.get("chosen", {})
