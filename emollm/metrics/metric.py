"""The torchmetrics metric that every module feeds and every report reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from emollm.errors import UserError
from emollm.metrics.measure import measure
from emollm.metrics.results import Results

_NAME_BYTES = 256


class EmotionMetrics(Metric):
    """Collects every prediction over a closed label set and measures them together, and corpus by corpus.

    All predictions are kept (a few dozen bytes each), because UA, F1 and calibration are not means over batches.
    Corpora are kept by name, since processes may meet them in different orders.

    Several processes: each must call ``update`` at least once, with N = 0 where it has nothing, so that all of
    them gather tensors of the same kind.

    Args:
        labels: the K labels, in the order of the columns of the probabilities.
        gathers: whether processes put together what they collected; False where each has all of it.
    """

    full_state_update = False

    probabilities: list[Tensor]
    targets: list[Tensor]
    predictions: list[Tensor]
    corpora: list[Tensor]

    def __init__(self, labels: Sequence[str], gathers: bool = True) -> None:
        super().__init__(sync_on_compute=gathers)
        if len(labels) < 2:
            raise UserError(f"The label set {list(labels)} is too small to choose from: give two labels or more.")
        self.labels = list(labels)
        for name in ("probabilities", "targets", "predictions", "corpora"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self, probabilities: Tensor, targets: Tensor, corpora: Sequence[str], predictions: Tensor | None = None
    ) -> None:
        """Add a batch.

        Args:
            probabilities: (N, K) in any floating type; rows sum to one.
            targets: (N,) label index, 0 to K - 1.
            corpora: N names; the empty string for an utterance of no corpus.
            predictions: (N,) label index, -1 for an answer that could not be read; the most probable label
                where left out.

        Raises:
            UserError: when probabilities are no probabilities, which is what a diverged model gives.
            ValueError: when shapes or indices do not fit the label set.
        """
        probabilities = probabilities.detach().float()
        predictions = probabilities.argmax(-1) if predictions is None else predictions.detach().long()
        targets = targets.detach().long()
        self._check(probabilities, targets, corpora, predictions)
        self.probabilities.append(probabilities)
        self.targets.append(targets)
        self.predictions.append(predictions)
        self.corpora.append(_to_bytes(corpora).to(probabilities.device))

    def collected(self) -> tuple[Tensor, Tensor]:
        """(N, K) probabilities and (N,) targets of all processes; every process must ask."""
        with self.sync_context(should_sync=True):
            return dim_zero_cat(self.probabilities).cpu(), dim_zero_cat(self.targets).cpu()

    def compute(self) -> Results:
        """Measure all that was collected, in all processes.

        Raises:
            ValueError: when nothing was collected.
        """
        probabilities, targets = dim_zero_cat(self.probabilities), dim_zero_cat(self.targets)
        predictions, rows = dim_zero_cat(self.predictions), dim_zero_cat(self.corpora).cpu()
        parts = {}
        for row in rows.unique(dim=0):
            name, chosen = _to_name(row), (rows == row).all(1).to(targets.device)
            if name:
                parts[name] = measure(probabilities[chosen], targets[chosen], predictions[chosen], self.labels)
        overall = measure(probabilities, targets, predictions, self.labels)
        return Results(self.labels, overall, dict(sorted(parts.items())))

    def _check(self, probabilities: Tensor, targets: Tensor, corpora: Sequence[str], predictions: Tensor) -> None:
        number, count = len(targets), len(self.labels)
        if probabilities.shape != (number, count) or predictions.shape != targets.shape or len(corpora) != number:
            raise ValueError(
                f"Expected probabilities ({number}, {count}), predictions ({number},) and {number} corpora, got "
                f"{tuple(probabilities.shape)}, {tuple(predictions.shape)} and {len(corpora)}."
            )
        wrong = (targets < 0) | (targets >= count) | (predictions < -1) | (predictions >= count)
        if wrong.any():
            raise ValueError(f"{int(wrong.sum())} targets or predictions lie outside the {count} labels.")
        # Sums of bfloat16 probabilities are off by up to half a percent; NaN fails both comparisons.
        good = ((probabilities >= 0) & (probabilities <= 1.02)).all(1) & ((probabilities.sum(1) - 1).abs() < 0.02)
        if not good.all():
            raise UserError(
                f"{int((~good).sum())} of {number} utterances got numbers that are no probabilities (NaN, or not "
                "summing to one): the model has diverged; train it at a lower learning rate, or in float32."
            )


def _to_bytes(names: Sequence[str]) -> Tensor:
    """Names as (N, 256) bytes, which can be gathered between processes as strings cannot."""
    encoded = [name.encode() for name in names]
    for name in encoded:
        if len(name) > _NAME_BYTES:
            raise UserError(f"The corpus name '{name.decode()}' is too long: {_NAME_BYTES} bytes are allowed.")
    flat = bytearray(b"".join(name.ljust(_NAME_BYTES, b"\0") for name in encoded))
    rows = torch.frombuffer(flat, dtype=torch.uint8) if flat else torch.empty(0, dtype=torch.uint8)
    return rows.view(-1, _NAME_BYTES)


def _to_name(row: Tensor) -> str:
    return bytes(row.tolist()).rstrip(b"\0").decode()
