"""The imports that every verb waits for."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from emollm.startup import import_libraries
import_libraries()
kept = gc.get_freeze_count()
waste = []
waste.append(waste)
del waste
import_libraries()
print(gc.isenabled(), kept > 100_000, gc.get_freeze_count() == kept, gc.collect() > 0)
"""


def test_only_what_is_imported_stays_out_of_sight_of_the_garbage_collector() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["True"] * 4
