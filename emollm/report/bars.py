"""Shares as horizontal bars: one a label, or one a speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bars_figure(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]] | None = None,
    title: str = "",
    xlabel: str = "",
) -> Figure:
    """Draw one bar a name, the first at the top.

    Args:
        names: of the N bars.
        values: shares between 0 and 1.
        intervals: low and high end of each, where there are any.
        title: the heading.
        xlabel: what the shares are.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 1.1 + 0.28 * len(names)), layout="compressed", facecolor="white")
    axes = figure.add_subplot()
    places = range(len(names))
    axes.barh(places, values, color="tab:blue", height=0.7)
    if intervals is not None:
        for place, (low, high) in zip(places, intervals, strict=True):
            axes.plot([low, high], [place, place], color="black", linewidth=1.5)
    for place, value in zip(places, values, strict=True):
        axes.text(min(value, 0.93) + 0.01, place, f"{100 * value:.0f}", va="center", fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel=xlabel)
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
