"""The page says what metrics.json says, whatever is in it, and loads nothing."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

import emollm.report
from emollm.report.charts import reliability
from emollm.report.derived import caution, constant, harmless
from emollm.report.html import render, write_report
from tests.report.made import LONG_PATH, NASTY, RIGHT_TO_LEFT, SEVEN, content_of, matrix_of, row_of
from tests.report.page import Page

FOLDER = Path(emollm.report.__file__).parent


@pytest.fixture(scope="module")
def full():
    content = content_of(folds=3, n=120)
    content["matrix"] = matrix_of(["emodb", "ravdess", "savee"])
    content["summary"]["broken"] = [{"path": "a/b.wav", "error": "there is no sound in it"}]
    return content


@pytest.fixture(scope="module")
def page(full):
    return Page(render(full))


def small(**options):
    return content_of(**{"n": 60, "draws": 20, "rows": False, **options})


def percent(share):
    return f"{100 * share:.1f}"


def test_the_page_needs_nothing_but_itself(full):
    text = render(full)
    assert not Page(text).tags() & {"script", "link", "img", "iframe", "object", "base"}
    for loading in ("src=", "url(", "@import", "http:", "https:", "<script"):
        assert loading not in text, loading
    assert "default-src 'none'" in text, "and a browser is told so"


def test_the_headline_has_figures_intervals_and_folds(full, page):
    result, intervals = full["summary"]["result"], full["summary"]["intervals"]
    shown = page.all("div", "figure")
    for name, text in zip(("ua", "wa", "macro_f1", "weighted_f1"), shown, strict=True):
        low, high = intervals[name]
        folds = full["rows"][0]["folds"][name]
        assert f"{percent(result[name])} [{percent(low)}, {percent(high)}]" in text
        assert f"{percent(folds['mean'])} ± {percent(folds['sd'])} over 3 folds" in text
    assert f"ECE {result['ece']:.3f}" in page.text()
    assert "bootstrap interval over 24 speakers, all folds pooled" in page.text()
    assert "360 predictions counted; 1 recording could not be read and is in no number" in page.text()


def test_every_sentence_of_the_audit_stands_above_all_tables(full, page):
    text = page.text()
    for line in full["audit"]["lines"]:
        assert line in text
        assert text.index(line) < text.index("Side by side")
    assert page.all("li", "look") == [full["audit"]["lines"][1]]
    assert len(page.all("li", "fine")) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("No speaker of test is in training.", True),
        ("Folds 1, 2, 3: No speaker of test is in training.", True),
        ("Not every speaker is known, so training and test may share speakers.", False),
        ("Fold 1: 2 speakers of test are in training too (a, b): the scores do not tell.", False),
        ("There are no transcripts, so nobody can tell whether test sentences occur in training.", False),
    ],
)
def test_only_what_is_not_shared_is_ticked_off(line, expected):
    assert harmless(line) is expected


def test_of_many_sentences_the_worst_come_first_and_none_is_lost():
    lines = [*(f"No thing {k}." for k in range(9)), *(f"Fold {k}: 1 speaker of test." for k in range(3))]
    page = Page(render(small(lines=lines)))
    assert page.all("li")[:3] == lines[9:]
    assert sorted(page.all("li")) == sorted(lines)
    assert page.all("summary")[0] == "6 more"


def test_rows_have_numbers_or_a_reason(full, page):
    (table,) = page.all("table", "comparison")
    for row in full["rows"]:
        assert row["title"] in table
        if row["result"] is None:
            assert f"no number: {row['why_not']}" in table
        else:
            low, high = row["intervals"]["ua"]
            assert f"{percent(row['result']['ua'])} [{percent(low)}, {percent(high)}]" in table
            assert percent(row["result"]["macro_f1"]) in table
    difference = 100 * (full["rows"][2]["result"]["ua"] - full["summary"]["result"]["ua"])
    assert f"−{-difference:.1f}" in table
    assert "All rows count the same 360 predictions." in page.text()


def test_rows_of_other_utterances_say_so(full):
    fewer = json.loads(json.dumps(full))
    fewer["rows"][1]["result"]["n"] = 359
    text = Page(render(fewer)).text()
    assert "Rows count different utterances" in text
    assert "359 utterances" in text
    others = json.loads(json.dumps(full))
    others["rows"][1]["same"] = False
    assert "Rows count different utterances" in Page(render(others)).text(), "as many, and not the same ones"


def test_cells_of_the_confusion_matrix(full, page):
    rows = full["summary"]["result"]["confusion"]
    title = re.compile(r"(.+) → (.+): (\d+)")
    cells = [attributes["title"] for tag, attributes, _ in page.elements if tag == "td" and "title" in attributes]
    found = {match.groups()[:2]: int(match[3]) for match in map(title.fullmatch, cells)}
    assert found == {(SEVEN[r], SEVEN[c]): rows[r][c] for r in range(7) for c in range(7)}


def test_answers_that_could_not_be_read_have_their_column():
    content = small(unread=0.2, corpora=("a", "b"))
    page = Page(render(content))
    assert len(page.all("table", "matrix")) == 3, "all and each of the two corpora"
    assert page.all("th", "unread") == ["unparsed"] * 3
    assert f"{percent(content['summary']['result']['unparsed'])} % of the answers could not be read" in page.text()
    assert "unparsed" not in Page(render(small())).text()


def test_a_label_that_does_not_occur_has_dashes():
    content = small(labels=("a", "b"))
    figures = {"recall": 0.0, "precision": 0.0, "f1": 0.0, "support": 0}
    result = content["summary"]["result"]
    result["per_class"]["c"] = figures
    result["confusion"] = [[*row, 0] for row in result["confusion"]] + [[0, 0, 0]]
    page = Page(render(content | {"labels": ["a", "b", "c"]}))
    assert page.all("td", "meter")[6:9] == ["–"] * 3
    assert page.all("table", "matrix")[0].endswith("c 0 – – –")


def test_the_cross_corpus_matrix_has_holes(full, page):
    (table,) = page.all("table", "cross")
    assert percent(full["matrix"]["ua"][0][1]) in table
    assert "savee –" in table
    assert len([text for text in page.all("td", "same") if text]) == 3


def test_data_is_text_and_never_markup():
    labels = [NASTY, "😀 joy", "غاضب", "e" * 300]
    content = small(labels=labels, texts=[NASTY, RIGHT_TO_LEFT], corpora=(NASTY, "b"), rows=True, n=200)
    content["protocol"]["name"] = content["title"] = content["command"] = content["recipe"] = NASTY
    content["model"] = content["method"] = content["machine"] = content["missing"] = NASTY
    content["versions"] = {NASTY: NASTY}
    content["audit"]["lines"] = [NASTY]
    content["specification"] = {NASTY: [NASTY]}
    content["matrix"] = matrix_of([NASTY, "b"])
    content["summary"]["broken"] = [{"path": LONG_PATH, "error": NASTY}]
    content["rows"].append(row_of("baseline", "x", NASTY, NASTY, None, NASTY))
    for one in content["summary"]["errors"]:
        one |= {"speaker": NASTY, "path": NASTY, "transcript": NASTY}
    page = Page(render(content))
    assert "script" not in page.tags()
    assert not any(name.startswith("on") for _, attributes, _ in page.elements for name in attributes)
    assert page.all("h1") == [NASTY]
    assert page.all("li", "look") == [NASTY]
    assert page.all("span", "said") == [NASTY] * 10
    assert page.all("td", "name")[0] == "audio and transcript"
    for shown in (*labels, LONG_PATH, f"no number: {NASTY}", f"{NASTY} {NASTY}"):
        assert shown in page.text()


def test_numbers_that_are_missing_are_dashes_or_left_out():
    content = small(calibration=False, rows=True, speakers=0)
    content["rows"][1]["intervals"] = None
    content["rows"][2]["why_not"] = content["rows"][2]["result"] = None
    content["summary"]["result"] |= {"ece": None, "nll": -0.0}
    content["summary"]["errors"][0] |= {"confidence": None, "transcript": None, "path": None, "corpus": None}
    content["summary"]["broken"] = [{"path": None, "error": "gone"}]
    content |= {"command": "", "recipe": "", "machine": "", "versions": {}, "seeds": None, "missing": None}
    text = Page(render(content)).text()
    assert "ECE – NLL 0.000" in text
    assert "no number: not measured" in text
    assert "not calibrated" in text
    assert "None" not in text
    assert "By speaker" not in text
    calibrated = small()
    calibrated["calibration"] |= {"threshold": None, "ece_before": None, "ece_after": None, "nll_before": None}
    text = Page(render(calibrated)).text()
    assert "None" not in text
    assert "uncertain" not in text


def test_calibration_is_told_before_and_after(full, page):
    assert "validation, before 0.112 1.020 validation, after 0.041 0.910" in page.text()
    assert "Temperature 1.37" in page.text()
    assert "the gap between confidence and accuracy in 15 bins of equal width" in page.text()
    assert "confidence of 0.62 counts as uncertain" in page.text()


@pytest.mark.parametrize(("right", "n"), [(0, 3), (2, 3), (3, 3), (77, 100)])
def test_whiskers_of_the_reliability_plot_are_wilson_intervals(right, n):
    one = {"low": 0.4, "high": 0.6, "n": n, "confidence": 0.5, "accuracy": right / n}
    elements = Page(str(reliability([one]))).elements
    floor, top = (
        next(float(a["y1"]) for tag, a, _ in elements if tag == "line" and a["class"] == kind)
        for kind in ("axis", "whisker")
    )
    whisker = next(a for _, a, _ in elements if a.get("class") == "whisker")
    size = floor - next(float(a["y2"]) for _, a, _ in elements if a.get("class") == "diagonal")
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert (floor - top) / size == pytest.approx(expected.low, abs=1e-3)
    assert (floor - float(whisker["y2"])) / size == pytest.approx(expected.high, abs=1e-3)


@pytest.mark.parametrize(("folds", "expected"), [(0, "No wrong answer."), (2, "over 2 folds")])
def test_two_labels_one_speaker_no_errors(folds, expected):
    text = Page(render(small(labels=("no", "yes"), n=8, speakers=1, skill=40.0, folds=folds))).text()
    assert expected in text
    assert "One speaker, 01: UA 100.0, WA 100.0" in text


def test_many_labels_and_a_thousand_speakers():
    content = small(labels=[f"emotion{k}" for k in range(32)], n=4000, speakers=1000, unread=0.02)
    page = Page(render(content))
    number = len(content["summary"]["speakers"])
    assert number > 900
    assert f"{number} speakers, from UA" in page.text()
    assert "12 highest" in page.text()
    ua = sorted(one["ua"] for one in content["summary"]["speakers"])
    bars = [int(match[1]) for title in page.all("title") if (match := re.match(r"(\d+) speakers from", title))]
    assert sum(bars) == number, "the histogram holds every speaker"
    assert bars[0] == sum(share < 0.05 for share in ua)
    assert bars[-1] == sum(share >= 0.95 for share in ua), "also those of exactly 100 %"
    shown = page.all("td", "meter")[-24:]
    assert shown == [percent(share) for share in [*ua[:-13:-1], *ua[11::-1]]]
    assert len(page.all("table", "dense")) == 1
    assert len(page.all("td", "right")) == 32


def test_seeds_and_what_is_missing():
    content = small() | {"missing": "Only 2 of 4 folds were tested.", "notes": ["The head is <round>."]}
    content["seeds"] = {"ua": {"mean": 0.5, "sd": 0.02, "values": {"0": 0.48, "1": 0.52}}}
    page = Page(render(content))
    assert page.all("div", "figure")[0].endswith("50.0 ± 2.0 over 2 seeds")
    assert "Only 2 of 4 folds were tested." in page.text()
    assert "60 predictions counted" in page.text()
    assert "The head is <round>." in page.text()


def test_speakers_who_are_also_in_training_are_in_the_first_lines():
    content = small()
    content["protocol"]["speaker_independent"] = False
    assert Page(render(content)).all("span", "warn")[0] == "not speaker-independent"


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("24 speakers", None),
        ("4 speakers", "so few"),
        ("2610 utterances", "one by one"),
        ("24 speakers and 300 utterances", "one by one"),
    ],
)
def test_intervals_that_are_too_narrow_say_so(over, expected):
    told = caution(over)
    assert told is None if expected is None else expected in told


def test_a_constant_answer_scores_what_scikit_learn_says():
    result = small(n=97)["summary"]["result"]
    targets = np.repeat(np.arange(7), [one["support"] for one in result["per_class"].values()])
    answers = np.full(97, np.bincount(targets).argmax())
    told = constant(result)
    assert told["label"] == SEVEN[answers[0]]
    assert told["wa"] == pytest.approx(accuracy_score(targets, answers))
    assert told["ua"] == pytest.approx(balanced_accuracy_score(targets, answers))
    for average in ("macro", "weighted"):
        expected = f1_score(targets, answers, average=average, zero_division=0)
        assert told[f"{average}_f1"] == pytest.approx(expected)


def test_both_files_are_written_at_one_stroke(full, tmp_path, monkeypatch):
    files = write_report(full, tmp_path / "new")
    assert [file.name for file in files] == ["metrics.json", "report.html"]
    assert json.loads(files[0].read_text(encoding="utf-8")) == json.loads(json.dumps(full))
    assert files[1].read_text(encoding="utf-8") == render(full)
    assert {file.name for file in files[0].parent.iterdir()} == {"metrics.json", "report.html"}

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    before = [file.read_bytes() for file in files]
    with pytest.raises(OSError, match="no space"):
        write_report(small(), tmp_path / "new")
    assert [file.read_bytes() for file in files] == before


def test_the_page_follows_from_metrics_json_alone(full, tmp_path):
    metrics, page = write_report(full, tmp_path)
    assert render(json.loads(metrics.read_text(encoding="utf-8"))) == page.read_text(encoding="utf-8")


def test_values_that_json_or_utf8_do_not_know(tmp_path):
    content = small()
    content["summary"]["result"]["nll"] = float("inf")
    content["summary"]["errors"][0]["path"] = "caf\udce9.wav"
    metrics, page = write_report(content, tmp_path)
    assert json.loads(metrics.read_text(encoding="utf-8"))["summary"]["result"]["nll"] is None
    assert "NLL –" in Page(page.read_text(encoding="utf-8")).text()
    assert "caf?.wav" in page.read_text(encoding="utf-8")


def test_without_scored_labels_there_is_no_page(tmp_path):
    content = small() | {"summary": None, "rows": [], "wer": 0.25}
    assert [file.name for file in write_report(content, tmp_path)] == ["metrics.json"]
    text = Page(render(content | {"matrix": matrix_of(["a", "b"])})).text()
    assert "From corpus to corpus" in text
    assert "WER 25.0 %" in text


def test_the_style_sheet_defines_all_colours_it_uses_and_never_those_of_the_dark_on_paper():
    css = (FOLDER / "page.css").read_text(encoding="utf-8")
    used, defined = set(re.findall(r"var\((--[\w-]+)\)", css)), set(re.findall(r"(--[\w-]+):", css))
    assert used <= defined | {"--s", "--room"}, "the last two are set by the page"
    assert re.findall(r"@media ([^{]*)prefers-color-scheme", css) == ["screen and ("]


def test_all_files_of_the_page_are_installed():
    """The pattern for data files in pyproject is ``report/page.*``."""
    others = {file.name for file in FOLDER.iterdir() if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert others == {"page.css", "page.html.jinja", "page.macros.jinja"}
