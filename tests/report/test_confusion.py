"""The figure says what the matrix says, is drawn inside its frame, and needs no window."""

import sys

import numpy as np
import pytest

from emollm.report.confusion import confusion_figure, save

LABELS = ["angry", "happy", "sad", "neutral"]
MATRIX = [[8, 2, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 1], [0, 0, 0, 3, 0]]


def cells(figure):
    axes = figure.axes[0]
    return {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in axes.texts}


def names(labels):
    return [label.get_text() for label in labels]


def test_cells_hold_row_percentages_and_counts():
    text = cells(confusion_figure(MATRIX, LABELS, "test"))
    assert len(text) == 20
    assert text[0, 0] == "80 %\n8"
    assert text[0, 1] == "20 %\n2"
    assert text[0, 2] == "0"
    assert text[2, 4] == "25 %\n1"
    assert {text[1, column] for column in range(5)} == {"–"}, "a label without utterances has no shares"


def test_axes_name_labels_support_and_unparsed_answers():
    axes = confusion_figure(MATRIX, LABELS, "test: emodb").axes[0]
    assert names(axes.get_xticklabels()) == [*LABELS, "unparsed"]
    assert names(axes.get_yticklabels()) == ["angry (10)", "happy (0)", "sad (4)", "neutral (3)"]
    assert axes.get_title() == "test: emodb"
    square = confusion_figure(np.array(MATRIX)[:, :4], LABELS).axes[0]
    assert names(square.get_xticklabels()) == LABELS


@pytest.mark.parametrize("number", [2, 4, 8, 12])
def test_everything_lies_inside_the_frame_and_no_cell_overflows(number):
    labels = [f"frustrated{k}" for k in range(number)]
    figure = confusion_figure(np.full((number, number + 1), 12345), labels, "validation: all")
    figure.draw_without_rendering()
    whole, tight = figure.bbox, figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert whole.x0 - 1 <= tight.x0
    assert tight.x1 <= whole.x1 + 1
    assert whole.y0 - 1 <= tight.y0
    assert tight.y1 <= whole.y1 + 1
    axes = figure.axes[0]
    width = axes.bbox.width / (number + 1)
    assert max(text.get_window_extent().width for text in axes.texts) < width


def test_a_matrix_of_another_size_is_refused():
    with pytest.raises(ValueError, match="4 labels"):
        confusion_figure([[1, 2], [3, 4]], LABELS)


def test_save_writes_a_file_in_the_format_of_its_suffix(tmp_path):
    figure = confusion_figure(MATRIX, LABELS, "test")
    save(figure, tmp_path / "new" / "confusion.png")
    assert (tmp_path / "new" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    save(figure, tmp_path / "confusion.svg")
    assert "<svg" in (tmp_path / "confusion.svg").read_text()


def test_tensorboard_takes_the_figure(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_figure("test/confusion/all", confusion_figure(MATRIX, LABELS, "test"))
    assert max(file.stat().st_size for file in tmp_path.iterdir()) > 5_000


def test_no_figure_is_left_in_pyplot():
    confusion_figure(MATRIX, LABELS, "test")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
