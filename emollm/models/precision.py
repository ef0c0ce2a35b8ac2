"""In which precision frozen weights are loaded, where the recipe leaves that to the machine."""

from __future__ import annotations

import warnings
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "auto"]

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""With either, a processor multiplies in bfloat16. Those of ARM are not among them: they were not measured."""


def dtype_of(precision: Precision, device: torch.device, name: str) -> torch.dtype:
    """The dtype that is meant, on the device where the weights will be.

    Where bfloat16 is written out it is taken, and a warning says so if the device only imitates it.

    Args:
        precision: as a recipe has it.
        device: where the weights will be.
        name: of the recipe's field.
    """
    if precision == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    if precision == "bfloat16" and not computes_bfloat16(device):
        warnings.warn(
            f"{name} is bfloat16, which this {'GPU' if device.type == 'cuda' else 'processor'} only imitates, "
            "several times slower than float32: auto takes what the machine computes in.",
            stacklevel=2,
        )
    return getattr(torch, precision)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 by itself.

    Without such instructions torch widens every product's operands: on a processor with AVX2 alone a linear layer
    then takes eight times as long as in float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in _INSTRUCTIONS)
    return False
