"""Trained weights on disk: a Lightning checkpoint, or the folder that ``emollm export`` writes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emollm.calibrate import file_beside, read_beside
from emollm.errors import UserError
from emollm.evaluation.calibration import Calibration
from emollm.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from emollm.modules.base import EmotionModule

SPECIFICATION = "specification.json"
WEIGHTS = "weights.safetensors"
ADAPTER = "adapter"
DEFAULT_MODEL = Path(__file__).parent / "default"
_ADAPTER_PREFIX = "model.llm.model."


@dataclass(frozen=True)
class Stored:
    """What was read from disk, before any model is built.

    Attributes:
        specification: method, recipe, labels, fingerprints.
        weights: trained weights by the module's own names.
        adapter: weights of the LLM's adapter by PEFT's names; empty for a checkpoint, which holds them above.
        name: how predictions call the model: where it came from, and a digest of its weights.
        calibration: how its confidences are corrected, if a file beside the weights says so.
    """

    specification: dict[str, Any]
    weights: dict[str, Tensor]
    adapter: dict[str, Tensor]
    name: str
    calibration: Calibration | None = None


def read(path: str | Path) -> Stored:
    """Read a checkpoint file or an exported folder.

    Raises:
        UserError: when there is no such thing, or it is not emollm's.
    """
    path = Path(path).expanduser()
    if path.exists():
        stored = _read_folder(path) if path.is_dir() else _read_checkpoint(path)
        return replace(stored, calibration=read_beside(path))
    raise UserError(f"There is no model at {path}: give a checkpoint (.ckpt) or a folder made by emollm export.")


def apply(stored: Stored, module: EmotionModule) -> None:
    """Build the module's parts and put the stored weights into them.

    Raises:
        UserError: when they do not fit.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    from emollm.modules.shapes import check_shapes

    module.configure_model()
    names = set(stored.weights)
    if stored.adapter:
        mine = get_peft_model_state_dict(module.model.llm.model, save_embedding_layers=False)
        if set(mine) != set(stored.adapter):
            raise UserError(f"The adapter of {stored.name} does not fit the language model it is put on.")
        check_shapes(mine, stored.adapter)
        set_peft_model_state_dict(module.model.llm.model, dict(stored.adapter))
        names |= {name for name in module.all_trained_names() if name.startswith(_ADAPTER_PREFIX)}
    module.check_weights(names, stored.specification)
    check_shapes(module.state_dict(), stored.weights)
    module.load_state_dict(stored.weights, strict=False)
    module.name = stored.name
    module.calibration = stored.calibration
    module.recall(stored.specification)


def write_folder(module: EmotionModule, folder: Path) -> None:
    """Write a built module as one folder: safetensors and JSON, nothing that could run code.

    The folder appears whole or not at all.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    folder = folder.expanduser().absolute()
    if folder == Path.cwd():
        raise UserError(f"{folder} is the current folder, which an export cannot replace: name a new one in it.")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty folder: give another --output, or remove it first.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        trained = module.all_trained_names()
        state = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items() if k in trained}
        own = {k: v for k, v in state.items() if not k.startswith(_ADAPTER_PREFIX)}
        if own:
            save_file(own, scratch / WEIGHTS)
        if len(own) < len(state):
            write_adapter(module, scratch / ADAPTER)
        specification = module.specification()
        (scratch / SPECIFICATION).write_text(
            json.dumps(specification, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )
        if module.calibration is not None:
            module.calibration.write(file_beside(scratch))
        (scratch / "README.md").write_text(_card(specification, folder.name), "utf-8")
        # Scratch folders and safetensors are the owner's alone; an export is meant to be shared.
        for path in (scratch, *scratch.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(scratch, folder)
    except SafetensorError as error:  # of a full disk too
        shutil.rmtree(scratch, ignore_errors=True)
        raise UserError(f"{folder} cannot be written: {error}.") from error
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def write_adapter(module: EmotionModule, folder: Path, trained: dict[str, Tensor] | None = None) -> None:
    """Write the LLM's adapter in plain PEFT format, which ``PeftModel.from_pretrained`` reads.

    Args:
        module: whose adapter it is.
        folder: where it is written.
        trained: weights to write in the place of those that the module has now, by the module's own names.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    model = module.model.llm.model
    state = trained and {name.removeprefix(_ADAPTER_PREFIX): value for name, value in trained.items()}
    adapter = get_peft_model_state_dict(model, state, save_embedding_layers=False)
    tensors = {k: v.detach().cpu().contiguous() for k, v in adapter.items()}
    write_bytes(folder / "adapter_model.safetensors", save(tensors, metadata={"format": "pt"}))
    config = model.peft_config["default"]
    before = config.base_model_name_or_path, config.inference_mode
    # The name the user gave, not the folder it was resolved to on this machine.
    config.base_model_name_or_path, config.inference_mode = module.llm.source, True
    config.save_pretrained(folder)
    config.base_model_name_or_path, config.inference_mode = before


def _read_folder(path: Path) -> Stored:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        specification = json.loads((path / SPECIFICATION).read_text(encoding="utf-8"))
        weights = load_file(path / WEIGHTS) if (path / WEIGHTS).is_file() else {}
        file = path / ADAPTER / "adapter_model.safetensors"
        adapter = load_file(file) if file.is_file() else {}
    except FileNotFoundError as error:
        raise UserError(f"{path} is not a model exported by emollm: it has no {SPECIFICATION}.") from error
    except (ValueError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read as an exported model: {error}; export it again.") from error
    _check_specification(specification, path)
    return Stored(specification, weights, adapter, f"{path.resolve().name}@{_digest({**weights, **adapter})}")


def _read_checkpoint(path: Path) -> Stored:
    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for files that are not checkpoints
        raise UserError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}): it is damaged, or no checkpoint; "
            "give a file written by emollm fit, or a folder made by emollm export."
        ) from error
    if not isinstance(checkpoint, dict) or "emollm" not in checkpoint:
        raise UserError(f"{path} was not written by emollm: it holds no specification.")
    _check_specification(checkpoint["emollm"], path)
    weights = checkpoint["state_dict"]
    # What a run resumes from are the weights themselves; what it is used with is their mean, where it keeps one.
    for name, mean in checkpoint.get("average", {}).get("mean", {}).items():
        weights[name] = mean.to(weights[name].dtype)
    return Stored(checkpoint["emollm"], weights, {}, f"{path.stem}@{_digest(weights)}")


def _check_specification(specification: Any, path: Path) -> None:
    wanted = {"method", "model", "labels", "fingerprints"}
    missing = wanted - set(specification if isinstance(specification, dict) else ())
    if missing:
        raise UserError(f"{path} is no model of emollm: its specification lacks {', '.join(sorted(missing))}.")


def _digest(tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].detach().float().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:8]


def _card(specification: dict[str, Any], name: str) -> str:
    recipe = specification["model"]
    sources = [
        f"- {part}: `{recipe[part]['source']}` (fingerprint `{mark}`)"
        for part, mark in specification["fingerprints"].items()
    ]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"A model of emotion in speech, exported by emollm {specification['emollm']}",
            f"(method `{specification['method']}`). It holds trained weights only; the frozen parts are",
            "",
            *sources,
            "",
            f"Labels: {', '.join(specification['labels'])}. Sound: 16 kHz mono.",
            "",
            "```",
            f"emollm predict FOLDER --model {name}",
            "```",
            "",
            "`specification.json` tells how it was built, `weights.safetensors` what was trained beside the LLM,",
            "`adapter/` holds the LLM's adapter in PEFT format. No file of this folder can run code.",
            "",
        ]
    )
