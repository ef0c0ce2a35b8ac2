"""``emollm results``: one table of stored runs, every figure computed anew from their predictions."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from emollm.errors import UserError
from emollm.files import write_bytes

if TYPE_CHECKING:
    from emollm.evaluation.results import Line

_HEADS = (
    "run",
    "what",
    "corpus",
    "n",
    "WA",
    "UA [95 %]",
    "macro-F1",
    "weighted-F1 [95 %]",
    "ECE",
    "model ahead by, UA",
)


def main(argv: list[str]) -> int:
    """Print the table, and write it where that is asked for.

    Args:
        argv: the arguments behind the verb.

    Raises:
        UserError: when a folder holds no report.
    """
    asked = _parser().parse_args(argv)
    from emollm.evaluation.results import lines  # pandas and torchmetrics, which --help does without

    for folder in map(Path, asked.folders):
        if not folder.is_dir():
            raise UserError(f"There is no folder '{folder}': name one that emollm test or emollm crossval wrote.")
    faults: list[str] = []
    found = [line for folder in asked.folders for line in lines(Path(folder), faults)]
    if not found:
        raise UserError(faults[0])
    for fault in faults:
        print(f"emollm: left out: {fault}", file=sys.stderr)
    _show(found)
    if asked.output:
        output = asked.output.removesuffix(".md").removesuffix(".json")  # a name may hold other dots: v0.2
        values = json.dumps([line.values() for line in found], indent=1, ensure_ascii=False)
        write_bytes(Path(f"{output}.md"), markdown(found).encode())
        write_bytes(Path(f"{output}.json"), (values + "\n").encode())
        print(f"Written: {output}.md, {output}.json")
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emollm results",
        description="One table of stored runs: every figure is computed anew from their predictions, none is "
        "copied from their reports.",
    )
    parser.add_argument(
        "folders", nargs="+", help="folders that emollm test or crossval wrote, or folders of them"
    )
    parser.add_argument("--output", help="write the table as NAME.md and NAME.json too")
    return parser


def cells(line: Line) -> list[str]:
    """A row as text, shares in percent."""
    result = line.result
    return [
        line.run.as_posix(),
        line.what,
        line.corpus,
        str(result.n),
        f"{100 * result.wa:.1f}",
        f"{100 * result.ua:.1f} [{100 * line.ua[0]:.1f}, {100 * line.ua[1]:.1f}]",
        f"{100 * result.macro_f1:.1f}",
        f"{100 * result.weighted_f1:.1f} [{100 * line.weighted_f1[0]:.1f}, {100 * line.weighted_f1[1]:.1f}]",
        f"{result.ece:.3f}",
        ""
        if line.against is None
        else "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * share for share in line.against)),
    ]


def markdown(found: Sequence[Line]) -> str:
    """The table for a README."""
    rows = [_HEADS, ["---"] * len(_HEADS), *(cells(line) for line in found)]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |\n" for row in rows)


def _show(found: Sequence[Line]) -> None:
    """A table a run, so that it fits a terminal."""
    from rich.console import Console
    from rich.markup import escape

    from emollm.report.tables import narrow_table

    console = Console()
    for run, rows in groupby(found, key=lambda line: line.run):
        table = narrow_table(escape(str(run)), "what", ["corpus", "n", "WA", "UA [95 %]", "ECE", "model ahead"])
        over: dict[str, dict[str, None]] = {}  # what was drawn, and for which corpora
        for line in rows:
            _, *shown, _, _, ece, against = cells(line)
            table.add_row(*map(escape, [*shown, ece, against]))
            over.setdefault(line.over, {})[line.corpus] = None
        each = (f"{drawn} ({', '.join(corpora)})" if len(over) > 1 else drawn for drawn, corpora in over.items())
        table.caption = escape(f"Intervals over {'; '.join(each)}.")
        console.print(table)
