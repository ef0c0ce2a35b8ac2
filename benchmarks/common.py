"""What all benchmarks share: clips, clocks, the shipped model, and a table with the machine below it."""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table

from emollm import factory, weights
from emollm.machine import machine, versions
from emollm.modules.base import EmotionModule

RATE = 16_000
_STATUS = Path("/proc/self/status")
WORDS = "kids are talking by the door"


def clips(folder: Path, number: int, seconds: float, spread: float = 0.5) -> list[Path]:
    """Noise with the rhythm of syllables, of lengths around ``seconds``; what is said does not change the cost."""
    folder.mkdir(parents=True, exist_ok=True)
    draw, files = np.random.default_rng(0), []
    for index in range(number):
        length = int(RATE * seconds * draw.uniform(1 - spread, 1 + spread))
        beat = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(length) / RATE + draw.uniform(0, 6))
        files.append(folder / f"{index:05d}.wav")
        soundfile.write(files[-1], (0.1 * beat * draw.standard_normal(length)).astype(np.float32), RATE)
    return files


def shipped(device: torch.device, encoder: str | None = None, **llm: Any) -> EmotionModule:
    """The default model with its weights.

    Args:
        device: where it runs.
        encoder: its precision, if another one.
        llm: other settings of the LLM (``dtype``…).
    """
    stored = weights.read(weights.DEFAULT_MODEL)
    recipe = copy.deepcopy(stored.specification["model"])
    recipe["backbone"].update({"dtype": encoder} if encoder else {})
    recipe["llm"].update(llm)
    module = factory.build(stored.specification["method"], recipe)
    module.place = device
    weights.apply(stored, module)
    return module.eval().to(device)


def seconds_of(work: Callable[[], Any], repeats: int = 3, warm: bool = True) -> float:
    """Median wall time of some work."""
    if warm:
        work()
    times = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def wait() -> None:
    """Until a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_gb() -> float:
    """Largest memory since ``forget_peak``: of the GPU if there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def forget_peak() -> None:
    """Let the largest memory begin anew, with what is no longer used given back; of a CPU on Linux alone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    elif _STATUS.exists():
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        with suppress(OSError):
            _STATUS.with_name("clear_refs").write_text("5")


def options(description: str, **defaults: Any) -> argparse.Namespace:
    """A command line with a default for every option, and ``--output`` for the JSON.

    Args:
        description: what the benchmark measures.
        defaults: a number (every other must be above 0 too), a list of whole numbers, which are written with
            commas, or a tuple of words to choose from, of which the first is the default.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        if isinstance(value, tuple):
            kind = {"choices": value, "default": value[0], "help": f"default: {value[0]}"}
        elif isinstance(value, list):
            kind = {"type": _numbers, "default": value, "help": f"default: {','.join(map(str, value))}"}
        else:
            kind = {"type": _above_zero(type(value)), "default": value, "help": f"default: {value}"}
        parser.add_argument(f"--{name}", **kind)
    parser.add_argument("--output", type=Path, help="write the rows as JSON too")
    return parser.parse_args()


def _above_zero(kind: type[int] | type[float]) -> Callable[[str], int | float]:
    """Reads a number; nothing can be measured on no clips, or in less than no time."""
    what = "a whole number" if kind is int else "a number"

    def read(text: str) -> int | float:
        try:
            number = kind(text)
        except ValueError:
            number = 0
        if not 0 < number < math.inf:
            raise argparse.ArgumentTypeError(f"'{text}' is not {what} above 0")
        return number

    return read


def _numbers(text: str) -> list[int]:
    read = _above_zero(int)
    return [int(read(part)) for part in text.split(",")]


def show(title: str, rows: list[dict[str, Any]], output: Path | None = None) -> None:
    """Print rows as a table with the machine, and write them as JSON if a file is named."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, justify="left" if isinstance(rows[0].get(name), str) else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    console = Console(width=120)
    console.print(table)
    console.print(machine(device), ", ".join(f"{k} {v}" for k, v in versions().items()), highlight=False)
    if output is not None:
        record = {"title": title, "rows": rows, "machine": machine(device), "versions": versions()}
        output.write_text(json.dumps(record, indent=2) + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3g}"
