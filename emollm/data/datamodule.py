"""The LightningDataModule: corpora → protocol → checked tables → batches."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import Literal

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from emollm.data.ablations import Ablation
from emollm.data.audit import Audit, audit
from emollm.data.augment import Augmentation
from emollm.data.batch import Batch, Collate, Item, UtteranceDataset
from emollm.data.context import with_context
from emollm.data.corpora import Corpus
from emollm.data.encode import fill, plan, seconds_of
from emollm.data.features import FeatureCache, FeatureStore
from emollm.data.labels import LabelSet
from emollm.data.protocols import Protocol, SpeakerSplit, Split
from emollm.data.sampler import EpochSampler, bucketed
from emollm.data.transcripts import Scribe
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.data.validate import check
from emollm.errors import UserError

_TOKENS_A_SECOND = 10.0
_TRANSCRIBER = "packaged:whisper-base"
_PARTS = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",)}


class EmotionData(LightningDataModule):
    """Loads audio and transcripts of one or more corpora, split by a protocol.

    Args:
        corpora: the readers, one a corpus (a list of class_path and init_args).
        protocol: how the utterances are split; by default by speaker.
        labels: the label set; on the command line it follows ``model.labels``.
        context: how many earlier turns of the dialogue a prompt with a ``{context}`` slot shows.
        other_labels: utterances whose label is outside the label set are an ``error``, or ``drop`` them.
        batch_size: utterances a batch, for training, evaluation and prediction alike.
        num_workers: processes that decode sound; 0 decodes in the main process.
        min_seconds: shorter recordings are reported as broken.
        max_seconds: longer recordings are reported as broken.
        augmentation: random changes of the training waveforms; off by default.
        bucket: form batches of utterances of about one length, so that little is padded; it changes no score.
        balance: draw training utterances so that every label is equally frequent.
        cache: keeps what a frozen backbone says, so that passes after the first do not encode again.
        transcriber: who writes missing transcripts (``packaged:whisper-base``); ``none`` leaves them out.
        seed: of the order of training and of every random change.
    """

    def __init__(
        self,
        corpora: list[Corpus] | None = None,
        protocol: Protocol | None = None,
        labels: str | list[str] = "basic4",
        context: int = 3,
        other_labels: Literal["error", "drop"] = "error",
        batch_size: int = 8,
        num_workers: int = 2,
        min_seconds: float = 0.1,
        max_seconds: float = 60.0,
        augmentation: Augmentation = Augmentation(),
        bucket: bool = True,
        balance: bool = False,
        cache: FeatureCache = FeatureCache(),
        transcriber: str = "none",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise UserError("data.batch_size must be at least 1 and data.num_workers at least 0.")
        self.corpora = corpora or []
        self.protocol = protocol or SpeakerSplit()
        self.labels = LabelSet.parse(labels)
        self.context = context
        self.other_labels = other_labels
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.augmentation = augmentation
        self.bucket = bucket
        self.balance = balance
        self.cache = cache
        self.transcriber = transcriber
        self.seed = seed
        self.table: UtteranceTable | None = None
        """What to predict on; set by who asks for predictions."""
        self.parts: Split | None = None
        self.audit: Audit | None = None
        self.ablation: Ablation | None = None
        """How the test part is changed; set by who measures what a model takes from each input."""
        self._split: Split | None = None
        self._store: FeatureStore | None = None
        self._scribes: dict[str, Scribe] = {}

    def again(self) -> EmotionData:
        """The same data for another module; what was read from disk is not read twice."""
        other = copy.copy(self)
        other.trainer, other.parts, other.audit, other.ablation, other._store = None, None, None, None, None
        return other

    # -- tables ---------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Read, map labels, split, and check every fault before the first batch.

        Raises:
            UserError: with all faults at once.
        """
        if stage == "predict" or self.parts is not None:
            return
        parts = self.read()
        self._refuse_nothing(parts, stage)
        used = sum((getattr(parts, name) for name in _PARTS[stage]), UtteranceTable())
        labels = self.labels if self._needs_labels() else None
        check(used, labels, self._needs_audio(), self._needs_transcript() and self.transcriber == "none")
        self._check_context(used)
        parts = self._transcribed(parts, stage)
        used = sum((getattr(parts, name) for name in _PARTS[stage]), UtteranceTable())
        # Looking for the same sound saved twice takes a moment; what is measured on the test part is worth it.
        self.parts, self.audit = parts, audit(parts, listen=stage == "test" and self._needs_audio())
        self._store = self._features(used)

    def read(self) -> Split:
        """Read the corpora and split them; once, so that a wrong path is told before any model is loaded.

        Raises:
            UserError: when a corpus is not there, or does not have what the protocol needs.
        """
        if self._split is None:
            self._split = self.protocol.split(self.utterances())
        return self._split

    def utterances(self) -> UtteranceTable:
        """All corpora as one table, with the labels of the label set, before any split.

        Raises:
            UserError: when a corpus is not there.
        """
        if not self.corpora:
            raise UserError("data.corpora is empty: name at least one corpus (class_path and its root).")
        table = UtteranceTable()
        for corpus in self.corpora:
            table = table + corpus.read()
        return self._mapped(with_context(table, self.context))

    def _mapped(self, table: UtteranceTable) -> UtteranceTable:
        """Labels in the words of the label set; what is outside of it stays for the check, or goes."""

        def rename(label: str | None) -> str | None:
            index = self.labels.index(label) if label is not None else None
            return label if index is None else self.labels.names[index]

        table = table.map(lambda row: replace(row, label=rename(row.label)))
        if self.other_labels == "drop":
            table = table.where(lambda row: row.label in self.labels.names)
            if not len(table):
                raise UserError(
                    f"No utterance has one of the labels {', '.join(self.labels.names)}: mend model.labels; with "
                    "data.other_labels error you see which labels there are."
                )
        return table

    def _check_context(self, used: UtteranceTable) -> None:
        inputs = getattr(self.trainer.lightning_module, "inputs", ()) if self.trainer else ()
        if "context" in inputs and not any(row.context is not None for row in used):
            raise UserError(
                "model.prompt shows earlier turns, but no utterance has any: take a corpus with dialogue and turn "
                "and data.context above 0, or a prompt without {context}."
            )

    @staticmethod
    def _refuse_nothing(parts: Split, stage: str) -> None:
        part = {"fit": "train", "validate": "validation"}.get(stage, stage)
        if not len(getattr(parts, part)):
            words = {"train": "training"}.get(part, part)
            raise UserError(f"The {words} part is empty ({parts.name}): choose another data.protocol.")

    def _needs_labels(self) -> bool:
        module = self.trainer.lightning_module if self.trainer else None
        return getattr(module, "needs_labels", True)

    def _needs_audio(self) -> bool:
        module = self.trainer.lightning_module if self.trainer else None
        heard = getattr(module, "needs_audio", True) and (self.ablation is None or self.ablation.hears)
        if self.trainer and self.trainer.state.fn != "predict":
            return heard  # transcripts are written before the first batch
        return heard or self.transcriber != "none"

    def _needs_transcript(self) -> bool:
        module = self.trainer.lightning_module if self.trainer else None
        return getattr(module, "needs_transcript", False)

    # -- loaders --------------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader[Item]:
        """Shuffled by seed and epoch; a run resumed in the middle of an epoch goes on where it stopped."""
        assert self.parts is not None
        table = self.parts.train
        sampler = EpochSampler(
            len(table),
            self.seed,
            self._weights(table) if self.balance else None,
            place=self._place,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
            lengths=self._lengths(table) if self.bucket else None,
            batch_size=self.batch_size,
        )
        return self._loader(table, self.augmentation, sampler)

    def _lengths(self, table: UtteranceTable) -> list[float]:
        """About how many tokens each utterance is to the LLM and frames to the encoder, on one scale."""
        hears = self._needs_audio()
        return [_TOKENS_A_SECOND * seconds_of(row) * hears + _characters(row) / 4 for row in table]

    def _place(self) -> tuple[int, int]:
        """Epoch to begin with, and how many of its utterances this process consumed before an interruption."""
        epochs = self.trainer.fit_loop.epoch_progress.current
        batches = self.trainer.fit_loop.epoch_loop.batch_progress
        if epochs.ready == epochs.processed:
            return epochs.processed, 0
        if batches.is_last_batch:
            return epochs.processed + 1, 0
        return epochs.processed, batches.current.ready * self.batch_size

    def val_dataloader(self) -> DataLoader[Item] | list[DataLoader[Item]]:
        """The validation part, in order; no loader where there is none."""
        assert self.parts is not None
        return self._loader(self.parts.validation) if len(self.parts.validation) else []

    def test_dataloader(self) -> DataLoader[Item]:
        """The test part, in order, under the ablation if there is one."""
        assert self.parts is not None
        table = self.parts.test
        if self.ablation is not None:
            table = self.ablation.change(table, self.seed)
            table = self._written_anew(table) if self.ablation.transcribes else table
        return self._loader(table)

    def predict_dataloader(self) -> DataLoader[Item]:
        """What ``table`` was set to, in order."""
        if self.table is None:
            raise UserError("There is nothing to predict on: name a folder, a list or a table.")
        return self._loader(self.table)

    def _loader(
        self,
        table: UtteranceTable,
        augmentation: Augmentation = Augmentation(),
        sampler: EpochSampler | list[int] | None = None,
    ) -> DataLoader[Item]:
        dataset = self._dataset(table, augmentation, self._store)
        if sampler is None and self.bucket:
            batches = bucketed(range(len(table)), self._lengths(table), self.batch_size)
            sampler = [index for batch in batches for index in batch]
        workers = min(self.num_workers, len(table))
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=Collate({name: index for index, name in enumerate(self.labels.names)}),
            persistent_workers=workers > 0 and isinstance(sampler, EpochSampler),
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
        )

    def _dataset(
        self, table: UtteranceTable, augmentation: Augmentation | None = None, store: FeatureStore | None = None
    ) -> UtteranceDataset:
        return UtteranceDataset(
            table, self._needs_audio(), self.min_seconds, self.max_seconds, augmentation, self.seed, store
        )

    # -- features -------------------------------------------------------------------------------------------

    def _features(self, table: UtteranceTable) -> FeatureStore | None:
        """A store that holds the features of every utterance that can be read, or None with the reason said."""
        module = self.trainer.lightning_module
        if not module.needs_audio:
            return None
        module.configure_model()
        backbone = module.audio_backbone
        size, reason = plan(self.cache, backbone, table, self.augmentation.changes_waveform)
        if reason is not None:
            self._say(f"Features are not cached: {reason}.")
            return None
        folder = self.cache.path
        # What one run refuses as too long, another one may have kept.
        store = FeatureStore(folder, f"{module.feature_settings()}|{self.min_seconds}|{self.max_seconds}")
        missing = table.where(lambda row: not store.holds(row))
        if len(missing):
            self._say(
                f"Features: {len(missing)} of {len(table)} utterances are made, {size:.2f} GB in all: {folder}"
            )
            device = self.trainer.strategy.root_device
            fill(store, missing, backbone, self._dataset(missing), device, self.num_workers, self.batch_size)
        return store

    def _say(self, text: str) -> None:
        if self.trainer.is_global_zero:
            print(text)

    @staticmethod
    def _weights(table: UtteranceTable) -> list[float]:
        labels = table.values("label")
        counts = Counter(labels)
        return [1.0 / counts[label] for label in labels]

    # -- transcripts ----------------------------------------------------------------------------------------

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Write the transcripts that the prompt needs and nobody has written yet."""
        return self.fill_transcripts(batch, self._needs_transcript())

    def fill_transcripts(self, batch: Batch, wanted: bool) -> Batch:
        """The batch with a transcript for every utterance, if they are wanted and there is a transcriber."""
        if self.transcriber == "none" or not wanted or batch.waveforms is None:
            return batch
        return self._scribe(self.transcriber).batch(batch)

    def _scribe(self, source: str) -> Scribe:
        if source not in self._scribes:
            self._scribes[source] = Scribe(source)
        return self._scribes[source]

    def _written_anew(self, table: UtteranceTable) -> UtteranceTable:
        if None in table.values("path"):
            raise UserError("not every utterance has a recording that could be transcribed")
        source = self.transcriber if self.transcriber != "none" else _TRANSCRIBER
        return self._scribe(source).table(table, self.min_seconds, self.max_seconds)

    def _transcribed(self, parts: Split, stage: str) -> Split:
        """The split with transcripts for the parts that the stage uses, if the prompt needs them."""
        if self.transcriber == "none" or not self._needs_transcript():
            return parts
        scribe = self._scribe(self.transcriber)
        return replace(
            parts,
            **{
                name: scribe.table(getattr(parts, name), self.min_seconds, self.max_seconds)
                for name in _PARTS[stage]
            },
        )


def _characters(row: Utterance) -> int:
    return len(row.transcript or "") + sum(len(turn) for turn in row.context or ())
