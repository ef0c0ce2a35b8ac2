"""Charts as inline SVG, coloured by the page's style sheet, so that they follow light, dark and paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup


def interval_bar(value: float, interval: Sequence[float], kind: str, width: int = 190) -> Markup:
    """One share as a bar with its interval as a whisker."""
    low, high = (width * end for end in interval)
    shade = "model" if kind == "model" else "other"
    return Markup(
        '<svg viewBox="0 0 {w} 16" width="{w}" height="16" role="img" aria-label="{text}">'
        '<line class="axis" x1="0" x2="{w}" y1="15" y2="15"/>'
        '<rect class="{shade}" x="0" y="3" height="10" width="{bar:.1f}"/>'
        '<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="8" y2="8"/></svg>'
    ).format(w=width, text=f"{100 * value:.1f} percent", shade=shade, bar=width * value, low=low, high=high)


def bars(names: Sequence[str], values: Sequence[float], notes: Sequence[str] | None = None) -> Markup:
    """Horizontal bars of shares, one a name, with the percentage and a note behind each."""
    left, size, step = 150, 300, 20
    lines = []
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        y = index * step
        note = f" {notes[index]}" if notes else ""
        lines.append(
            Markup(
                '<text x="{x}" y="{y}" text-anchor="end"><title>{full}</title>{name}</text>'
                '<rect class="model" x="{left}" y="{top}" width="{bar:.1f}" height="12"/>'
                '<text x="{end:.1f}" y="{y}">{percent}<tspan class="soft">{note}</tspan></text>'
            ).format(
                x=left - 8,
                y=y + 14,
                full=name,
                name=name if len(name) <= 22 else f"…{name[-21:]}",
                left=left,
                top=y + 4,
                bar=size * value,
                end=left + size * value + 6,
                percent=f"{100 * value:.0f}",
                note=note,
            )
        )
    height = step * len(lines) + 4
    return Markup('<svg viewBox="0 0 560 {h}" width="560" height="{h}" role="img">{body}</svg>').format(
        h=height, body=Markup("").join(lines)
    )


def reliability(bins: Sequence[Mapping[str, float]]) -> Markup:
    """Accuracy over confidence; the width of a bar is its bin, its shade how many answers are in it."""
    size, left, top = 260, 44, 8
    total = sum(one["n"] for one in bins) or 1
    shapes = [
        Markup('<line class="diagonal" x1="{a}" y1="{b}" x2="{c}" y2="{d}"/>').format(
            a=left, b=top + size, c=left + size, d=top
        )
    ]
    for one in bins:
        height = size * one["accuracy"]
        shapes.append(
            Markup(
                '<rect class="model" opacity="{o:.2f}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}">'
                "<title>{t}</title></rect>"
            ).format(
                o=0.25 + 0.75 * one["n"] / total,
                x=left + size * one["low"] + 1,
                y=top + size - height,
                w=size * (one["high"] - one["low"]) - 2,
                h=height,
                t=f"{one['n']:.0f} answers, confidence {one['confidence']:.2f}, right {one['accuracy']:.2f}",
            )
        )
    ticks = []
    for share in (0, 0.5, 1):
        ticks.append(
            Markup(
                '<text class="soft" x="{x}" y="{y}" text-anchor="middle">{s}</text>'
                '<text class="soft" x="{l}" y="{v}" text-anchor="end">{s}</text>'
            ).format(
                x=left + size * share,
                y=top + size + 16,
                l=left - 6,
                v=top + size * (1 - share) + 4,
                s=f"{share:g}",
            )
        )
    frame = Markup(
        '<line class="axis" x1="{l}" x2="{r}" y1="{b}" y2="{b}"/>'
        '<line class="axis" x1="{l}" x2="{l}" y1="{t}" y2="{b}"/>'
    ).format(l=left, r=left + size, b=top + size, t=top)
    words = Markup(
        '<text class="soft" x="{x}" y="{y}" text-anchor="middle">{a}</text>'
        '<text class="soft" transform="translate(12 {z}) rotate(-90)" text-anchor="middle">{b}</text>'
    ).format(x=left + size / 2, y=top + size + 34, z=top + size / 2, a="confidence", b="share that is right")
    body = Markup("").join([*shapes, frame, *ticks, words])
    return Markup('<svg viewBox="0 0 320 310" width="320" height="310" role="img">{}</svg>').format(body)
