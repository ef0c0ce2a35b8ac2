"""What a user writes about the backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emollm.errors import UserError


@dataclass
class BackboneSpec:
    """Which audio encoder, which of its layers, and how it is run."""

    source: str = "packaged:whisper-base"
    """Hub id, local folder, or ``packaged:NAME``. WavLM, HuBERT, wav2vec 2.0, data2vec-audio or Whisper."""
    layers: int | list[int] | Literal["all"] = "all"
    """Which hidden states: 0 is what the first block reads, n what block n gives, -1 the last; blocks above the
    highest one asked for are not loaded."""
    trained_layers: int = 0
    """How many transformer blocks are trained, counted from the highest that is used; 0 keeps all frozen."""
    whisper_padding: Literal["none", "30s"] = "none"
    """Whisper alone: encode a clip at its true length, or padded with silence to 30 s as in its training."""
    trim_db: float | None = None
    """Cut leading and trailing silence: what lies so many decibels below the loudest 25 ms; None keeps it."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the weights; trained layers need float32."""


def choose_layers(layers: int | list[int] | str, depth: int) -> list[int]:
    """The asked layers as ascending numbers from 0 to ``depth``, each once.

    Args:
        layers: as in ``BackboneSpec.layers``.
        depth: number of transformer blocks of the whole model.

    Raises:
        UserError: when a layer does not exist, or none is asked for.
    """
    if layers == "all":
        return list(range(depth + 1))
    asked = [layers] if isinstance(layers, int) else list(layers)
    wrong = [layer for layer in asked if not -depth - 1 <= layer <= depth]
    if wrong or not asked:
        raise UserError(
            f"backbone.layers is {layers}, but this backbone has the layers 0 to {depth} "
            f"(or {-depth - 1} to -1, counted from the end)."
        )
    return sorted({layer % (depth + 1) for layer in asked})
