"""The parts of ``emollm prompts``: templates measured on the validation part, as they are or after a short fit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from emollm import baselines, factory, weights
from emollm.callbacks.checkpoint import BestCheckpoint
from emollm.callbacks.collect import Collector
from emollm.cli import EmotionCLI, run
from emollm.crossval.job import Job
from emollm.data.refusals import refuse_empty, why_no_context
from emollm.data.trained_on import refuse_heard
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from emollm.evaluation.counts import FIGURES_OF_COUNTS
from emollm.evaluation.frame import to_frame
from emollm.models.prompts import PromptTemplate, load_template, shipped_templates
from emollm.modules.emotion_llm import EmotionLLM
from emollm.prediction import Prediction


class _Idle(EmotionCLI):
    """Makes the module, the data and the trainer of ``emollm validate``, and starts nothing."""

    def validate(self, **kwargs: Any) -> None:
        """Nothing: templates are measured one by one."""


class PromptTrial:
    """The validation part of a recipe, and the models that are asked about it. The test part is never read.

    Args:
        args: of ``emollm validate``: a recipe, a checkpoint perhaps, and flags.
        limit: how many utterances to measure on, drawn at random, the same for every template; None for all.
        first: the template with which a model without checkpoint is built: it loads a backbone to take audio.

    Raises:
        UserError: when the arguments, the recipe or the data are at fault.
    """

    def __init__(self, args: Sequence[str], limit: int | None, first: PromptTemplate) -> None:
        self._cli = run(["validate", *args, "--trainer.logger=false", "--trainer.devices=1"], _Idle)
        if not isinstance(self._cli.model, EmotionLLM):
            raise UserError(f"prompts needs method emotion_llm: a {self._cli.model.method} reads no prompt.")
        self.stored = self._cli.stored
        self.data = self._cli.datamodule
        self.labels = self._cli.model.labels
        self.split = self.data.read()
        refuse_empty(self.split, "validation", self.data.other_labels == "drop")
        if self.stored is not None:
            refuse_heard(self.stored.specification.get("trained_on"), self.split.validation, "measured")
        self.keys = _drawn(self.split.validation, limit)
        self._first = first
        self._module: EmotionLLM | None = None

    @property
    def figure(self) -> str:
        """What templates are ranked by: the figure by which the recipe chooses its best checkpoint, or UA."""
        callbacks = self._cli.trainer.callbacks
        monitor = next((str(c.monitor) for c in callbacks if isinstance(c, BestCheckpoint)), "")
        return name if (name := monitor.removeprefix("val/")) in FIGURES_OF_COUNTS else "ua"

    @property
    def table(self) -> UtteranceTable:
        """What is measured on."""
        return self.split.validation.where(lambda row: row.key in self.keys)

    def why_not(self, template: PromptTemplate, fits: bool = False) -> str | None:
        """Why a template cannot be measured on these data, in half a sentence; None where it can.

        Args:
            template: the template.
            fits: whether it is fitted first, on the training part.
        """
        rows = self.table + self.split.train if fits else self.table
        if template.task == "asr":
            return "it asks for no emotion"
        if {"audio", "cues"} & set(template.inputs) and None in rows.values("path"):
            return "not every utterance has a recording"
        if "context" in template.inputs and (why := why_no_context(rows)) is not None:
            return why
        shows = "transcript" in template.inputs or (fits and template.needs_transcript)
        if shows and self.data.transcriber == "none" and not all((row.transcript or "").strip() for row in rows):
            return "not every utterance has a transcript, and data.transcriber is none"
        if template.takes_audio and not fits:
            if self.stored is None:
                return "it takes audio, and without --ckpt_path nothing was trained to hear"
            if not self._cli.model.needs_audio:
                return "it takes audio, and the model of --ckpt_path hears none"
        return None

    def as_it_is(self, template: PromptTemplate) -> pd.DataFrame:
        """Predictions under a template: of the checkpoint, or of the LLM alone.

        Raises:
            UserError: when the model cannot be built, or the data cannot serve the template.
        """
        if self._module is None:
            module = self._cli.model
            if self.stored is not None:
                weights.apply(self.stored, module)
            else:
                _ask(module, self._first)
                module.configure_model()
            self._module = module
        return self._measure(self._module, template)

    def fitted(self, checkpoint: Path, template: PromptTemplate) -> pd.DataFrame:
        """Predictions of what was fitted to a template.

        Raises:
            UserError: as ``as_it_is``.
        """
        self._module = None  # one LLM in memory is enough
        stored = weights.read(checkpoint)
        module = factory.build(stored.specification["method"], stored.specification["model"])
        weights.apply(stored, module)
        return self._measure(module, template)

    def majority(self) -> pd.DataFrame:
        """The most frequent training label for every utterance: what a template must beat."""
        asked = [Prediction(row, None, {}, row.transcript, None, "majority") for row in self.table]
        return to_frame(baselines.majority(self.split.train, asked, self.labels), self.labels)

    def _measure(self, module: EmotionLLM, template: PromptTemplate) -> pd.DataFrame:
        _ask(module, template)
        if module.needs_cues and None in self.split.validation.values("cues"):
            # Next to the whole part, however few utterances are measured on.
            self.split = replace(self.split, validation=self.data.cued(self.split.validation))
        data, collector, trainer = self.data.again(), Collector(), self._cli.trainer
        data.parts = replace(self.split, validation=self.table)
        trainer.callbacks.append(collector)
        try:
            trainer.validate(module, datamodule=data, verbose=False)
        finally:
            trainer.callbacks.remove(collector)
        return to_frame(collector.predictions, self.labels)


class Tuning(Job):
    """A short fit of one template; ``fold`` is its name, and ``output`` the folder of all."""

    @property
    def name(self) -> str:
        """As it is called on the terminal."""
        return self.fold

    @property
    def folder(self) -> Path:
        """Where everything of it lies."""
        return self.output / self.fold


def tuning_args(args: Sequence[str], template: Path, steps: int) -> list[str]:
    """The arguments of a short fit: the recipe's, without its curriculum and without validating in between.

    A curriculum may end with trained backbone layers left as they are; without it they are not trained at all.
    """
    return [
        *args,
        f"--model.prompt={template}",
        "--model.stages=null",
        "--model.backbone.trained_layers=0",
        f"--trainer.max_steps={steps}",
        "--trainer.max_epochs=-1",
        "--trainer.limit_val_batches=0",
        "--trainer.num_sanity_val_steps=0",
    ]


def named_templates(asked: str) -> list[PromptTemplate]:
    """Templates by their shipped names or the paths of YAML files, with commas; ``all`` are the shipped ones.

    Of these, asr asks for no emotion, and joint generates, which takes long: it is measured where it is named.

    Raises:
        UserError: when there is no such template, or two have one name.
    """
    if asked == "all":
        templates = [load_template(name) for name in shipped_templates()]
        return [template for template in templates if template.task == "emotion"]
    specs = list(dict.fromkeys(spec.strip() for spec in asked.split(",") if spec.strip()))
    if not specs:
        raise UserError(f"--templates is '{asked}': write all, or names and YAML files with commas.")
    templates = [replace(load_template(spec), name=Path(spec).stem) for spec in specs]
    names = [template.name for template in templates]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"--templates names two templates '{twice}': rename one of the files.")
    return templates


def _ask(module: EmotionLLM, template: PromptTemplate) -> None:
    module.template, module.stages, module.stage_templates = template, [], [template]


def _drawn(table: UtteranceTable, limit: int | None) -> set[str]:
    keys = [row.key for row in table if row.label is not None]
    return set(keys) if limit is None or limit >= len(keys) else set(random.Random(0).sample(keys, limit))
