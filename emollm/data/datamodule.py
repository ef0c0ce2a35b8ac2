"""The LightningDataModule: corpora → protocol → checked tables → batches."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

from emollm.data.ablations import Ablation
from emollm.data.audio import LONGEST, SHORTEST
from emollm.data.audit import Audit, audit
from emollm.data.augment import Augmentation
from emollm.data.batch import UtteranceDataset
from emollm.data.context import USUAL_TURNS, with_context
from emollm.data.corpora import Corpus
from emollm.data.encode import fill, open_store
from emollm.data.features import FeatureCache, FeatureStore
from emollm.data.labels import LabelSet
from emollm.data.loaders import Loader, Loaders
from emollm.data.mixing import Mixing
from emollm.data.named import named
from emollm.data.processes import say
from emollm.data.protocols import Protocol, SpeakerSplit, Split
from emollm.data.refusals import refuse_empty, refuse_no_context, refuse_one_name, tell_faults, tell_one_corpus
from emollm.data.resuming import batches_of, place_of, refuse_other_batches
from emollm.data.sampler import usual_batch_size
from emollm.data.sounds import FILE, SoundIndex
from emollm.data.transcribing import TranscribingData
from emollm.data.utterance import UtteranceTable
from emollm.data.validate import check, tell_absent, wordless
from emollm.errors import UserError

_PARTS = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",)}
"""Which parts a stage reads."""


class EmotionData(TranscribingData):
    """Loads audio and transcripts of one or more corpora, split by a protocol.

    Args:
        corpora: the readers, one a corpus (a list of class_path and init_args).
        protocol: how the utterances are split; by default by speaker.
        labels: the label set; on the command line it follows ``model.labels``.
        context: how many earlier turns of the dialogue a prompt with a ``{context}`` slot shows; None takes as
            many as the model was trained with, and 3 for a new one.
        other_labels: utterances whose label is outside the label set are an ``error``, or ``drop`` them.
        batch_size: utterances a batch, for training, evaluation and prediction alike; None takes 8, and for
            prediction on a GPU, which is faster by it, 32.
        batch_tokens: tokens a batch, padding counted, in the place of ``batch_size``: many short utterances or
            a few long ones, so that a long one takes no more memory than many short ones. A second of sound
            counts as 10; four letters, those of the prompt and the labels too, as one. An utterance that alone
            has more is a batch of its own.
        num_workers: processes that decode sound; 0 decodes in the main process.
        min_seconds: shorter recordings are reported as broken.
        max_seconds: longer recordings are reported as broken.
        augmentation: random changes of the training waveforms; off by default.
        bucket: form batches of utterances of about one length, so that little is padded; it changes no score.
        mixing: in which shares training draws corpora and labels.
        cache: keeps what a frozen backbone says, so that passes after the first do not encode again.
        transcriber: who writes missing transcripts (``packaged:whisper-base``); ``none`` leaves them out.
        seed: of the order of training and of every random change.
    """

    def __init__(
        self,
        corpora: list[Corpus] | None = None,
        protocol: Protocol | None = None,
        labels: str | list[str] = "basic4",
        context: int | None = None,
        other_labels: Literal["error", "drop"] = "error",
        batch_size: int | None = None,
        num_workers: int = 2,
        min_seconds: float = SHORTEST,
        max_seconds: float = LONGEST,
        augmentation: Augmentation = Augmentation(),
        bucket: bool = True,
        mixing: Mixing = Mixing(),
        cache: FeatureCache = FeatureCache(),
        transcriber: str = "none",
        seed: int = 0,
        batch_tokens: int | None = None,
    ) -> None:
        super().__init__(transcriber, min_seconds, max_seconds, num_workers, SoundIndex(cache.path / FILE))
        if (batch_size is not None and batch_size < 1) or num_workers < 0:
            raise UserError("data.batch_size must be at least 1 and data.num_workers at least 0.")
        if batch_tokens is not None and (batch_tokens < 1 or not bucket):
            raise UserError("data.batch_tokens must be at least 1, and needs data.bucket, which sorts by length.")
        if not 0 <= min_seconds < max_seconds:
            raise UserError(
                f"data.min_seconds is {min_seconds} and data.max_seconds {max_seconds}: recordings between the "
                "two are taken, so give a range above zero."
            )
        self.corpora = corpora or []
        self.protocol = protocol or SpeakerSplit()
        self.labels = LabelSet.parse(labels)
        self.context = context
        self.other_labels = other_labels
        self.batch_size = batch_size
        self.batch_tokens = batch_tokens
        self.augmentation = augmentation
        self.bucket = bucket
        self.mixing = mixing
        self.cache = cache
        self.seed = seed
        self.table: UtteranceTable | None = None
        """What to predict on; set by who asks for predictions."""
        self.keeps_features = False
        """Whether the features of ``table`` are stored; set by who goes through it more than once."""
        self.parts: Split | None = None
        """The corpora as the protocol splits them; parts that a run reads have their transcripts."""
        self.audit: Audit | None = None
        self.ablation: Ablation | None = None
        """How the test part is changed; set by who measures what a model takes from each input."""
        self.measured: Collection[str] | None = None
        """Keys of the test utterances that count; None for all. Set by who measures several times."""
        self._begun_with: dict[str, Any] = {}
        self._split: Split | None = None
        self._ready: set[str] = set()
        self._store: FeatureStore | None = None

    def again(self) -> EmotionData:
        """The same data for another module; what was read from disk is not read twice."""
        other = copy.copy(self)
        other.trainer, other.parts, other.audit, other.ablation, other._store = None, None, None, None, None
        other._ready, other._faults, other._recognised = set(), {}, {}
        return other

    # -- tables ---------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Read, map labels, split, check every fault, and fill the caches, before the first batch.

        Raises:
            UserError: with all faults at once.
        """
        if stage == "predict" and self.table is not None and self.keeps_features:
            # Not each process's own listing: they share the work by the numbers of rows.
            self.table = self.trainer.strategy.broadcast(self.table)
        if stage == "predict" and self.table is not None and self._needs("cues", False):
            self.table = self.cued(self.table)
        if stage == "predict" and self.table is not None and self.keeps_features and stage not in self._ready:
            self._store = self._features(self.table)
            self._ready.add(stage)
        names = [name for name in _PARTS.get(stage, ()) if name not in self._ready]
        if not names:
            return
        parts = self.read() if self.parts is None else self.parts
        refuse_empty(parts, _PARTS[stage][0], self.other_labels == "drop")
        used = sum((getattr(parts, name) for name in names), UtteranceTable())
        # Before the rest is refused: all faults are mended at once, those of the test part too.
        if "train" in names and self.trainer.global_rank == 0:
            tell_faults(parts.test, *self._wanted(parts.test))
        check(used, *self._wanted(used))
        if "train" in names and self._needs("labels", True):
            tell_absent(parts.train, self.labels)
        if "train" in names:
            self.mixing.weights(parts.train)  # a wrong share is told before anything is computed
        if "context" in getattr(self.trainer.lightning_module, "inputs", ()):
            refuse_no_context(used)
        if self.audit is None:
            # Looking for the same sound saved twice takes a moment; what is measured on the test part is worth it.
            self.audit = audit(parts, listen=stage == "test" and self._hears)
        if self._writes:
            before = {name: getattr(parts, name).values("transcript").count(None) for name in names}
            used, faults = self._transcribed(used)
            self._faults |= faults
            rows = iter(used)
            parts = replace(
                parts, **{name: UtteranceTable(islice(rows, len(getattr(parts, name)))) for name in names}
            )
            for name in names:
                left = getattr(parts, name).values("transcript").count(None)
                self._recognised[name] = before[name] - left
        if self._needs("cues", False):
            parts = replace(parts, **{name: self.cued(getattr(parts, name)) for name in names})
        self.parts = parts
        if "train" in names and self.augmentation.changes_waveform:
            say("Features of the training part are not cached: the waveform is augmented.")
            stored = parts.validation
        elif "train" in names:
            stored = used + self.training.where(lambda row: row.speed != 1)
        else:
            stored = used
        self._store = self._features(stored)
        self._ready |= set(names)

    @property
    def _writes(self) -> bool:
        """Whether transcripts are written for what has none."""
        return self._needs("transcript", False) and self.transcriber != "none"

    def _wanted(self, table: UtteranceTable) -> tuple[LabelSet | None, bool, bool]:
        """What a table must have: labels of the set, sound, words."""
        return (
            self.labels if self._needs("labels", True) else None,
            self._hears or self._needs("cues", False) or (self._writes and None in table.values("transcript")),
            self._needs("transcript", False) and not self._writes,
        )

    @property
    def training(self) -> UtteranceTable:
        """The training part as a pass goes through it: at all speeds."""
        assert self.parts is not None
        return self.augmentation.copies(self.parts.train)

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
        refuse_one_name(self.corpora)
        tables = [corpus.read() for corpus in self.corpora]
        tell_one_corpus(self.corpora, tables)
        table = sum(tables, UtteranceTable())
        return named(with_context(table, self.turns), self.labels, self.other_labels == "drop")

    @property
    def turns(self) -> int:
        """Earlier turns that are shown."""
        return USUAL_TURNS if self.context is None else self.context

    @property
    def size(self) -> int:
        """Utterances a batch."""
        predicts = self.trainer.state.fn == "predict"
        return self.batch_size or usual_batch_size(self.trainer.strategy.root_device.type if predicts else "cpu")

    @property
    def _hears(self) -> bool:
        """Whether the module is given sound."""
        return self._needs("audio", True) and (self.ablation is None or self.ablation.hears)

    def _features(self, table: UtteranceTable) -> FeatureStore | None:
        """A store with the features of every utterance that can be read, or None; why not, is said."""
        module = self.trainer.lightning_module
        if not module.needs_audio:
            return None
        module.configure_model()
        # What one run refuses as too long, another one may have kept.
        settings = f"{module.feature_settings()}|{self.min_seconds}|{self.max_seconds}"
        backbone = module.audio_backbone
        store = open_store(backbone, settings, self.cache, self.sounds)
        if store is not None:
            device, dataset = self.trainer.strategy.root_device, self._dataset(table)
            size, limit = self.size, self.cache.max_gb
            fill(store, backbone, dataset, device, self.num_workers, size, self.batch_tokens, limit)
        return store

    # -- loaders --------------------------------------------------------------------------------------------

    def train_dataloader(self) -> Loader:
        """Shuffled by seed and epoch; a run resumed in the middle of an epoch goes on where it stopped."""
        table = self.training
        store = None if self.augmentation.changes_waveform else self._store
        dataset = self._dataset(table, self.augmentation, store)
        return self._loaders.shuffled(dataset, self.seed, self.mixing.weights(table), self._place)

    def state_dict(self) -> dict[str, Any]:
        """What Lightning keeps in checkpoints."""
        return batches_of(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Of a run that goes on."""
        self._begun_with = state

    def _place(self) -> tuple[int, int]:
        epoch, batches = place_of(self.trainer)
        if batches:
            refuse_other_batches(self._begun_with, batches_of(self))
        return epoch, batches

    def heard_dataloader(self, table: UtteranceTable) -> Loader:
        """A part of the run's data as it is, each utterance once over all processes."""
        return self._loaders.in_order(self._dataset(table, store=self._store))

    def val_dataloader(self) -> Loader | list[Loader]:
        """The validation part; no loader where there is none."""
        assert self.parts is not None
        table = self.parts.validation
        return self._loaders.in_order(self._dataset(table, store=self._store)) if len(table) else []

    @property
    def tested(self) -> UtteranceTable:
        """The test part, or what of it counts."""
        assert self.parts is not None
        measured = self.measured
        return self.parts.test if measured is None else self.parts.test.where(lambda row: row.key in measured)

    def test_dataloader(self) -> Loader:
        """The test part, under the ablation if there is one."""
        assert self.parts is not None
        table, faults = self.tested, {}
        if self.ablation is not None:
            table = self.ablation.change(table, self.seed)
            if self.ablation.transcribes:
                if None in table.values("path"):
                    raise UserError("not every utterance has a recording that could be transcribed")
                table, faults = self._transcribed(table)
        dataset = self._dataset(table, store=self._store)
        dataset.faults = {**self._faults, **faults}
        return self._loaders.in_order(dataset)

    def predict_dataloader(self) -> Loader | list[Loader]:
        """What ``table`` was set to; no loader where that is nothing."""
        if self.table is None:
            raise UserError("There is nothing to predict on: name a folder, a list or a table.")
        if self._needs("words", False) and not self._dictates:
            self._faults |= wordless(self.table)
        dataset = self._dataset(self.table, store=self._store if self.keeps_features else None)
        return self._loaders.in_order(dataset) if len(self.table) else []

    @property
    def _loaders(self) -> Loaders:
        trainer, module = self.trainer, self.trainer.lightning_module
        hears = self._hears and getattr(module, "built", False)
        return Loaders(
            labels=self.labels.names,
            index=self.sounds,
            size=self.size,
            tokens=self.batch_tokens,
            bucket=self.bucket,
            letters=getattr(module, "prompt_letters", 0),
            window=module.audio_backbone.padded_to if hears else None,
            workers=self.num_workers,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def _dataset(
        self, table: UtteranceTable, augmentation: Augmentation | None = None, store: FeatureStore | None = None
    ) -> UtteranceDataset:
        transcripts = self.transcripts() if self._dictates else None
        limits = (self.min_seconds, self.max_seconds)
        return UtteranceDataset(
            table, self._hears, *limits, augmentation, self.seed, store, transcripts, self._faults
        )
