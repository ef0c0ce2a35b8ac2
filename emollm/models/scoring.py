"""Exact log-likelihood of every label of a closed set, from one forward of the LLM.

The labels' tokens form a tree: labels that begin alike share their first tokens. The tree is laid out behind
the prompt, each node attending to the prompt and to its own ancestors only, at the position it would have if
it were alone. So one forward gives the same numbers as one forward for each label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from emollm.models.fusion import Fused


@dataclass(frozen=True)
class LabelTree:
    """The tokens of a label set, shared beginnings stored once.

    Attributes:
        tokens: (M,) tokens that must be fed to the LLM: all but each label's last.
        parents: (M,) index of the node before, -1 for the prompt's end.
        depth: (M,) 1 for a first token.
        steps: for every label its (node before, token) pairs, end of turn included.
    """

    tokens: list[int]
    parents: list[int]
    depth: list[int]
    steps: list[list[tuple[int, int]]]

    @classmethod
    def build(cls, labels: Sequence[Sequence[int]]) -> LabelTree:
        """Build the tree of token sequences, each closed by its end of turn."""
        tokens: list[int] = []
        parents: list[int] = []
        depth: list[int] = []
        index: dict[tuple[int, int], int] = {}
        steps = []
        for label in labels:
            node, path = -1, []
            for level, token in enumerate(label, start=1):
                path.append((node, token))
                if level == len(label):
                    break
                if (node, token) not in index:
                    index[node, token] = len(tokens)
                    tokens.append(token)
                    parents.append(node)
                    depth.append(level)
                node = index[node, token]
            steps.append(path)
        return cls(tokens, parents, depth, steps)

    def __len__(self) -> int:
        return len(self.tokens)

    def ancestors(self) -> Tensor:
        """(M, M) bool: which node may look at which (itself and those before it on its path)."""
        seen = torch.eye(len(self), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


def tree_mask(fused: Fused, tree: LabelTree) -> tuple[Tensor, Tensor]:
    """Attention mask and positions of rows whose last ``len(tree)`` places hold the tree.

    Returns:
        (B, 1, S, S) additive mask in the dtype of the embeddings, and (B, S) position ids.
    """
    size, device = fused.mask.shape[1], fused.mask.device
    places = torch.arange(size, device=device)
    allowed = (places <= places[:, None]) & fused.mask[:, None, :]
    positions = fused.positions
    if len(tree):
        first = fused.start + fused.lengths - len(tree)
        columns = first[:, None] + torch.arange(len(tree), device=device)
        rows = torch.arange(len(first), device=device)[:, None]
        allowed[rows[:, :, None], columns[:, :, None], columns[:, None, :]] = tree.ancestors().to(device)
        depth = torch.tensor(tree.depth, device=device)
        positions[rows, columns] = (fused.lengths - len(tree) - 1)[:, None] + depth
    # A padded place that may look nowhere would turn into NaN; looking at itself harms nobody.
    allowed |= torch.eye(size, dtype=torch.bool, device=device)
    lowest = torch.finfo(fused.embeddings.dtype).min
    mask = torch.zeros(allowed.shape, dtype=fused.embeddings.dtype, device=device)
    return mask.masked_fill(~allowed, lowest)[:, None], positions


def tree_columns(fused: Fused, tree: LabelTree) -> Tensor:
    """(B, M + 1) columns whose logits are read: the prompt's end, then the nodes."""
    last = fused.start + fused.lengths - len(tree) - 1
    return last[:, None] + torch.arange(len(tree) + 1, device=last.device)


def tree_scores(logits: Tensor, tree: LabelTree) -> Tensor:
    """Sum each label's log-probabilities along its path.

    Args:
        logits: (B, M + 1, V) at ``tree_columns``.
        tree: the label tree.

    Returns:
        (B, K) float32 log-likelihoods of the whole answers, end of turn included.
    """
    device = logits.device
    pairs = [(node + 1, token, k) for k, path in enumerate(tree.steps) for node, token in path]
    nodes, tokens, owners = (torch.tensor(part, device=device) for part in zip(*pairs, strict=True))
    steps = _LogProbabilities.apply(logits, nodes, tokens)
    scores = torch.zeros(len(logits), len(tree.steps), device=device)
    return scores.index_add(1, owners, steps)


class _LogProbabilities(torch.autograd.Function):
    """Log-probabilities of P tokens, each at one of C columns: (B, C, V) logits → (B, P) in float32.

    A float32 copy of all logits would be the largest tensor of the whole forward, and its gradient the largest of
    the backward: both are made piece by piece, and one piece stays in a processor's cache.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, columns: Tensor, tokens: Tensor) -> Tensor:
        """Keeps the logits, in their own precision, and the logarithm of each column's sum."""
        norms = torch.cat([piece.float().logsumexp(-1) for piece in _pieces(logits)]).view(logits.shape[:2])
        ctx.save_for_backward(logits, norms, columns, tokens)
        return logits[:, columns, tokens].float() - norms[:, columns]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The softmax of a column times what is asked of it, and a one at each token."""
        logits, norms, columns, tokens = ctx.saved_tensors
        asked = torch.zeros_like(norms).index_add_(1, columns, gradient).flatten()
        given = torch.empty_like(logits, memory_format=torch.contiguous_format)
        start = 0
        for piece, out in zip(_pieces(logits), _pieces(given), strict=True):
            rows = slice(start, start := start + len(piece))
            chances = (piece.float() - norms.flatten()[rows, None]).exp_()
            out.copy_(chances.mul_(-asked[rows, None]))
        # What several labels ask of one token is summed before it is added: autograd's order, and its rounding.
        places, owners = torch.stack([columns, tokens]).unique(dim=1, return_inverse=True)
        ones = given.new_zeros(len(logits), places.shape[1])
        rows = torch.arange(len(logits), device=logits.device)[:, None]
        ones.index_put_((rows, owners), gradient.to(given.dtype), accumulate=True)
        given[:, places[0], places[1]] += ones
        return given, None, None


def _pieces(logits: Tensor) -> tuple[Tensor, ...]:
    """(B, C, V) → its B · C rows one after the other, in C pieces of B rows, (B, V)."""
    return logits.flatten(0, 1).split(len(logits))
