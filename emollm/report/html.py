"""The report: one self-contained HTML page, made from the content of ``metrics.json`` alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from emollm.files import write_bytes
from emollm.report.charts import reliability
from emollm.report.derived import caution, constant, fold_items, harmless, speaker_items, spread

_FOLDER = Path(__file__).parent
_LINES = 6  # of the audit that nobody can fold away
_JSON: dict[str, Any] = {"indent": 2, "ensure_ascii": False}


def render(content: Mapping[str, Any]) -> str:
    """The page of a report; it loads nothing, needs no script, follows light and dark, and prints on A4.

    Args:
        content: what ``metrics.json`` holds; sections for which it has nothing are left out.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": _percent, "number": _number}
    summary, rows, audit = content.get("summary"), content.get("rows") or [], content.get("audit") or {}
    folds = rows[0].get("folds") if rows else None
    lines = [(line, harmless(line)) for line in audit.get("lines", [])]
    lines.sort(key=lambda line: line[1])  # what must be looked at first
    shown = {
        "css": Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        "rows": rows,
        "same_utterances": all(row.get("same", True) for row in rows if row["result"])
        and len({row["result"]["n"] for row in rows if row["result"]}) == 1,
        "audit_lines": (lines[:_LINES], lines[_LINES:]) if len(lines) > _LINES + 2 else (lines, []),
        "audit_clean": all(fine for _, fine in lines),
        "folds": folds,
        "by_fold": folds and spread(fold_items(folds), "folds", keep_order=True),
        "specification": json.dumps(content.get("specification"), **_JSON),
    }
    if summary is not None:
        shown |= {
            "caution": caution(summary["intervals_over"]),
            "constant": constant(summary["result"]),
            "by_speaker": spread(speaker_items(summary["speakers"]), "speakers"),
            "reliability_plot": reliability(summary["reliability"]),
            "bins": _bins(summary["reliability"]),
        }
    return environment.get_template("page.html.jinja").render({**content, **shown})


def write_report(content: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``metrics.json`` and, where there is something to show, ``report.html``, each at one stroke.

    Args:
        content: what both are made from. Numbers that are not finite become None: JSON has no others.
        folder: made if it is not there.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = _finite(content)
    texts = {"metrics.json": json.dumps(content, allow_nan=False, **_JSON) + "\n"}
    if content.get("summary") is not None or content.get("matrix") is not None:
        texts["report.html"] = render(content)
    for name, text in texts.items():
        # File names need not be UTF-8; what of them is not becomes a question mark here, predictions.csv keeps it.
        write_bytes(folder / name, text.encode("utf-8", errors="replace"))
    return [folder / name for name in texts]


def _bins(reliability: Sequence[Mapping[str, Any]]) -> int | None:
    return round(1 / (reliability[0]["high"] - reliability[0]["low"])) if reliability else None


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.000"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value
