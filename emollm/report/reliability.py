"""The reliability plot: how often answers are right, by how sure the model was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability_figure(bins: Sequence[Mapping[str, float]], ece: float, title: str = "") -> Figure:
    """Draw accuracy over confidence, and below how many answers were given that surely.

    Made with matplotlib's objects alone: no window, no global state, safe in any thread.

    Args:
        bins: ``low``, ``high``, ``n``, ``confidence`` (mean) and ``accuracy`` of each bin that is not empty.
        ece: expected calibration error, for the heading.
        title: the heading.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 5.6), layout="constrained", facecolor="white")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    left, width = [100 * one["low"] for one in bins], [100 * (one["high"] - one["low"]) for one in bins]
    accuracy = [100 * one["accuracy"] for one in bins]
    upper.bar(left, accuracy, width, align="edge", color="tab:blue", alpha=0.7, edgecolor="white")
    upper.plot([0, 100], [0, 100], "--", color="black", linewidth=1, label="as sure as right")
    upper.plot(
        [100 * one["confidence"] for one in bins],
        accuracy,
        "o",
        color="black",
        ms=4,
        clip_on=False,
        label="mean confidence",
    )
    upper.set(xlim=(0, 100), ylim=(0, 101), ylabel="right, %")
    upper.legend(loc="upper left", frameon=False, fontsize=8)
    upper.set_title(f"{title} (ECE {ece:.3f})".strip(), fontsize=11, parse_math=False)
    lower.bar(left, [one["n"] for one in bins], width, align="edge", color="0.6", edgecolor="white")
    lower.set(xlabel="confidence, %", ylabel="answers")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    upper.grid(axis="y", color="0.9")
    return figure
