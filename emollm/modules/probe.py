"""The baseline every table needs: the same backbone, statistics over time, and a linear head."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from emollm.data.batch import Batch
from emollm.models.backbones import Backbone, BackboneSpec, load_backbone
from emollm.models.layer_mix import LayerMix
from emollm.models.pooling import Standardize, mean_and_deviation
from emollm.modules.base import EmotionModule
from emollm.modules.figures import Scores
from emollm.modules.optimization import Optimization


class Probe(EmotionModule):
    """Pooled-head probe (SUPERB's emotion task, with deviation beside the mean).

    Args:
        labels: the closed label set: a name (``basic4``, ``ravdess8``…), or the labels themselves.
        backbone: the frozen audio encoder.
        layers: ``concat`` puts the layers' statistics side by side; ``mix`` learns a weighted sum of layers.
        hidden: width of a hidden layer; 0 keeps the head linear.
        dropout: on the standardised statistics.
        label_smoothing: of the cross-entropy.
        optimization: learning rates and schedule.
        seed: of dropout.
    """

    method = "probe"

    def __init__(
        self,
        labels: str | list[str] = "basic4",
        backbone: BackboneSpec = BackboneSpec(),
        layers: Literal["concat", "mix"] = "concat",
        hidden: int = 0,
        dropout: float = 0.2,
        label_smoothing: float = 0.0,
        optimization: Optimization = Optimization(),
        seed: int = 0,
    ) -> None:
        super().__init__(labels, optimization, seed)
        self.backbone_spec = backbone
        self.layers = layers
        self.hidden = hidden
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.backbone: Backbone
        self.head: nn.Module
        self.layer_mix: LayerMix | None = None

    def build(self) -> None:
        """Load the backbone and make the head."""
        self.backbone = load_backbone(self.backbone_spec)
        count = len(self.backbone.layers)
        if self.layers == "mix":
            self.layer_mix, count = LayerMix(count), 1
        size = 2 * count * self.backbone.width
        middle: list[nn.Module] = [nn.Dropout(self.dropout)]
        if self.hidden:
            middle += [nn.Linear(size, self.hidden), nn.GELU(), nn.Dropout(self.dropout)]
        self.head = nn.Sequential(Standardize(size), *middle, nn.Linear(self.hidden or size, len(self.labels)))

    def parts(self) -> dict[str, nn.Module]:
        """Backbone and head."""
        mix = [self.layer_mix] if self.layer_mix is not None else []
        return {"backbone": self.backbone, "head": nn.ModuleList([*mix, self.head])}

    @property
    def audio_backbone(self) -> Backbone:
        """The audio encoder."""
        return self.backbone

    def fingerprints(self) -> dict[str, str]:
        """Of the frozen backbone."""
        return {"backbone": self.backbone.fingerprint}

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over the label set."""
        return nn.functional.cross_entropy(self.logits(batch), batch.targets, label_smoothing=self.label_smoothing)

    @torch.no_grad()
    def score(self, batch: Batch) -> Scores:
        """Log-probabilities of the labels."""
        return Scores(self.logits(batch).log_softmax(-1))

    def logits(self, batch: Batch) -> Tensor:
        """(B, K) from mean and deviation over time."""
        hidden, mask = self.hidden_states(batch)
        if self.layer_mix is not None:
            hidden = self.layer_mix(hidden)[:, None]
        layers = [torch.cat(mean_and_deviation(layer, mask), dim=-1) for layer in hidden.unbind(1)]
        return self.head(torch.cat(layers, dim=-1))
