"""What the terminal shows."""

import re

import torch
from rich.console import Console

from emollm.metrics import EmotionMetrics
from emollm.report.tables import comparison_table, metrics_table, per_class_table, predictions_table
from tests.report.made import content_of, row_of

LABELS = ["angry", "happy", "sad"]


def show(table, width=110):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def line(text, start):
    """The cells of the one line whose first cell is ``start``."""
    rows = [re.split(r"\s{2,}", row.strip()) for row in text.splitlines()]
    (found,) = [row for row in rows if row[0] == start]
    return found


def results(corpora, unparsed=False):
    metric = EmotionMetrics(LABELS)
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    answers = torch.tensor([0, 0, 1, -1]) if unparsed else None
    metric.update(probabilities, torch.tensor([0, 1, 1, 1]), corpora, answers)
    return metric.compute()


def test_metrics_of_several_corpora_and_all_together():
    text = show(metrics_table(results(["emodb", "emodb", "ravdess", "ravdess"], unparsed=True)))
    assert line(text, "emodb")[1:4] == ["2", "50.0", "50.0"]
    assert line(text, "ravdess")[1:4] == ["2", "50.0", "50.0"]
    assert line(text, "all")[1:4] == ["4", "50.0", "66.7"]
    assert line(text, "all")[-1] == "25.0"


def test_one_corpus_is_not_repeated():
    text = show(metrics_table(results(["emodb"] * 4)))
    assert line(text, "emodb")[1] == "4"
    assert "all" not in text
    assert line(show(metrics_table(results([""] * 4))), "all")[1] == "4"
    assert line(show(metrics_table(results(["emodb"] * 3 + [""]))), "all")[1] == "4"
    assert "unparsed" not in text, "there are none"


def test_figures_of_each_label():
    text = show(per_class_table(results(["emodb", "emodb", "ravdess", "ravdess"])))
    assert line(text, "angry") == ["angry", "1", "100.0", "50.0", "66.7"]
    assert line(text, "happy") == ["happy", "3", "66.7", "100.0", "80.0"]
    assert line(text, "sad")[1:] == ["0", "–", "–", "–"], "a label that nothing has or was given has no figures"


def test_tables_fit_80_columns():
    several = results(["msp-podcast", "emodb", "ravdess", "ravdess"], unparsed=True)
    for table in (metrics_table(several), per_class_table(several)):
        text = show(table, width=80)
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text


def test_predictions_with_markup_in_names_and_with_errors():
    good = {"path": "a/[red]x.wav", "label": "sad", "confidence": 0.876, "transcript": "[oh] no", "error": None}
    bad = {**good, "path": "b.mp3", "label": None, "confidence": None, "error": "no sound in it"}
    text = show(predictions_table([good, bad]))
    assert line(text, "[red]x.wav") == ["[red]x.wav", "sad", "0.88", "[oh] no"]
    assert line(text, "b.mp3") == ["b.mp3", "–", "–", "no sound in it"]
    assert "70 more" in show(predictions_table([good] * 100))
    assert "?:" not in text
    assert "?: uncertain" in show(predictions_table([{**good, "uncertain": True}])), "the mark is explained"


def test_the_comparison_has_figures_or_says_why_not():
    rows = content_of(n=60, draws=20)["rows"]
    rows[2]["intervals"] = None
    text = show(comparison_table(rows), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for row in rows[:-1]:
        wa, ua = (f"{100 * row['result'][name]:.1f}" for name in ("wa", "ua"))
        if row["intervals"]:
            low, high = (f"{100 * end:.1f}" for end in row["intervals"]["ua"])
            ua = f"{ua} [{low}, {high}]"
        assert line(text, row["title"])[1:3] == [wa, ua]
    assert line(text, "transcript-only LLM")[1:] == ["–"] * 4
    assert "transcript-only LLM: not every training utterance has a transcript" in " ".join(text.split())


def test_the_comparison_fits_with_long_titles_and_markup():
    rows = [
        row_of(
            "model", "m", "[red]audio[/red], transcript and three turns of what was said before", "", None, None
        ),
        row_of("baseline", "b", "probe", "", None, "[bold] it was " + "never " * 30),
    ]
    text = show(comparison_table(rows), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "[red]audio[/red]" in text
    assert text.count("never") == 30
    assert "before: not measured probe: [bold] it was never" in " ".join(text.split())
