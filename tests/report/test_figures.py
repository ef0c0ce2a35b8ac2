"""Bars and reliability as figures: they say what they are given, inside their frames."""

import sys
from types import SimpleNamespace

import pytest

from emollm.evaluation import reliability
from emollm.report.bars import bars_figure
from emollm.report.confusion import save
from emollm.report.figures import figures, log_rows
from emollm.report.reliability import reliability_figure
from tests.report.made import SEVEN, content_of, frame_of


def inside(figure):
    figure.draw_without_rendering()
    whole, tight = figure.bbox, figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    return (
        whole.x0 - 1 <= tight.x0
        and tight.x1 <= whole.x1 + 1
        and whole.y0 - 1 <= tight.y0
        and tight.y1 <= whole.y1 + 1
    )


@pytest.fixture(scope="module")
def bins():
    return reliability(frame_of(SEVEN, n=300))


@pytest.mark.parametrize("number", [1, 7, 60])
def test_bars_of_names_and_values(number):
    names = [f"$x^ and a long name that nobody can read in full {k}" for k in range(number)]
    values = [(k + 1) / number for k in range(number)]
    figure = bars_figure(names, values, [(v - 0.01, min(v + 0.1, 1)) for v in values], "test: speakers", "UA")
    axes = figure.axes[0]
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [round(100 * v, 6) for v in values]
    assert [text.get_text() for text in axes.texts] == [f"{100 * v:.1f}" for v in values]
    assert axes.get_yticklabels()[0].get_text().startswith("$x^ and")
    assert axes.get_xlabel() == "UA, %"
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first is at the top"
    assert inside(figure)


def test_bars_without_intervals_and_with_too_few():
    assert not bars_figure(["a", "b"], [0.5, 1.0]).axes[0].lines
    with pytest.raises(ValueError, match="zip"):
        bars_figure(["a", "b"], [0.5])


def test_a_label_that_does_not_occur_has_no_bar():
    content = content_of(SEVEN, n=60)
    content["summary"]["result"]["per_class"]["happy"]["support"] = 0
    axes = figures(content)["emotions"].axes[0]
    assert [name.get_text() for name in axes.get_yticklabels()] == [name for name in SEVEN if name != "happy"]


def test_of_too_many_speakers_the_highest_and_the_lowest_are_shown():
    content = content_of(SEVEN, n=60)
    content["summary"]["speakers"] = [{"corpus": "c", "speaker": str(k), "ua": k / 100} for k in range(100)]
    axes = figures(content)["speakers"].axes[0]
    assert axes.get_title() == "test: speakers, the 20 highest and lowest of 100"
    assert [text.get_text() for text in axes.texts][:2] == ["99.0", "98.0"]
    assert len(axes.texts) == 40


def test_folds_and_pairs_of_corpora_have_bars_where_there_are_any():
    content = content_of(SEVEN, n=60, folds=3)
    assert "corpora" not in figures(content)
    content["matrix"] = {"train": ["a", "b"], "test": ["a", "b"], "ua": [[None, 0.5], [0.25, None]], "wa": None}
    made = figures(content)
    assert [name.get_text() for name in made["corpora"].axes[0].get_yticklabels()] == ["a → b", "b → a"]
    assert [text.get_text() for text in made["folds"].axes[0].texts] == [
        f"{100 * ua:.1f}" for ua in content["rows"][0]["folds"]["ua"]["values"].values()
    ]


def test_a_logger_gets_audit_and_errors_in_words():
    said = {}
    board = SimpleNamespace(add_text=said.__setitem__)
    content = content_of(SEVEN, n=60)
    log_rows(content, SimpleNamespace(experiment=board, log_metrics=lambda _: None))
    assert said["test/audit"].splitlines() == [f"    {line}" for line in content["audit"]["lines"]]
    assert len(said["test/errors"].splitlines()) == len(content["summary"]["errors"])
    assert content["summary"]["errors"][0]["path"] in said["test/errors"]


def test_many_bars_still_make_an_image(tmp_path):
    save(bars_figure([str(k) for k in range(250)], [0.5] * 250), tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_reliability_shows_accuracy_and_numbers(bins):
    figure = reliability_figure(bins, 0.0421, "test: reliability")
    upper, lower = figure.axes
    assert [bar.get_height() for bar in upper.patches] == pytest.approx([100 * one["accuracy"] for one in bins])
    assert [bar.get_x() for bar in upper.patches] == pytest.approx([100 * one["low"] for one in bins])
    assert sum(bar.get_height() for bar in lower.patches) == 300
    assert list(upper.lines[1].get_xdata()) == pytest.approx([100 * one["confidence"] for one in bins])
    assert upper.get_title() == "test: reliability (ECE 0.042)"
    assert inside(figure)


def test_reliability_of_a_single_bin(tmp_path):
    one = {"low": 14 / 15, "high": 1.0, "n": 3, "confidence": 1.0, "accuracy": 1.0}
    save(reliability_figure([one], 0.0), tmp_path / "reliability.png")


def test_no_window_is_opened(bins):
    reliability_figure(bins, 0.1)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
