"""The confusion matrix as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNPARSED = "unparsed"
_CELL = 0.72  # inches; holds "100 %" and a count of five digits at 8 points
_DARK = 0.55  # share from which a cell is dark enough for white text


def confusion_figure(
    matrix: Sequence[Sequence[int]] | np.ndarray, labels: Sequence[str], title: str = ""
) -> Figure:
    """Draw a confusion matrix: colour and percentage by row (the diagonal shows recall), counts below.

    Made with matplotlib's objects alone: no window, no global state, safe in any thread.

    Args:
        matrix: (K, K) counts, or (K, K + 1) with a last column of answers that could not be read; rows are
            targets. A row without utterances stays empty.
        labels: the K labels.
        title: the heading.

    Raises:
        ValueError: when the matrix does not fit the labels.
    """
    from matplotlib.figure import Figure

    counts, number = np.asarray(matrix), len(labels)
    if counts.shape not in ((number, number), (number, number + 1)):
        raise ValueError(f"A confusion matrix of {number} labels cannot have the shape {counts.shape}.")
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    columns = [*labels, UNPARSED][: counts.shape[1]]

    size = (_CELL * len(columns) + 3.0, _CELL * number + 1.8)
    figure = Figure(figsize=size, layout="compressed", facecolor="white")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _write_cells(axes, counts, shares, support[:, 0])
    _write_axes(axes, [f"{label} ({total})" for label, total in zip(labels, support[:, 0], strict=True)], columns)
    axes.set_title(title, fontsize=11, parse_math=False)  # names are data: "$" does not begin a formula
    if len(columns) > number:
        axes.axvline(number - 0.5, color="black", linewidth=1.5)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the row")
    bar.ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}".replace("%", " %"))
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure; the suffix says in which format (png, svg, pdf)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _write_cells(axes: Axes, counts: np.ndarray, shares: np.ndarray, support: np.ndarray) -> None:
    for row, column in np.ndindex(*counts.shape):
        if not support[row]:
            text = "–"
        elif not counts[row, column]:
            text = "0"
        else:
            text = f"{100 * shares[row, column]:.0f} %\n{counts[row, column]}"
        colour = "white" if shares[row, column] > _DARK else "black" if counts[row, column] else "grey"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)


def _write_axes(axes: Axes, rows: list[str], columns: list[str]) -> None:
    axes.set_xticks(
        range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor", parse_math=False
    )
    axes.set_yticks(range(len(rows)), rows, parse_math=False)
    axes.set_xlabel("answer")
    axes.set_ylabel("target (utterances)")
    axes.tick_params(length=0)
    # White lines between the cells, so that neighbours of one colour stay apart.
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
