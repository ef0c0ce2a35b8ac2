"""A short name for a set of weights, by which a checkpoint knows the frozen model it was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_VALUES = 64  # of each sampled parameter
_DIGITS = 16  # of each hexadecimal digest
_WHOLE = (torch.float32, torch.bfloat16)
_ABOUT = ("_name_or_path", "transformers_version", "architectures")
"""What a configuration tells of itself, and nothing is computed with."""


def fingerprint(module: nn.Module) -> str:
    """Digest of parameter names, and of the shapes and first values of parameters: two parts with a dash between.

    The first part is of norms, biases and embedding tables, which no quantisation touches; the second of matrices,
    where fine-tuning or a merged LoRA shows. A model whose matrices are quantised, or in float16, which rounds
    otherwise, has the first part alone. Values are rounded to bfloat16, so that the digest is the same in float32
    and bfloat16, and on any device. It reads a few values of each parameter, which costs milliseconds for a model
    of billions.

    Args:
        module: a model right after loading, before anything is added to it or trained.

    Returns:
        16 hexadecimal digits, or 16, a dash and 16.
    """
    tables = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    parameters = sorted(module.named_parameters())
    matrices = [(name, one) for name, one in parameters if one.ndim > 1 and name not in tables]
    first = _digest((name, one if one.ndim == 1 or name in tables else None) for name, one in parameters)
    whole = all(one.dtype in _WHOLE for _, one in matrices)
    return f"{first}-{_digest(matrices)}" if matrices and whole else first


def content(module: nn.Module) -> str:
    """Digest of all that a module computes with: every bit of its parameters and buffers, and its configuration.

    Where ``fingerprint`` recognises a model, this tells whether anything at all has changed. It reads every
    weight: seconds for gigabytes.

    Args:
        module: a model, with a Hugging Face ``config`` if it has one.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted([*module.named_parameters(), *module.named_buffers()]):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    config = getattr(module, "config", None)
    if config is not None:
        known = {name: value for name, value in config.to_dict().items() if name not in _ABOUT}
        digest.update(json.dumps(known, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:_DIGITS]


def same_weights(one: str, other: str) -> bool:
    """Whether two fingerprints are of one model, as far as both of them tell."""
    return all(a == b for a, b in zip(one.split("-"), other.split("-"), strict=False))


def _digest(parameters: Iterable[tuple[str, Tensor | None]]) -> str:
    """Of names, and of the shapes and samples of those that are given."""
    digest = hashlib.sha256()
    for name, parameter in parameters:
        digest.update(f"{name}\n".encode())
        if parameter is not None:
            digest.update(f"{tuple(parameter.shape)}\n".encode())
            digest.update(_sample(parameter))
    return digest.hexdigest()[:_DIGITS]


def _sample(parameter: Tensor) -> bytes:
    values = parameter.detach().flatten()[:_VALUES].to("cpu", torch.bfloat16)
    return values.view(torch.int16).numpy().tobytes()
