"""The report of a whole cross-validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from emollm.crossval.folder import PICTURES
from emollm.evaluation.frame import write
from emollm.evaluation.pool import FoldReport, pool
from emollm.metrics import FIGURES
from emollm.record import told_first, told_last
from emollm.report.figures import log_rows, save_figures
from emollm.report.html import write_report
from emollm.report.tables import comparison_table


def report(tested: list[FoldReport], output: Path, command: str, recipe: str, folds: int, seeds: int) -> None:
    """Pool what was tested, print it, and write the report's folder.

    Args:
        tested: each fold that is done, with each seed.
        output: that folder.
        command: as the user typed it, for the record.
        recipe: the text of all recipes, for the record.
        folds: how many there are, done or not.
        seeds: how many there are.
    """
    content, frame = pool(tested, f"Cross-validation of {output.resolve().name}", command, recipe)
    if len(tested) < folds * seeds:
        parts = "folds" if seeds == 1 else "folds and seeds"
        tested_so_far = f"Only {len(tested)} of {folds * seeds} {parts} were tested."
        content["missing"] = " ".join(filter(None, [tested_so_far, content["missing"]]))
    write(frame, output / "predictions.csv")
    for pattern in PICTURES:  # of fewer folds: there may be other ones now
        for old in output.glob(pattern):
            old.unlink()
    logger = TensorBoardLogger(output, name="", version="")
    logger.log_metrics({f"test/{name}": content["summary"]["result"][name] for name in FIGURES})
    log_rows(content, logger)
    # Numbers before pictures: whatever a figure runs into, the report is there.
    written = [output / "predictions.csv", *write_report(content, output)]
    written += save_figures(content, output, logger)
    logger.experiment.close()
    console = Console()
    console.print(comparison_table(content["rows"]))
    said = [*told_first(content, frame), _sentence(content), *told_last(content)]
    said.append("\n  ".join(["Written:", *map(str, written)]))
    console.print("\n".join(said), highlight=False, markup=False, soft_wrap=True)


def _sentence(content: dict[str, Any]) -> str:
    ua, summary = content["rows"][0]["folds"]["ua"], content["summary"]
    low, high = summary["intervals"]["ua"]
    spread = "" if ua["sd"] is None else f" ± {100 * ua['sd']:.1f}"
    count = len(ua["values"])
    folds = f"{count} fold{'' if count == 1 else 's'}"
    line = (
        f"UA {100 * ua['mean']:.1f}{spread} % over {folds}; pooled {100 * summary['result']['ua']:.1f} %, 95 % "
        f"interval {100 * low:.1f} to {100 * high:.1f} over {summary['intervals_over']}"
    )
    if content["seeds"]:
        seeds = content["seeds"]["ua"]
        line += f"; {len(seeds['values'])} seeds: {100 * seeds['mean']:.1f} ± {100 * seeds['sd']:.1f} %"
    return line + "."
