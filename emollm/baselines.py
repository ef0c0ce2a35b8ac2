"""What a score must be held against: the majority class, the probe, and the same LLM without ears."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch import Trainer

from emollm import factory, weights
from emollm.callbacks.checkpoint import MONITORS, BestCheckpoint
from emollm.callbacks.collect import Collector
from emollm.data.augment import Augmentation
from emollm.data.datamodule import EmotionData
from emollm.data.mixing import Mixing
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from emollm.prediction import Prediction

if TYPE_CHECKING:
    from emollm.modules.base import EmotionModule

BASELINES = {
    "majority": ("majority class", "The most frequent label of the training part, whatever is said."),
    "probe": (
        "probe",
        "The same backbone as it came, statistics over time and a linear head, fitted on this recipe's training "
        "part, without random changes of it.",
    ),
    "transcript_llm": (
        "transcript-only LLM",
        "The same LLM and adapter, fitted on this recipe's training part, given transcripts alone.",
    ),
}
"""By their names on the command line: title and explanation in the report."""

PROBE_EPOCHS = 1


def majority(train: UtteranceTable, tested: list[Prediction], labels: list[str]) -> list[Prediction]:
    """The most frequent label of the training part for everybody, with the labels' shares as probabilities."""
    counts = Counter(label for label in train.values("label") if label in labels)
    if not counts:
        raise UserError("no training utterance has a label of the set")
    shares = {label: counts[label] / counts.total() for label in labels}
    answer = max(labels, key=lambda label: shares[label])
    return [Prediction(row.utterance, answer, shares, row.transcript, row.duration, "majority") for row in tested]


def probe(module: EmotionModule) -> EmotionModule:
    """A probe on the module's backbone, frozen as it came."""
    recipe = {
        "labels": module.recipe["labels"],
        "backbone": {**module.recipe["backbone"], "trained_layers": 0},
        "seed": module.seed,
    }
    return factory.build("probe", recipe)


def transcript_llm(module: EmotionModule) -> EmotionModule:
    """The module's LLM and adapter, given the transcript alone in every stage in which the LLM answers.

    As a form, of all templates the one that taught words most (``docs/results.md``): it is to be hard to beat.
    """
    stages = [
        {**stage, "prompt": None, "train_adapter": True}  # without sound there is nothing else to train
        for stage in module.recipe.get("stages") or []
        if stage.get("answer", "llm") == "llm"
    ]
    # Words are all it has: none are hidden from it, and nothing of its is about sound.
    words = {"prompt": "transcript_form", "transcript_dropout": 0.0, "vote": None, "speaker_range": None}
    words["stages"] = stages or None
    return factory.build(module.method, {**module.recipe, **words})


def fit_and_test(baseline: EmotionModule, data: EmotionData, main: Trainer, folder: Path) -> list[Prediction]:
    """Fit a baseline on the same training part, choose its epoch on the same validation part, and test it.

    By the same validation figure too, where it is one that every model has.

    Args:
        baseline: not yet built.
        data: the data of the module that it is held against.
        main: the trainer of that module, whose device, precision, limits and manner of training it takes.
        folder: where its checkpoint goes.
    """
    data, collector, best = data.again(), Collector(), _best(main)
    best.dirpath = str(folder)
    device = main.strategy.root_device
    manner = {"precision": "32-true", "max_epochs": PROBE_EPOCHS}
    if baseline.method == "probe":  # which takes no steps: one pass through all clips as they are teaches it most
        data.augmentation, data.mixing = Augmentation(speed=data.augmentation.speed), Mixing()
    else:
        epochs = sum(stage.epochs for stage in baseline.stages)
        manner = {
            "precision": main.precision,
            "max_epochs": epochs or main.max_epochs,
            "max_steps": main.max_steps,
            "accumulate_grad_batches": main.accumulate_grad_batches,
            "gradient_clip_val": main.gradient_clip_val,
            "gradient_clip_algorithm": main.gradient_clip_algorithm,
        }
    trainer = Trainer(
        accelerator=main.accelerator,
        devices=1 if device.index is None else [device.index],
        **manner,
        logger=False,
        callbacks=[best, collector],
        enable_progress_bar=main.progress_bar_callback is not None,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_train_batches=main.limit_train_batches,
        limit_val_batches=main.limit_val_batches,
        limit_test_batches=main.limit_test_batches,
    )
    trainer.fit(baseline, datamodule=data)
    if best.best_model_path:
        weights.apply(weights.read(best.best_model_path), baseline)
    trainer.test(baseline, datamodule=data, verbose=False)
    return collector.predictions


def _best(main: Trainer) -> BestCheckpoint:
    for callback in main.callbacks:
        if isinstance(callback, BestCheckpoint) and callback.monitor in MONITORS:
            return BestCheckpoint(callback.monitor, callback.mode)
    return BestCheckpoint()
