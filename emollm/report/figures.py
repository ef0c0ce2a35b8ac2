"""The figures of a report as files and in TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import Logger

from emollm.files import file_name
from emollm.metrics import FIGURES
from emollm.report.bars import bars_figure
from emollm.report.confusion import confusion_figure, save
from emollm.report.reliability import reliability_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPEAKERS = 60  # more bars than this nobody can read


def figures(content: dict[str, Any]) -> dict[str, Figure]:
    """The figures of a report's content by name: confusion, reliability, emotions, speakers."""
    summary, labels, part = content["summary"], content["labels"], content["part"]
    result = summary["result"]
    corpora = {name: corpus["result"] for name, corpus in summary["corpora"].items()}
    made = {
        f"confusion_{name}": confusion_figure(one["confusion"], labels, f"{part}: {name}")
        for name, one in {"all": result, **(corpora if len(corpora) > 1 else {})}.items()
    }
    made["reliability"] = reliability_figure(summary["reliability"], result["ece"], f"{part}: reliability")
    there = {label: one["recall"] for label in labels if (one := result["per_class"][label])["support"]}
    made["emotions"] = bars_figure(list(there), list(there.values()), None, f"{part}: emotions", "recall")
    speakers = summary["speakers"]
    if 1 < len(speakers) <= _SPEAKERS:
        names = [f"{one['corpus']}/{one['speaker']}" for one in speakers]
        made["speakers"] = bars_figure(names, [one["ua"] for one in speakers], None, f"{part}: speakers", "UA")
    return made


def log_rows(content: dict[str, Any], logger: Logger | None) -> None:
    """Add the figures of every row but the model's own, which is logged as it is measured, to a logger."""
    if logger is None:
        return
    for row in content["rows"]:
        if row["kind"] != "model" and row["result"] is not None:
            place = f"{content['part']}/{row['kind']}/{row['name']}"
            logger.log_metrics({f"{place}/{name}": row["result"][name] for name in FIGURES})


def save_figures(content: dict[str, Any], folder: Path, logger: Logger | None = None) -> list[Path]:
    """Write every figure as PNG into a folder, and add it to a logger that takes figures."""
    files = []
    for name, figure in figures(content).items():
        files.append(folder / f"{file_name(name)}.png")
        save(figure, files[-1])
        if logger is not None and hasattr(logger.experiment, "add_figure"):
            logger.experiment.add_figure(f"{content['part']}/{name}", figure)
    return files
