"""The report: one self-contained HTML page, made from the content of ``metrics.json`` alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from markupsafe import Markup

from emollm.report.charts import bars, interval_bar, reliability

_FOLDER = Path(__file__).parent
_SHOWN = 60  # speakers; more bars than this nobody reads


def render(content: dict[str, Any]) -> str:
    """The page of a report; it loads nothing, follows light and dark, and prints on A4.

    Args:
        content: what ``metrics.json`` holds, with a ``summary``.
    """
    from jinja2 import Environment, FileSystemLoader

    page = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True)
    summary, labels = content["summary"], content["labels"]
    result = summary["result"]
    return page.get_template("page.html.jinja").render(
        {**content, "specification": json.dumps(content["specification"], indent=2, ensure_ascii=False)},
        css=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        matrix_of_corpora=content.get("matrix"),
        interval_bar=interval_bar,
        emotion_bars=bars(labels, [result["per_class"][label]["recall"] for label in labels]),
        speaker_bars=_speaker_bars(summary["speakers"]),
        reliability_plot=reliability(summary["reliability"]),
    )


def write_report(content: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``metrics.json`` and, where labels were scored, ``report.html``, each at one stroke."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "metrics.json"]
    _write(written[0], json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    if content["summary"] is not None:
        written.append(folder / "report.html")
        _write(written[1], render(content))
    return written


def _speaker_bars(speakers: list[dict[str, Any]]) -> Markup:
    ranked = sorted(speakers, key=lambda one: one["ua"])
    if len(ranked) > _SHOWN:
        ranked = ranked[: _SHOWN // 2] + ranked[-_SHOWN // 2 :]
    several = len({one["corpus"] for one in speakers}) > 1
    names = [f"{one['corpus']}/{one['speaker']}" if several else str(one["speaker"]) for one in ranked]
    return bars(names, [one["ua"] for one in ranked], [f"of {one['n']}" for one in ranked])


def _write(file: Path, text: str) -> None:
    scratch = file.with_name(f"{file.name}.part")
    # File names need not be UTF-8; what of them is not becomes a question mark here, predictions.csv keeps it.
    scratch.write_bytes(text.encode("utf-8", errors="replace"))
    os.replace(scratch, file)
