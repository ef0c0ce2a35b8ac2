"""The baseline every table needs: the same backbone, statistics over time, and a small head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emollm.data.batch import Batch
from emollm.errors import UserError
from emollm.models.backbones import Backbone, BackboneSpec, load_backbone
from emollm.models.pooling import mean_and_deviation
from emollm.modules.base import EmotionModule
from emollm.modules.ensemble import Ensemble, MLPs
from emollm.modules.figures import Scores
from emollm.modules.optimization import Optimization, rate_at
from emollm.modules.speaker_range import SpeakerRange, View


class Probe(EmotionModule):
    """Logistic regression on mean and deviation over time of the backbone's layers, side by side.

    The statistics are collected in one pass over the training part and standardised over all of it. Then L-BFGS
    finds the minimum of

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
        seed: of the augmentation of training features, if there is any.
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
        seed: int = 0,
    ) -> None:
        super().__init__(labels, Optimization(), seed, speaker_range)
        if l2 <= 0:
            raise UserError(f"model.l2 is {l2}: without a pull to zero the weights have no end; give more than 0.")
        self.automatic_optimization = False
        self.backbone_spec = backbone
        self.l2 = l2
        self.ensemble = ensemble
        self.backbone: Backbone
        self.head: nn.Linear | MLPs
        self.mean: Tensor
        self.deviation: Tensor
        self._seen: list[tuple[Tensor, Tensor]] = []

    def build(self) -> None:
        """Load the backbone and make the head; that of logistic regression begins at zero."""
        self.backbone = load_backbone(self.backbone_spec)
        size = 2 * len(self.backbone.layers) * self.backbone.width
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        if self.ensemble is not None:
            self.head = MLPs(size, len(self.labels), self.ensemble)
            return
        self.head = nn.Linear(size, len(self.labels))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

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

    def configure_optimizers(self) -> torch.optim.Optimizer:  # type: ignore[override]
        """L-BFGS over the head, until its loss no longer falls; AdamW for an ensemble.

        Raises:
            UserError: when the trainer computes in half precision, or in several processes.
        """
        if self.trainer.precision == "16-mixed":
            raise UserError(
                f"trainer.precision is {self.trainer.precision}: the probe is fitted in float32, write 32-true."
            )
        if self.trainer.world_size > 1:
            raise UserError("The probe is fitted by one process: set trainer.devices to 1.")
        if self.ensemble is not None:
            rates = {"lr": self.ensemble.learning_rate, "weight_decay": self.ensemble.weight_decay}
            return torch.optim.AdamW(self.head.parameters(), **rates)
        return torch.optim.LBFGS(
            self.head.parameters(),
            max_iter=500,
            history_size=20,
            tolerance_grad=1e-6,
            line_search_fn="strong_wolfe",
        )

    def on_train_epoch_start(self) -> None:
        """Forget the last pass."""
        self._seen.clear()

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the statistics of a batch, what could not be read left out; with the last one, fit the head.

        Here and not in a later hook, because Lightning counts optimiser steps, and so saves, inside of it only.
        """
        if len(batch):
            with torch.no_grad():
                for view in self._views():
                    self.view = view
                    self._seen.append((self.statistics(batch), batch.targets))
            self.view = "plain"
        if self.trainer.is_last_batch:
            with torch.autocast(self.device.type, enabled=False):
                self.fit_head()
            self.trainer.should_stop = True

    def fit_head(self) -> None:
        """Standardise what was collected, and fit the head to it.

        Raises:
            UserError: when nothing was collected.
        """
        if not self._seen:
            raise UserError("None of the training recordings could be read.")
        statistics, targets = (torch.cat(parts).float() for parts in zip(*self._seen, strict=True))
        self._seen.clear()
        self.mean.copy_(statistics.mean(0))
        deviation = statistics.std(0, correction=0)
        # A statistic that never changes stays near zero; dividing by its rounding noise would make it shout.
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, 1.0))
        inputs, targets = (statistics - self.mean) / self.deviation, targets.long()
        loss = self._logistic(inputs, targets) if self.ensemble is None else self._mlps(inputs, targets)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(targets))

    def _logistic(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Find the minimum."""
        optimizer = self.optimizers()

        def closure() -> Tensor:
            optimizer.zero_grad()
            # Divided by the number of utterances, so that the tolerances mean the same for any corpus.
            pull = 0.5 * self.l2 * self.head.weight.square().sum() / len(targets)
            loss = nn.functional.cross_entropy(self.head(inputs), targets) + pull
            self.manual_backward(loss)
            return loss

        return optimizer.step(closure)

    def _mlps(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Train every member for so many passes."""
        assert self.ensemble is not None
        optimizer, epochs = self.optimizers(), self.ensemble.epochs
        steps = -(-len(targets) // self.ensemble.batch_size)
        loss = torch.zeros(())
        for epoch in range(epochs):
            for step, loss in enumerate(self.head.losses(inputs, targets, self.ensemble), epoch * steps):
                share = rate_at(step, [(epochs, 1.0)], steps, self.optimization.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = share * self.ensemble.learning_rate
                optimizer.zero_grad()
                self.manual_backward(loss)
                for member in self.head.members:
                    nn.utils.clip_grad_norm_(member.parameters(), 1.0)
                optimizer.step()
        return loss.detach() / self.ensemble.members
