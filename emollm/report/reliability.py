"""The reliability plot: how often answers are right, by how sure the model was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability_figure(bins: Sequence[Mapping[str, float]], ece: float, title: str = "") -> Figure:
    """Draw accuracy over confidence, each bin as wide as it is and as dark as it is full.

    Args:
        bins: ``low``, ``high``, ``n``, ``confidence`` (mean) and ``accuracy`` of each bin that is not empty.
        ece: expected calibration error, for the legend.
        title: the heading.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.4), layout="compressed", facecolor="white")
    axes = figure.add_subplot()
    total = sum(one["n"] for one in bins)
    for one in bins:
        axes.bar(
            one["low"],
            one["accuracy"],
            width=one["high"] - one["low"],
            align="edge",
            color="tab:blue",
            alpha=0.25 + 0.7 * one["n"] / total,
            edgecolor="white",
        )
    axes.plot([one["confidence"] for one in bins], [one["accuracy"] for one in bins], "o", color="black", ms=3)
    axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that is right")
    axes.set_aspect("equal")
    axes.set_title(f"{title} (ECE {ece:.3f})", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
