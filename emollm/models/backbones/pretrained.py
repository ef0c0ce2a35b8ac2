"""Loading part of a Hugging Face model: silent about what is left out on purpose, loud about what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from emollm.errors import UserError


def load_part(model_class: Any, path: str, config: Any, dtype: str, **options: Any) -> Any:
    """``model_class.from_pretrained`` for a config that asks for less than the folder holds.

    Args:
        model_class: a class of transformers with ``from_pretrained``.
        path: local folder or hub id.
        config: the model's config, changed to what is wanted.
        dtype: name of a torch dtype.
        options: passed on.

    Raises:
        UserError: when weights that the config asks for are not in the folder.
    """
    with _no_report_of_leftovers():
        model, report = model_class.from_pretrained(
            path, config=config, dtype=getattr(torch, dtype), output_loading_info=True, **options
        )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise UserError(
            f"The weights of the backbone '{path}' lack {len(missing)} tensors that its config.json asks for "
            f"(for example '{missing[0]}'): give a folder or hub id that holds the whole pretrained encoder."
        )
    return model.eval()


@contextmanager
def _no_report_of_leftovers() -> Iterator[None]:
    """Silence transformers' table of unexpected weights: heads, decoders and upper blocks, dropped on purpose."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
