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

_BARS = 60  # more than this nobody can read
_EXTREMES = 20  # of them, where there are more


def figures(content: dict[str, Any]) -> dict[str, Figure]:
    """The figures of a report's content by name: confusion, reliability, emotions, speakers, folds, corpora."""
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
    speakers = {f"{one['corpus']}/{one['speaker']}": one["ua"] for one in summary["speakers"]}
    folds = (content["rows"][0]["folds"] or {}).get("ua", {}).get("values", {}) if content["rows"] else {}
    for name, bars in {"speakers": speakers, "folds": folds, "corpora": _pairs(content.get("matrix"))}.items():
        if len(bars) > 1:
            made[name] = _spread(bars, f"{part}: {name}")
    return made


def _pairs(matrix: dict[str, Any] | None) -> dict[str, float]:
    """UA by corpus of training and corpus of test, of pairs that were tried."""
    if matrix is None:
        return {}
    rows = zip(matrix["train"], matrix["ua"], strict=True)
    cells = (
        (f"{train} → {test}", ua) for train, row in rows for test, ua in zip(matrix["test"], row, strict=True)
    )
    return {name: ua for name, ua in cells if ua is not None}


def _spread(bars: dict[str, float], title: str) -> Figure:
    """UA of each, or the lowest and the highest of too many."""
    if len(bars) > _BARS:
        ranked = dict(sorted(bars.items(), key=lambda one: one[1], reverse=True))
        title += f", the {_EXTREMES} highest and lowest of {len(bars)}"
        bars = dict([*list(ranked.items())[:_EXTREMES], *list(ranked.items())[-_EXTREMES:]])
    return bars_figure(list(bars), list(bars.values()), None, title, "UA")


def log_rows(content: dict[str, Any], logger: Logger | None) -> None:
    """Add the figures of every row but the model's own, which is logged as it is measured, to a logger.

    Where the logger takes texts, the audit and the errors of which the model was most sure too.
    """
    if logger is None:
        return
    if hasattr(logger.experiment, "add_text"):
        errors = [
            f"{100 * one['confidence']:.0f} % sure: {one['label']}, not {one['target']}: {one['path']}"
            for one in content["summary"]["errors"]
        ]
        for name, lines in {"audit": content["audit"]["lines"], "errors": errors}.items():
            # As code, for names of files may hold what Markdown takes for its own.
            logger.experiment.add_text(f"{content['part']}/{name}", "\n".join(f"    {line}" for line in lines))
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
