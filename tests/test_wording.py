"""Words that several messages share."""

import pytest

from emollm.wording import first_line


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("one\ntwo"), "one"), (IndexError(), "IndexError"), (RuntimeError("\nlate"), "RuntimeError")],
)
def test_the_first_line_of_an_error_always_says_something(error, said):
    assert first_line(error) == said
