"""Whether a machine computes in bfloat16, and in which precision frozen weights are loaded where that decides."""

from __future__ import annotations

import warnings
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "auto"]

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""With either, a processor multiplies in bfloat16. Those of ARM are not among them: they were not measured."""


def dtype_of(precision: Precision, device: torch.device, name: str) -> torch.dtype:
    """The dtype that is meant, on the device where the weights will be.

    Where bfloat16 is written out it is taken, with a warning if the device may only imitate it.

    Args:
        precision: as a recipe has it.
        device: where the weights will be.
        name: of the recipe's field.
    """
    if precision == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    if precision == "bfloat16":
        tell_if_imitated(f"{name} is bfloat16", device, "auto takes what the machine computes in")
    return getattr(torch, precision)


def tell_if_imitated(setting: str, device: torch.device, remedy: str) -> None:
    """Warn of a setting that asks for bfloat16 where a device may only imitate it.

    Args:
        setting: the field and its value, which begin the warning.
        device: that computes.
        remedy: what to choose instead, which ends it.
    """
    if computes_bfloat16(device):
        return
    machine = {"cuda": "GPU", "cpu": "processor"}.get(device.type, "device")
    warnings.warn(
        f"{setting}, and this {machine} is not known to compute in bfloat16: where it only imitates that, float32 "
        f"is several times faster; {remedy}.",
        stacklevel=3,
    )


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
