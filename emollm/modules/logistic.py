"""Logistic regression, fitted to its only minimum: the plain head of the probe."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emollm.errors import UserError


class Logistic(nn.Linear):
    """A linear head that begins at zero.

    Args:
        inputs: F, number of statistics.
        labels: K, number of labels.
        l2: how strongly the weights are drawn to zero; ``1 / C`` of scikit-learn.
    """

    def __init__(self, inputs: int, labels: int, l2: float) -> None:
        super().__init__(inputs, labels)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.l2 = l2

    def optimizer(self) -> torch.optim.Optimizer:
        """L-BFGS, until the loss no longer falls."""
        return torch.optim.LBFGS(
            self.parameters(), max_iter=500, history_size=20, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
        )

    def fit(self, inputs: Tensor, targets: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
        """Find the minimum of the cross-entropies' sum + ``l2`` / 2 · |weights|².

        Args:
            inputs: (N, F), standardised.
            targets: (N,).
            optimizer: what ``optimizer`` made, or a wrapper of it.

        Returns:
            The loss where it began, a scalar.
        """

        def closure() -> Tensor:
            optimizer.zero_grad()
            # Divided by the number of utterances, so that the tolerances mean the same for any corpus.
            pull = 0.5 * self.l2 * self.weight.square().sum() / len(targets)
            loss = nn.functional.cross_entropy(self(inputs), targets) + pull
            loss.backward()
            return loss

        return optimizer.step(closure)


def check_l2(l2: float, name: str) -> None:
    """Refuse a pull that is none.

    Raises:
        UserError: when it is not above 0.
    """
    if l2 <= 0:
        raise UserError(f"{name} is {l2}: without a pull to zero the weights have no end; give more than 0.")
