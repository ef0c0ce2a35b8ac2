"""A short name for a set of weights, by which a checkpoint knows the frozen model it was trained on."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

_VALUES = 64  # of each sampled parameter
_DIGITS = 16  # of the hexadecimal digest


def fingerprint(module: nn.Module) -> str:
    """Digest of parameter names, and of the shapes and first values of norms, biases and embedding tables.

    Those are the parameters that no quantisation touches. Values are rounded to bfloat16, so that the digest is
    the same in whichever precision and on whichever device the model was loaded. Matrices are left out: a
    quantised one has neither the shape nor the values of the original. It reads a few values of each parameter,
    which costs milliseconds for a model of billions.

    Args:
        module: a model right after loading, before anything is added to it or trained.

    Returns:
        16 hexadecimal digits.
    """
    tables = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    digest = hashlib.sha256()
    for name, parameter in sorted(module.named_parameters()):
        digest.update(f"{name}\n".encode())
        if parameter.ndim == 1 or name in tables:
            digest.update(f"{tuple(parameter.shape)}\n".encode())
            digest.update(_sample(parameter))
    return digest.hexdigest()[:_DIGITS]


def _sample(parameter: Tensor) -> bytes:
    values = parameter.detach().flatten()[:_VALUES].to("cpu", torch.bfloat16)
    return values.view(torch.int16).numpy().tobytes()
