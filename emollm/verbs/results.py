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
    from emollm.evaluation.differences import Difference
    from emollm.evaluation.results import Line
    from emollm.evaluation.stored_run import StoredRun

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
    # pandas and torchmetrics, which --help does without
    from emollm.evaluation.results import lines, other_run

    for folder in map(Path, asked.folders):
        if not folder.is_dir():
            raise UserError(f"There is no folder '{folder}': name one that emollm test or emollm crossval wrote.")
    other = other_run(Path(asked.against)) if asked.against else None
    faults: list[str] = []
    found = [line for folder in asked.folders for line in lines(Path(folder), faults, other)]
    if not found:
        raise UserError(faults[0])
    for fault in faults:
        print(f"emollm: left out: {fault}", file=sys.stderr)
    if other is not None:
        _tell_apart(found, other)
    _show(found, other)
    if asked.output:
        output = asked.output.removesuffix(".md").removesuffix(".json")  # a name may hold other dots: v0.2
        values = json.dumps([line.values() for line in found], indent=1, ensure_ascii=False)
        write_bytes(Path(f"{output}.md").expanduser(), markdown(found, other).encode())
        write_bytes(Path(f"{output}.json").expanduser(), (values + "\n").encode())
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
    parser.add_argument(
        "--against",
        metavar="RUN",
        help="folder of a run that each is held against: how far it is ahead on the utterances that both tested, "
        "with a paired interval",
    )
    parser.add_argument("--output", help="write the table as NAME.md and NAME.json too")
    return parser


def cells(line: Line, other: StoredRun | None = None) -> list[str]:
    """A row as text, shares in percent; with two cells more where all are held against another run."""
    result, ahead = line.result, line.ahead
    compared = [] if other is None else ["", ""] if ahead is None else map(_signed, (ahead.ua, ahead.weighted_f1))
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
        "" if line.against is None else _signed(line.against),
        *compared,
    ]


def markdown(found: Sequence[Line], other: StoredRun | None = None) -> str:
    """The table for a README."""
    heads = list(_HEADS)
    if other is not None:
        heads += [f"{name}, ahead of {other.folder.as_posix()}" for name in ("UA", "weighted-F1")]
    rows = [heads, ["---"] * len(heads), *(cells(line, other) for line in found)]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |\n" for row in rows)


def _signed(difference: Difference) -> str:
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * share for share in difference))


def _tell_apart(found: Sequence[Line], other: StoredRun) -> None:
    """Say which runs have nothing in common with the other one."""
    for run, rows in groupby(found, key=lambda line: line.run):
        if not run.samefile(other.folder) and all(line.ahead is None for line in rows):
            print(
                f"emollm: {run} is not held against {other.folder}: other labels, or no utterance in common.",
                file=sys.stderr,
            )


def _show(found: Sequence[Line], other: StoredRun | None) -> None:
    """A table a run, so that it fits a terminal; how far each is ahead of another run in one of its own."""
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
    if other is None or all(line.ahead is None for line in found):
        return
    table = narrow_table(
        f"Ahead of {escape(str(other.folder))}", "run", ["what", "corpus", "n", "UA", "weighted-F1", "over"]
    )
    for line in found:
        if line.ahead is not None:
            run, what, corpus, *_, ua, weighted = cells(line, other)
            table.add_row(*map(escape, [run, what, corpus, str(line.ahead.n), ua, weighted, line.ahead.over]))
    table.caption = "On the utterances that both tested; paired intervals over what stands at the right."
    console.print(table)
