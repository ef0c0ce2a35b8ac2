"""Shares as horizontal bars: one a label, or one a speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 32  # letters of a name; more would squeeze the bars
_TALLEST = 60.0  # inches; what is taller no viewer opens


def bars_figure(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]] | None = None,
    title: str = "",
    xlabel: str = "",
) -> Figure:
    """Draw one bar a name, the first at the top.

    Made with matplotlib's objects alone: no window, no global state, safe in any thread.

    Args:
        names: of the N bars; the middle of a long one is left out.
        values: shares between 0 and 1.
        intervals: low and high end of each, where there are any.
        title: the heading.
        xlabel: what the shares are; they are shown in percent.

    Raises:
        ValueError: when there are not as many names, values and intervals.
    """
    from matplotlib.figure import Figure

    height = min(1.3 + 0.28 * len(names), _TALLEST)
    figure = Figure(figsize=(6.4, height), layout="compressed", facecolor="white")
    axes = figure.add_subplot()
    ends = intervals if intervals is not None else [(value, value) for value in values]
    for place, (_, value, (low, high)) in enumerate(zip(names, values, ends, strict=True)):
        axes.barh(place, 100 * value, color="tab:blue", height=0.7, alpha=0.6 if intervals is not None else 0.9)
        if intervals is not None:
            axes.plot([100 * low, 100 * high], [place, place], "|-", color="black", linewidth=1.3)
        axes.text(100 * max(value, high) + 1.2, place, f"{100 * value:.1f}", va="center", fontsize=8)
    # Names are data: "$" does not begin a formula.
    axes.set_yticks(range(len(names)), [_short(name) for name in names], fontsize=8, parse_math=False)
    axes.set(xlim=(0, 108), ylim=(len(names) - 0.4, -0.6), xticks=range(0, 101, 20))
    axes.set_xlabel(f"{xlabel}, %" if xlabel else "%")
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _short(name: str) -> str:
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"
