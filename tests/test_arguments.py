"""The command line before it is parsed."""

import pytest

from emollm.arguments import pairs, values_of
from emollm.errors import UserError


def test_pairs():
    assert pairs(["--a", "1", "--b=2", "-c", "x", "--d"]) == [("--a", "1"), ("--b", "2"), ("-c", "x"), ("--d", "")]
    with pytest.raises(UserError, match="'z' belongs to no option"):
        pairs(["--a", "1", "z"])


def test_values_keep_their_order_however_they_are_written():
    """The last recipe counts, and so does the last method."""
    assert values_of(["--config=a", "--config", "b", "-c", "d", "-c=e", "--config"], "--config", "-c") == list(
        "abde"
    )
