"""How warnings look to a user."""

import warnings

from emollm import quiet


def test_a_warning_of_emollm_is_one_line_and_others_tell_their_place(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    quiet.hush()
    assert warnings.formatwarning("2 are left out.", UserWarning, quiet.__file__, 7) == "emollm: 2 are left out.\n"
    assert "other.py:7" in warnings.formatwarning("odd", UserWarning, "/somewhere/other.py", 7)
