"""Charts as inline SVG, coloured by the page's style sheet, so that they follow light, dark and paper."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from markupsafe import Markup

_Z = 1.959964  # of a normal distribution's 95 %


def reliability(bins: Sequence[Mapping[str, float]]) -> Markup:
    """How often answers are right, by how sure the model was, above how often it was that sure.

    A bar is a bin's accuracy; the dot shows it again, at the bin's mean confidence, with the 95 % interval of that
    share. On the dashed line confidence and accuracy agree.

    Args:
        bins: ``low``, ``high``, ``n``, ``confidence`` (mean) and ``accuracy`` of each bin that is not empty.
    """
    left, top, size, below, strip = 56, 8, 270, 18, 46
    floor, ground = top + size, top + size + below + strip
    most = max((one["n"] for one in bins), default=1)
    shapes = [_line("grid", left, floor - size * k / 5, left + size, floor - size * k / 5) for k in range(1, 6)]
    for one in bins:
        x, width = left + size * one["low"], size * (one["high"] - one["low"])
        sure = left + size * one["confidence"]
        low, high = (floor - size * end for end in _wilson(one["accuracy"], one["n"]))
        told = (
            f"{one['n']:.0f} answers with a confidence of {100 * one['confidence']:.1f} % on average: "
            f"{100 * one['accuracy']:.1f} % are right"
        )
        height, many = size * one["accuracy"], strip * one["n"] / most
        shapes += [
            _bar("bar", x + 1, floor - height, width - 2, height, told),
            _bar("quiet", x + 1, ground - many, width - 2, many, told),
            _line("whisker", sure, low, sure, high),
            _dot(sure, floor - height),
        ]
    shapes.append(_line("diagonal", left, floor, left + size, top))
    for k in range(6):
        shapes.append(_text(f"{20 * k}", left - 7, floor - size * k / 5 + 4, "end"))
        shapes.append(_text(f"{20 * k}", left + size * k / 5, ground + 16))
    shapes += [
        _line("axis", left, floor, left + size, floor),
        _line("axis", left, ground, left + size, ground),
        _text(f"{most:,.0f}", left - 7, ground - strip + 5, "end"),
        _text("confidence, %", left + size / 2, ground + 34),
        _text("right, %", -(top + size / 2), 13, turned=True),
        _text("answers", -(ground - strip / 2), 13, turned=True),
    ]
    return _svg(left + size + 14, ground + 40, "Reliability: share of right answers over confidence", shapes)


def histogram(values: Sequence[float], of: str, bins: int = 20) -> Markup:
    """How many of many shares lie where between 0 and 100 %, with their median.

    Args:
        values: shares between 0 and 1.
        of: what is counted, in the plural.
        bins: how many, equally wide.
    """
    left, top, width, height = 56, 18, 560, 130
    floor = top + height
    counts = [0] * bins
    for value in values:
        counts[min(int(value * bins), bins - 1)] += 1
    most = max(counts, default=0) or 1
    shapes = []
    for index, count in enumerate(counts):
        told = f"{count} {of} from {100 * index / bins:.0f} to {100 * (index + 1) / bins:.0f} %"
        tall = height * count / most
        shapes.append(_bar("bar", left + width * index / bins + 1, floor - tall, width / bins - 2, tall, told))
    middle = left + width * statistics.median(values)
    shapes += [
        _line("whisker", middle, top - 2, middle, floor),
        _text("median", middle, top - 6),
        _line("axis", left, floor, left + width, floor),
        _text(f"{most:,}", left - 7, top + 5, "end"),
        _text("0", left - 7, floor + 4, "end"),
        _text(of, -(top + height / 2), 13, turned=True),
        _text("UA, %", left + width / 2, floor + 34),
        *(_text(f"{20 * k}", left + width * k / 5, floor + 16) for k in range(6)),
    ]
    return _svg(left + width + 14, floor + 40, f"Distribution of UA over {len(values)} {of}", shapes)


def _wilson(share: float, n: float) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 1927), which stays within 0 and 1 also for few and for none."""
    scale = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _svg(width: float, height: float, title: str, shapes: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}" role="img" aria-label="{title}">'
        "{body}</svg>"
    ).format(w=width, h=height, title=title, body=Markup("").join(shapes))


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    shape = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return shape.format(kind, x1, y1, x2, y2)


def _bar(kind: str, x: float, y: float, width: float, height: float, told: str) -> Markup:
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
    ).format(kind, x, y, width, height, told)


def _dot(x: float, y: float) -> Markup:
    return Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(x, y)


def _text(text: str, x: float, y: float, anchor: str = "middle", turned: bool = False) -> Markup:
    turn = Markup(' transform="rotate(-90)"') if turned else ""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>').format(x, y, anchor, turn, text)
