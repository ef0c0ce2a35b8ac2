"""Fills the feature store before a run: every utterance once, with the run's own backbone."""

from __future__ import annotations

import sys

import torch
from rich.progress import track
from torch.utils.data import DataLoader

from emollm.data.audio import AudioError, duration
from emollm.data.batch import Batch, Collate, UtteranceDataset
from emollm.data.features import FeatureStore
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.models.backbones import Backbone

_BYTES = 2  # float16


def estimate_gb(backbone: Backbone, seconds: float) -> float:
    """Size of the features of so many seconds of sound, in gigabytes."""
    return seconds * backbone.frame_rate * len(backbone.layers) * backbone.width * _BYTES / 1e9


def seconds_of(utterance: Utterance) -> float:
    """Length of an utterance by its header; what cannot be read counts nothing here and is reported later."""
    if utterance.path is None:
        return 0.0
    try:
        end = duration(utterance.path) if utterance.end is None else utterance.end
    except AudioError:
        return 0.0
    return max(0.0, end - (utterance.start or 0.0))


def fill(
    store: FeatureStore,
    table: UtteranceTable,
    backbone: Backbone,
    dataset: UtteranceDataset,
    device: torch.device,
    workers: int,
    batch_size: int,
) -> None:
    """Encode what the store does not have; safe to interrupt, what is done stays done.

    Args:
        store: where the features go.
        table: the utterances that lack features.
        backbone: the frozen encoder.
        dataset: decodes them; those that cannot be decoded are left to be reported by the run.
        device: where the backbone runs.
        workers: processes that decode.
        batch_size: utterances a batch.
    """
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=workers, collate_fn=Collate({}))
    backbone.to(device)
    text = f"Encoding {len(table)} utterances once"
    for batch in track(loader, text, total=len(loader), disable=not sys.stderr.isatty()):
        if len(batch):
            _encode(store, batch, backbone, device)


@torch.inference_mode()
def _encode(store: FeatureStore, batch: Batch, backbone: Backbone, device: torch.device) -> None:
    hidden, mask = backbone(batch.waveforms.to(device), batch.lengths.to(device))
    for utterance, features, keep in zip(batch.utterances, hidden, mask, strict=True):
        store.write(utterance, features[:, keep])
