"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from emollm.metrics.results import Result, Results

_SHOWN = 30


def metrics_table(results: Results) -> Table:
    """One row a corpus and one for all of them; unparsed answers only where there are any."""
    names = ["n", "WA", "UA", "macro\n-F1", "weighted\n-F1", "ECE", "NLL", "Brier"]
    if results.overall.unparsed:
        names.append("unparsed")
    table = narrow_table("Results (%, but for n, ECE, NLL, Brier)", "corpus", names)
    for corpus, result in results.corpora.items():
        table.add_row(escape(corpus), *_figures(result)[: len(names)])
    # With a single corpus that has a name, the row of all utterances would say the same again.
    if not (len(results.corpora) == 1 and next(iter(results.corpora.values())).n == results.overall.n):
        table.add_section()
        table.add_row("all", *_figures(results.overall)[: len(names)], style="bold")
    return table


def per_class_table(results: Results) -> Table:
    """One row a label, over all utterances, in percent; a dash where nothing has, or was given, the label."""
    table = narrow_table("Per label (%)", "label", ["support", "recall", "precision", "F1"])
    overall = results.overall
    for column, (label, figures) in enumerate(overall.per_class.items()):
        answered = sum(row[column] for row in overall.confusion)
        shown = (
            _percent(share) if counted else "–"
            for share, counted in (
                (figures.recall, figures.support),
                (figures.precision, answered),
                (figures.f1, figures.support or answered),
            )
        )
        table.add_row(escape(label), str(figures.support), *shown)
    return table


def predictions_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The first predictions: name, label, confidence and transcript, or why there is no label.

    Args:
        rows: rows of a predictions file, with ``path``, ``label``, ``confidence``, ``transcript``, ``error``.
    """
    rest = len(rows) - _SHOWN
    table = narrow_table("", "recording", ["label", "confidence"])
    table.columns[0].no_wrap, table.columns[0].overflow, table.columns[0].max_width = True, "ellipsis", 32
    notes = [f"and {rest} more"] if rest > 0 else []
    notes += ["?: uncertain"] if any(row.get("uncertain") for row in rows[:_SHOWN]) else []
    table.caption = "; ".join(notes) or None
    table.add_column("transcript, or what is wrong", overflow="fold")
    for row in rows[:_SHOWN]:
        confidence = "–" if row["confidence"] is None else f"{row['confidence']:.2f}"
        if row["error"]:
            said = Text(row["error"], style="red")
        else:
            said = Text(row["transcript"] or "", no_wrap=True, overflow="ellipsis")
        name = Path(row["path"]).name.encode("utf-8", "replace").decode()  # a file name need not be UTF-8
        table.add_row(Text(name), escape(row["label"] or "–") + "?" * bool(row.get("uncertain")), confidence, said)
    return table


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The model, its ablations and its baselines, one row each, in percent.

    Args:
        rows: ``rows`` of metrics.json; below the table stands why one has no numbers.
    """
    names = ["WA", "UA [95 %]", "macro\n-F1", "weighted\n-F1"]
    table = narrow_table("Side by side (%)", "", names)
    reasons = []
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before["kind"] != row["kind"]:
            table.add_section()
        result = row["result"]
        if result is None:
            table.add_row(escape(row["title"]), *"–" * len(names), style="dim")
            reasons.append(f"{row['title']}: {row['why_not'] or 'not measured'}")
            continue
        wa, ua, macro, weighted = (_percent(result[name]) for name in ("wa", "ua", "macro_f1", "weighted_f1"))
        if row["intervals"] is not None:
            low, high = row["intervals"]["ua"]
            ua = escape(f"{ua} [{_percent(low)}, {_percent(high)}]")
        table.add_row(
            escape(row["title"]), wa, ua, macro, weighted, style="bold" if row["kind"] == "model" else None
        )
    table.caption = Text("\n".join(reasons)) if reasons else None
    return table


def narrow_table(title: str, first: str, numbers: Sequence[str]) -> Table:
    """A table of few lines that fits 80 columns: names at the left, numbers at the right."""
    table = Table(
        title=title or None,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column(first, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _figures(result: Result) -> list[str]:
    return [
        str(result.n),
        *(_percent(share) for share in (result.wa, result.ua, result.macro_f1, result.weighted_f1)),
        *(f"{value:.3f}" for value in (result.ece, result.nll, result.brier)),
        _percent(result.unparsed),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
