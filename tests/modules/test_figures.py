"""Figures of a part, where nothing of it could be read."""

import torch

from emollm.modules.figures import Figures, Scores
from tests.small import LABELS, make_batch


def test_processes_that_read_nothing_can_go_on_counting():
    """Torchmetrics leaves a metric gathered whose figures cannot be computed, and then takes nothing more."""
    figures, batch = Figures(LABELS), make_batch()
    figures.emotions.distributed_available_fn = lambda: True
    figures.emotions.dist_sync_fn = lambda value, group=None: [value]
    scores, unknown = Scores(torch.eye(3).log_softmax(-1)), batch.targets.clone()
    batch.targets = torch.full_like(unknown, -1)
    for _ in range(2):
        figures.update(scores, batch)
        assert figures.results() is None
        figures.reset()
    batch.targets = unknown
    figures.update(scores, batch)
    assert figures.results().overall.wa == 1
