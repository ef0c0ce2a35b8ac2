"""What ``emollm prompts`` found: rows, a table for the terminal, and the files."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from emollm.evaluation.counts import FIGURES_OF_COUNTS
from emollm.evaluation.summary import summarise
from emollm.files import write_text
from emollm.models.prompts import PromptTemplate
from emollm.report.tables import narrow_table

_SHOWN = ("ua", "weighted_f1")
NAMES = {"wa": "WA", "ua": "UA", "macro_f1": "macro-F1", "weighted_f1": "weighted F1"}

Row = dict[str, Any]


@dataclass
class Outcome:
    """Templates measured in one way.

    Attributes:
        way: ``zero-shot``, ``checkpoint`` or ``tuned``.
        title: of its table.
        rows: the best first, those that could not be measured last.
        figure: what they are ranked by.
        over: what the intervals were drawn over.
    """

    way: str
    title: str
    rows: list[Row]
    figure: str
    over: str

    @property
    def measured(self) -> list[Row]:
        """The rows with figures."""
        return [row for row in self.rows if row["why_not"] is None]

    @property
    def spread(self) -> dict[str, dict[str, float | None]] | None:
        """Of each figure over the measured templates: mean, standard deviation (the sample's), least and most."""
        return (
            {name: _spread([row[name] for row in self.measured]) for name in FIGURES_OF_COUNTS}
            if self.measured
            else None
        )

    @property
    def close(self) -> list[str]:
        """Templates whose figure lies within the best one's 95 % interval."""
        best, *others = self.measured
        return [row["template"] for row in others if row[self.figure] >= best[f"{self.figure}_low"]]


def outcome(
    way: str,
    title: str,
    templates: Sequence[PromptTemplate],
    frames: dict[str, pd.DataFrame],
    reasons: dict[str, str],
    labels: Sequence[str],
    figure: str,
) -> Outcome:
    """Measure and rank the predictions under several templates.

    Args:
        way: how they were measured.
        title: the same in words.
        templates: all of them.
        frames: predictions by template.
        reasons: why there are none, by template.
        labels: the label set.
        figure: what to rank by, one of ``emollm.evaluation.counts.FIGURES_OF_COUNTS``.
    """
    over, rows = "", []
    for template in templates:
        row: Row = {"way": way, "rank": None, "template": template.name, "n": None}
        row |= {f"{name}{end}": None for name in FIGURES_OF_COUNTS for end in ("", "_low", "_high")}
        if template.name in frames:
            summary = summarise(frames[template.name], labels)
            over = over or summary["intervals_over"]
            row["n"] = summary["result"]["n"]
            for name in FIGURES_OF_COUNTS:
                row[name] = summary["result"][name]
                row[f"{name}_low"], row[f"{name}_high"] = summary["intervals"][name]
        rows.append({**row, "why_not": reasons.get(template.name), "about": template.about})
    rows.sort(key=lambda row: (row[figure] is None, -(row[figure] or 0.0)))
    for rank, row in enumerate(rows, start=1):
        row["rank"] = None if row["why_not"] else rank
    return Outcome(way, title, rows, figure, over)


def table_of(found: Outcome, majority: dict[str, float]) -> Table:
    """The ranking in percent; below it stands why a template was skipped.

    Args:
        found: what to show.
        majority: figures of the most frequent label, which a template must beat.
    """
    table = narrow_table(f"{found.title} (%)", "", [*(f"{NAMES[name]} [95 %]" for name in _SHOWN), "WA"])
    for row in found.measured:
        cells = [
            escape(f"{_percent(row[name])} [{_percent(row[f'{name}_low'])}, {_percent(row[f'{name}_high'])}]")
            for name in _SHOWN
        ]
        bold = "bold" if row["rank"] == 1 else None
        table.add_row(f"{row['rank']:>2} {escape(row['template'])}", *cells, _percent(row["wa"]), style=bold)
    table.add_section()
    cells = [_percent(majority[name]) for name in (*_SHOWN, "wa")]
    table.add_row("   majority class", *cells, style="dim")
    skipped: dict[str, list[str]] = {}
    for row in found.rows:
        if row["why_not"]:
            skipped.setdefault(row["why_not"], []).append(row["template"])
    lines = [f"Skipped: {', '.join(names)}: {reason}." for reason, names in skipped.items()]
    table.caption = Text("\n".join(lines)) if lines else None
    return table


def sentence(found: Outcome) -> str:
    """Mean and spread over templates, and how sure the ranking is."""
    count = len(found.measured)
    if count < 2:
        number = "one template was" if count else "no template was"
        return f"{found.title}: {number} measured{f'; 95 % intervals over {found.over}' if count else ''}."
    spread, name = found.spread[found.figure], NAMES[found.figure]
    line = (
        f"{found.title}: {name} over {count} templates {_percent(spread['mean'])} ± {_percent(spread['sd'])} %, "
        f"{_percent(spread['min'])} to {_percent(spread['max'])} %; 95 % bootstrap intervals over {found.over}."
    )
    close = found.close
    if close:
        line += f" Within the interval of {found.measured[0]['template']}: {', '.join(close)}."
    return line


def write(output: Path, found: Sequence[Outcome], winner: PromptTemplate, record: Row) -> list[Path]:
    """Write prompts.csv, prompts.json and winner.yaml.

    Args:
        output: the folder.
        found: the outcomes.
        winner: the best template.
        record: what else prompts.json holds.
    """
    csv, file, best = output / "prompts.csv", output / "prompts.json", output / "winner.yaml"
    rows = [row for one in found for row in one.rows]
    # Whole numbers stay so beside what is missing.
    write_text(csv, pd.DataFrame(rows).astype({"rank": "Int64", "n": "Int64"}).to_csv(index=False))
    ways = {
        one.way: {"ranked_by": one.figure, "intervals_over": one.over, "spread": one.spread, "rows": one.rows}
        for one in found
    }
    write_text(file, json.dumps({**record, "winner": winner.name, "ways": ways}, indent=2, ensure_ascii=False))
    write_text(best, template_text(winner))
    return [csv, file, best]


def template_text(template: PromptTemplate) -> str:
    """A template as the text of a YAML file, its longer texts as blocks."""
    return yaml.dump(template.to_dict(), Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=110)


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as they are read."""


_Blocks.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text.strip("\n") else None
    ),
)


def _spread(values: list[float]) -> dict[str, float | None]:
    return {
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
