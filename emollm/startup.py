"""The imports that every verb that reads a recipe waits for, as fast as Python makes them."""

from __future__ import annotations

import gc
import sys


def import_libraries() -> None:
    """Import what ``emollm predict`` needs: torch, lightning, transformers, peft and emollm's own command line.

    Importing makes some million objects that live until the end. Python would look through them for garbage again
    and again meanwhile, and once more at exit: together a third of the start-up. They are kept out of its sight.
    """
    if "emollm.cli" in sys.modules:
        return
    gc.disable()
    try:
        import peft  # noqa: F401
        import transformers  # noqa: F401

        import emollm.cli  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()
