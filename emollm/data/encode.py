"""Fills the feature store before a run: every utterance once, with the run's own backbone."""

from __future__ import annotations

import sys

import torch
from rich.progress import track
from torch.utils.data import DataLoader

from emollm.data.audio import AudioError, duration
from emollm.data.batch import Batch, Collate, UtteranceDataset
from emollm.data.features import FeatureCache, FeatureStore
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


def plan(
    cache: FeatureCache, backbone: Backbone, table: UtteranceTable, changes_waveform: bool
) -> tuple[float, str | None]:
    """How large the features of a table are, and why they are not kept if they are not.

    Args:
        cache: whether the user wants them, and how large they may be.
        backbone: the encoder.
        table: the utterances.
        changes_waveform: whether training changes the sound at random.

    Returns:
        Gigabytes (0 where other reasons speak against keeping them), and the reason or None.
    """
    if not cache.enabled:
        return 0.0, "data.cache.enabled is false"
    if any(parameter.requires_grad for parameter in backbone.parameters()):
        return 0.0, "layers of the backbone are trained"
    if changes_waveform:
        return 0.0, "the waveform is augmented"
    size = estimate_gb(backbone, sum(seconds_of(row) for row in table))
    if size > cache.max_gb:
        return size, f"it would take {size:.1f} GB, more than data.cache.max_gb ({cache.max_gb:g})"
    return size, None


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
