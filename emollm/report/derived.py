"""What the page of a report shows and ``metrics.json`` holds only indirectly."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from emollm.report.charts import histogram

_SHOWN = 48  # speakers or folds; more bars than this nobody reads
_EXTREMES = 12  # of them, where there are more
_PAIRED = 6  # from so many on they stand in two columns
_FEW = 12  # speakers; see emollm.evaluation.intervals on what the bootstrap makes of so few


def harmless(line: str) -> bool:
    """Whether a sentence of the audit says that something is not shared, be it of one fold or of all."""
    return re.match(r"(Folds? .+?: )?No ", line) is not None and "nobody can tell" not in line


def caution(over: str) -> str | None:
    """What makes the intervals too narrow, by what they were drawn over ("24 speakers", "2610 utterances")."""
    speakers = re.search(r"(\d+) speaker", over)
    if speakers is None:
        return (
            "For want of two known speakers, utterances were drawn one by one: where speakers differ, and they "
            "do, such intervals are too narrow."
        )
    if "utterance" in over:
        return (
            "Utterances without a known speaker, or of a corpus that names only one, were drawn one by one, which "
            "makes intervals too narrow."
        )
    return "With so few speakers such intervals come out too narrow." if int(speakers[1]) < _FEW else None


def constant(result: Mapping[str, Any]) -> dict[str, Any]:
    """What answering nothing but the most frequent label would score: the least a model must beat."""
    label = max(result["per_class"], key=lambda name: result["per_class"][name]["support"])
    support = [one["support"] for one in result["per_class"].values()]
    share, occurring = max(support) / sum(support), sum(number > 0 for number in support)
    f1 = 2 * share / (1 + share)
    return {
        "label": label,
        "wa": share,
        "ua": 1 / occurring,
        "macro_f1": f1 / occurring,
        "weighted_f1": share * f1,
    }


def speaker_items(speakers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Speakers for ``spread``, named with their corpus where there are several corpora."""
    several = len({one["corpus"] for one in speakers}) > 1
    return [
        {**one, "name": f"{one['corpus']}/{one['speaker']}" if several else str(one["speaker"])}
        for one in speakers
    ]


def fold_items(folds: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Folds for ``spread``, from what ``emollm.evaluation.over_folds`` says of a row."""
    return [
        {"name": str(fold), "n": folds.get("n", {}).get(fold), "ua": ua, "wa": folds["wa"]["values"].get(fold)}
        for fold, ua in folds["ua"]["values"].items()
    ]


def spread(items: list[dict[str, Any]], of: str, keep_order: bool = False) -> dict[str, Any] | None:
    """Bars of all; where these are too many their distribution, and bars of the highest and the lowest.

    Args:
        items: each with ``name``, ``n``, ``wa`` and ``ua``.
        of: what they are, in the plural.
        keep_order: show them as given, not from the highest to the lowest.
    """
    if not items:
        return None
    ranked = sorted(items, key=lambda one: one["ua"], reverse=True)
    many = len(items) > _SHOWN
    if many:
        columns = [
            (f"{_EXTREMES} highest", ranked[:_EXTREMES]),
            (f"{_EXTREMES} lowest", ranked[: -_EXTREMES - 1 : -1]),
        ]
    else:
        shown, half = (items if keep_order else ranked), math.ceil(len(items) / 2)
        columns = [("", shown)] if len(items) < _PAIRED else [("", shown[:half]), ("", shown[half:])]
    return {
        "of": of,
        "number": len(items),
        "highest": ranked[0],
        "lowest": ranked[-1],
        "median": statistics.median(one["ua"] for one in items),
        "histogram": histogram([one["ua"] for one in items], of) if many else None,
        "columns": columns,
    }
