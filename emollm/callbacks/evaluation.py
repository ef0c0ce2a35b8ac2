"""What ``emollm validate`` and ``emollm test`` print and write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from emollm.modules.base import EmotionModule
from emollm.prediction import Prediction
from emollm.report.confusion import confusion_figure, save
from emollm.report.tables import metrics_table, per_class_table


class EvaluationReport(Callback):
    """Prints the figures, and writes them, the predictions and the confusion matrix into the run's folder."""

    def __init__(self) -> None:
        self._predictions: list[Prediction] = []

    def on_validation_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: list[Prediction], *_: Any
    ) -> None:
        """Keep the predictions of a batch."""
        self._predictions += outputs

    def on_test_batch_end(
        self, trainer: Trainer, module: EmotionModule, outputs: list[Prediction], *_: Any
    ) -> None:
        """Keep the predictions of a batch."""
        self._predictions += outputs

    def on_validation_end(self, trainer: Trainer, module: EmotionModule) -> None:
        """Report on the validation part."""
        self._report(trainer, module, "validation")

    def on_test_end(self, trainer: Trainer, module: EmotionModule) -> None:
        """Report on the test part."""
        self._report(trainer, module, "test")

    def _report(self, trainer: Trainer, module: EmotionModule, part: str) -> None:
        console, folder = Console(), Path(trainer.log_dir or trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [
            {**prediction.row(), "target": prediction.utterance.label, "corpus": prediction.utterance.corpus}
            for prediction in self._predictions
        ]
        pd.DataFrame(rows).to_csv(folder / "predictions.csv", index=False)
        written = [folder / "predictions.csv"]
        self._predictions = []
        audit = trainer.datamodule.audit
        values = {
            "part": part,
            "model": module.name,
            "protocol": trainer.datamodule.parts.name,
            "audit": audit.to_dict(),
            "specification": module.specification(),
        }
        results, rate = module.metrics[part].results(), module.metrics[part].word_error_rate()
        if rate is not None:
            values["wer"] = rate
            console.print(f"WER {100 * rate:.1f} %, case and punctuation apart.", highlight=False)
        if results is not None:
            console.print(metrics_table(results))
            console.print(per_class_table(results))
            values |= results.to_dict()
            for name, result in {"all": results.overall, **results.corpora}.items():
                figure = confusion_figure(result.confusion, module.labels, f"{part}: {name}")
                file = folder / f"confusion_{name}.png"
                save(figure, file)
                written.append(file)
                if trainer.logger is not None and hasattr(trainer.logger.experiment, "add_figure"):
                    trainer.logger.experiment.add_figure(f"{part}/confusion/{name}", figure)
        (folder / "metrics.json").write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        written.append(folder / "metrics.json")
        broken = sum(row["error"] is not None for row in rows)
        console.print(f"{len(rows)} utterances, {broken} with an error.", highlight=False)
        for line in audit.lines():
            console.print(f"Audit: {line}", highlight=False)
        console.print("Written:", *[f"\n  {file}" for file in written], highlight=False, soft_wrap=True)
