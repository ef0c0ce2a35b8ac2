"""The style sheet, where a rule and the page must agree."""

import re
from pathlib import Path

import emollm.report
from emollm.report.html import render
from tests.report.made import content_of

FOLDER = Path(emollm.report.__file__).parent


def test_words_over_several_columns_stay_within_a_narrow_screen():
    """The table scrolls there, and a long line in a cell of its whole width would be cut off."""
    css = (FOLDER / "page.css").read_text(encoding="utf-8")
    narrow = css[css.index("@media screen and (max-width") : css.index("@page")]
    assert re.search(r"\.group span, \.whynot span \{[^}]*position: sticky; white-space: normal", narrow)
    page = render(content_of())
    assert 'scope="rowgroup"><span>Ablations' in page
    assert re.search(r'class="whynot"[^>]*><span>no number', page)
