"""What ``emollm fit`` says before the first step and after the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from emollm import weights
from emollm.callbacks.checkpoint import BestCheckpoint
from emollm.modules.base import EmotionModule
from emollm.report.summary import memory_estimate, parameter_table


class TrainingSummary(Callback):
    """Counts parameters, estimates memory, tells the data; counts what could not be read; names the files."""

    def __init__(self) -> None:
        self._broken: dict[str, str] = {}
        self._trained = False

    def on_fit_start(self, trainer: Trainer, module: EmotionModule) -> None:
        """Print parts, memory, data and audit."""
        if not trainer.is_global_zero:
            return
        console, parts = Console(), module.parts()
        console.print(parameter_table(parts))
        parameters = list(module.parameters())
        estimate = memory_estimate(
            trainable_params=sum(p.numel() for p in parameters if p.requires_grad),
            total_bytes=sum(p.numel() * p.element_size() for p in parameters),
        )
        text = ", ".join(f"{name} {value:.2f}" for name, value in estimate.items())
        console.print(f"Memory estimate (GiB): {text}; activations come on top.", highlight=False, markup=False)
        data = trainer.datamodule
        speeds = ", ".join(f"{speed:g}" for speed in data.augmentation.speed)
        speeds = f" (each at speed {speeds})" if speeds else ""
        console.print(
            f"Data: {len(data.parts.train)} training{speeds} and {len(data.parts.validation)} validation "
            f"utterances, {data.parts.name}; labels: {', '.join(module.labels)}.",
            highlight=False,
            markup=False,
        )
        for line in data.audit.lines():
            console.print(f"Audit: {line}", highlight=False, markup=False)

    def on_train_start(self, trainer: Trainer, module: EmotionModule) -> None:
        """Remember that there was something to train."""
        self._trained = True

    def on_train_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Remember what could not be read."""
        self._broken.update({utterance.key: reason for utterance, reason in batch.broken})

    def on_validation_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """The same of the validation part."""
        self._broken.update({utterance.key: reason for utterance, reason in batch.broken})

    def on_fit_end(self, trainer: Trainer, module: EmotionModule) -> None:
        """Say what was left out and which files there are; write the adapter in PEFT format."""
        log_dir = trainer.log_dir  # every process asks, as they tell it to each other
        if not trainer.is_global_zero:
            return
        console = Console()
        if self._broken:
            reasons = [f"\n  {key}: {reason}" for key, reason in list(self._broken.items())[:10]]
            console.print(
                f"{len(self._broken)} utterance{'' if len(self._broken) == 1 else 's'} could not be read:",
                *reasons,
                highlight=False,
                markup=False,
            )
        checkpoints = [Path(c.best_model_path) for c in trainer.checkpoint_callbacks if c.best_model_path]
        files = list(checkpoints)
        # A run that was done before leaves what it wrote then.
        # Where weights are shared out, no process has the adapter by itself: the checkpoint has it.
        adapts = any(name.startswith("model.llm.") for name in module.all_trained_names())
        if self._trained and adapts and log_dir and not module.shared_out:
            folder = Path(log_dir) / weights.ADAPTER
            # Of the best weights, which need not be the last ones.
            best = [Path(c.best_model_path) for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)]
            kept = next((weights.read(file).weights for file in best if file.is_file()), None)
            weights.write_adapter(module, folder, kept)
            files.append(folder)
        console.print(
            "Written:", *[f"\n  {_short(file)}" for file in files], highlight=False, markup=False, soft_wrap=True
        )
        if checkpoints and log_dir:
            recipe = _short(Path(log_dir) / "config.yaml")
            console.print(
                f"Next: emollm test --config {recipe} --ckpt_path {_short(checkpoints[0])}",
                markup=False,
                soft_wrap=True,
            )


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
