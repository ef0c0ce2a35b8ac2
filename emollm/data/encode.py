"""Fills the feature store before a run: every utterance once, with the run's own backbone."""

from __future__ import annotations

import math
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from rich.progress import track
from torch.utils.data import DataLoader

from emollm.data.batch import Batch, Collate, UtteranceDataset
from emollm.data.features import FeatureCache, FeatureStore, as_stored
from emollm.data.loaders import heard_seconds, lengths_of
from emollm.data.processes import gather, mine, say
from emollm.data.sampler import in_batches_of_tokens
from emollm.data.sounds import SoundIndex
from emollm.models.backbones import Backbone

_BYTES = 2  # float16
_THREADS = 8


def open_store(backbone: Backbone, settings: str, cache: FeatureCache, index: SoundIndex) -> FeatureStore | None:
    """The store for the features of a run, or None, with the reason said.

    Args:
        backbone: the encoder.
        settings: what its features depend on beside the sound.
        cache: whether and where.
        index: what is known of sound files.
    """
    if cache.enabled and backbone.frozen:
        return FeatureStore(cache.path, settings, index)
    say(
        "Features are not cached: "
        f"{'layers of the backbone are trained' if cache.enabled else 'data.cache.enabled is false'}."
    )
    return None


def estimate_gb(backbone: Backbone, seconds: float) -> float:
    """Size of the features of so many seconds of sound, in gigabytes."""
    return seconds * backbone.frame_rate * len(backbone.layers) * backbone.width * _BYTES / 1e9


def fill(
    store: FeatureStore,
    backbone: Backbone,
    dataset: UtteranceDataset,
    device: torch.device,
    workers: int,
    batch_size: int,
    tokens: int | None = None,
    max_gb: float = math.inf,
) -> None:
    """Encode what the store does not have; processes share the work, and each waits for all of it.

    Safe to interrupt: what is done stays done. Where there is no room, nothing is kept, and the run says so.

    Args:
        store: where the features go.
        backbone: the frozen encoder.
        dataset: decodes the utterances; those that cannot be decoded are left to be reported by the run.
        device: where the backbone runs.
        workers: processes that decode.
        batch_size: utterances a batch.
        tokens: of a batch, in its place.
        max_gb: what the folder of all stores may hold.
    """
    with ThreadPoolExecutor(_THREADS) as pool:  # reading and hashing let go of the interpreter
        held = list(pool.map(store.holds, dataset.table))
    missing = [row for row, there in enumerate(held) if not there]
    seconds = heard_seconds(dataset.table, store.index) if missing else []
    no_room = _no_room(store.folder.parent, estimate_gb(backbone, sum(seconds[row] for row in missing)), max_gb)
    # As the first process sees it: others may have come later, and a run beside this one may be filling too.
    missing, no_room = gather((missing, no_room))[0]
    if not missing:
        return
    if no_room:
        say(f"Features are not cached: {no_room}.")
        return
    seconds = heard_seconds(dataset.table, store.index)
    size = estimate_gb(backbone, sum(seconds))
    say(
        f"Features: {len(missing)} of {len(held)} utterances are encoded now, {size:.2f} GB in all: {store.folder}"
    )
    # Of about one length, so that the encoder hardly pads; the longest first, so that want of memory shows soon.
    rows = mine(sorted(missing, key=lambda row: -seconds[row]))
    if rows:
        backbone.to(device)
        if tokens:
            lengths = lengths_of(dataset.table, True, store.index, window=backbone.padded_to)
            batches = in_batches_of_tokens(rows, lengths, tokens)[::-1]
        else:
            batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        loader, text = _loader(dataset, batches, workers), f"Encoding {len(rows)} utterances once"
        for batch in track(loader, text, total=len(loader), disable=not sys.stderr.isatty()):
            # What a run beside this one has made meanwhile is not made again.
            made = {row: "made" for row, utterance in enumerate(batch.utterances) if store.holds(utterance)}
            batch = batch.without(made) if made else batch
            if len(batch):
                _encode(store, batch, backbone, device)
    gather(None)  # of fewer utterances than processes some have none, and wait all the same


def _no_room(folder: Path, size: float, max_gb: float) -> str | None:
    """Why so many gigabytes more may not be kept in a folder; None where they may."""
    if not size:
        return None
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9
    if there + size > max_gb:
        already = f", with the {there:.1f} GB in {folder}" if there >= 0.05 else ""
        return (
            f"it would take {size:.1f} GB{already}, more than data.cache.max_gb ({max_gb:g}): raise that, or "
            "delete what is no longer needed"
        )
    made = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(made).free / 1e9
    return f"it would take {size:.1f} GB, and the disk of {folder} has {free:.1f} GB left" if size > free else None


def _loader(dataset: UtteranceDataset, batches: list[list[int]], workers: int) -> DataLoader[Batch]:
    """Decodes batches, the first of them first."""
    # A run beside this one, another fold of the same corpus, begins elsewhere.
    begin = 1 + os.getpid() * 7919 % len(batches)
    batches = [batches[0], *batches[begin:], *batches[1:begin]]
    return DataLoader(
        dataset, batch_sampler=batches, num_workers=min(workers, len(batches)), collate_fn=Collate({})
    )


@torch.inference_mode()
def _encode(store: FeatureStore, batch: Batch, backbone: Backbone, device: torch.device) -> None:
    hidden, mask = backbone(batch.waveforms.to(device), batch.lengths.to(device))
    hidden, mask = as_stored(hidden).cpu(), mask.cpu()  # a GPU waits for every transfer: one a batch
    for utterance, state, features, keep in zip(batch.utterances, batch.states, hidden, mask, strict=True):
        if store.is_of(utterance, state):  # else it was replaced meanwhile, and the run hears the new one itself
            store.write(utterance, features[:, keep])
